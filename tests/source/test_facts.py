"""Facts of a source: counts equal to what was made, unchanged by names, and nothing of what somebody wrote."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sources
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import Made, Sprite

from harvester.source.decode import decode
from harvester.source.facts import AssetKind, AssetUse, Facts, facts
from harvester.source.opcodes import Category
from harvester.source.rubric import RUBRIC, Dimension

FLAG = ["whenGreenFlag"]
FILE = "bcf454acf82e4504149f7ffe07081dbc.svg"
SHADOW = {"opcode": "looks_costume", "shadow": True, "fields": {"COSTUME": ["Anna"]}}
NAMED = {
    "VARIABLE",
    "LIST",
    "BROADCAST_OPTION",
    "BROADCAST_INPUT",
    "TO",
    "COSTUME",
    "CLONE_OPTION",
    "TOUCHINGOBJECTMENU",
}


def facts_of(*scripts: list[Any], stage: list[list[Any]] | None = None, **sprite: Any) -> Facts:
    """Return the facts of a project of Scratch 2 with one sprite."""
    child = {"objName": "Anna", "scripts": [[0, 0, script] for script in scripts]} | sprite
    on_stage = [[0, 0, script] for script in stage or []]
    return made({"objName": "Stage", "scripts": on_stage, "children": [child]})


def made(project: Any) -> Facts:
    found = facts(decode(sources.write(project)))
    assert found is not None
    return found


def walk(stack: list[Made]) -> list[Made]:
    """Return the blocks of a stack and those they hold."""
    found = []
    for name, arguments in stack:
        found.append((name, arguments))
        for value in arguments.values():
            found += walk(value if isinstance(value, list) else [value] if isinstance(value, tuple) else [])
    return found


@settings(max_examples=15)
@given(sources.projects, st.integers(0, 2**32).map(random.Random))
def test_counts_equal_what_was_made(project: list[Sprite], order: random.Random) -> None:
    blocks = [block for sprite in project for script in sprite.scripts for block in walk(script)]
    opcodes = Counter(name for name, _ in blocks)
    messages = {
        arguments[slot].lower()
        for _, arguments in blocks
        for slot in ("BROADCAST_OPTION", "BROADCAST_INPUT")
        if isinstance(arguments.get(slot), str)
    }
    third, second = made(sources.scratch_3(project, order)), made(sources.scratch_2(project))
    assert third == second
    assert third.opcodes == opcodes
    assert sum(third.categories.values()) == third.blocks == len(blocks)
    assert third.clones == opcodes["control_create_clone_of"]
    assert third.scripts == sum(len(sprite.scripts) for sprite in project)
    assert third.sprites == len(project) - 1
    assert third.broadcasts == len(messages)
    assert (third.variables, third.lists, third.comments, third.costumes, third.sounds) == tuple(
        sum(len(getattr(sprite, kind)) for sprite in project)
        for kind in ("variables", "lists", "comments", "costumes", "sounds")
    )
    assert sum(asset.count for asset in third.assets) == third.costumes + third.sounds
    assert third.odd == third.unreachable == 0


def renamed(stack: list[Made]) -> list[Made]:
    return [
        (name, {slot: renamed_value(slot, value) for slot, value in arguments.items()}) for name, arguments in stack
    ]


def renamed_value(slot: str, value: Any) -> Any:
    if isinstance(value, str):
        return f"ren {value}" if slot in NAMED else value
    return renamed(value) if isinstance(value, list) else renamed([value])[0] if value else value


@settings(max_examples=15)
@given(sources.projects, st.integers(0, 2**32).map(random.Random))
def test_names_and_positions_change_no_fact(project: list[Sprite], order: random.Random) -> None:
    """Ids, positions and the order of keys are drawn for each of the two as they are written."""
    again = [
        replace(
            sprite,
            name=f"ren {sprite.name}",
            scripts=[renamed(script) for script in sprite.scripts],
            comments=["other" for _ in sprite.comments],
            variables=[f"ren {name}" for name in sprite.variables],
        )
        for sprite in project
    ]
    assert made(sources.scratch_3(project, order)) == made(sources.scratch_3(again, order))


def test_blocks_that_no_event_leads_to() -> None:
    """Scripts without an event, and custom blocks that only such scripts or no script calls."""
    define = [["procDef", "a", [], [], False], ["call", "b"]]
    found = facts_of(
        [FLAG, ["call", "a"]],
        define,
        [["procDef", "b", [], [], False], ["call", "a"], ["show"]],
        [["procDef", "c", [], [], False], ["hide"]],
        [["call", "c"], ["show"]],
        [["xpos"]],
        stage=[define],
    )
    assert found.blocks == 2 + 2 + 3 + 2 + 2 + 1 + 2
    assert found.unreachable == 2 + 2 + 1 + 2
    assert found.custom_blocks == 4
    loose = {"a": {"opcode": "motion_movesteps", "next": "b"}, "b": {"opcode": "looks_show"}}
    found = made({"targets": [{"blocks": loose | {"c": SHADOW | {"topLevel": True}}}]})
    assert (found.blocks, found.scripts, found.unreachable) == (2, 0, 2)


def test_duplicates_differ_in_names_only() -> None:
    def script(name: str, steps: int) -> list[Any]:
        return [
            FLAG,
            ["setVar:to:", name, 1],
            ["changeVar:by:", name, 2],
            ["forward:", steps],
            ["say:", ["readVariable", name]],
        ]

    assert facts_of(script("a", 10), script("b", 10), script("c", 11), stage=[script("d", 10)]).duplicate_scripts == 2
    mixed = [FLAG, ["setVar:to:", "a", 1], ["changeVar:by:", "b", 2], ["forward:", 10], ["say:", ["readVariable", "a"]]]
    assert facts_of(script("a", 10), mixed).duplicate_scripts == 0, "which names are the same counts"
    assert facts_of([FLAG, ["show"]], [FLAG, ["show"]]).duplicate_scripts == 0, "short scripts are alike by chance"


@pytest.mark.parametrize(
    ("name", "default"), [("Sprite1", 1), ("Figur 12", 1), ("角色3", 1), ("Sprite", 0), ("Anna1", 0)]
)
def test_default_names(name: str, default: int) -> None:
    assert facts_of(objName=name).default_names == default


def test_what_somebody_wrote_is_no_fact() -> None:
    """Opcodes and extensions that Scratch has not are `unknown`, files that are no MD5 are left out."""
    blocks = {
        "a": {"opcode": "anna_lives_here", "topLevel": True, "next": "b"},
        "b": {"opcode": "pen_clear"},
        "c": {"opcode": "motion_annalives", "topLevel": True},
    }
    costumes = [{"name": "Anna", "md5ext": file} for file in (FILE, FILE.upper(), "anna.svg", f"{FILE}/../x", 5, None)]
    target = {"name": "Anna", "blocks": blocks, "costumes": costumes, "variables": {"anna": ["☁ Anna", 1, True]}}
    found = made({"targets": [target], "extensions": ["pen", "annaslib", "music"]})
    assert found.opcodes == {"pen_clear": 1, "unknown": 2}
    assert found.categories == {Category.EXTENSION: 1, Category.UNKNOWN: 2}
    assert found.extensions == ("music", "pen", "unknown")
    assert found.assets == (AssetUse(AssetKind.COSTUME, FILE, 2),)
    assert (found.costumes, found.cloud_variables, found.clones) == (6, 1, 0)
    assert "anna" not in repr(found).lower()


def test_scratch_1_has_no_facts() -> None:
    assert facts(decode(b"ScratchV01")) is None


RECEIVE, KEY = ["whenIReceive", "go"], ["whenKeyPressed", "space"]
SPRITES = [{"objName": name, "scripts": [[0, 0, [FLAG]]]} for name in ("a", "b")]


@pytest.mark.parametrize(
    ("dimension", "expected", "scripts"),
    [
        (Dimension.ABSTRACTION, 0, [[FLAG], [FLAG]]),
        (Dimension.ABSTRACTION, 2, [[["procDef", "a", [], [], False]]]),
        (Dimension.ABSTRACTION, 3, [[["whenCloned"]]]),
        (Dimension.ABSTRACTION, 3, [[["createCloneOf", "_myself_"]]]),
        (Dimension.PARALLELISM, 0, [[FLAG], [KEY]]),
        (Dimension.PARALLELISM, 1, [[FLAG], [FLAG]]),
        (Dimension.PARALLELISM, 0, [[KEY], [["whenKeyPressed", "a"]]]),
        (Dimension.PARALLELISM, 2, [[KEY], [KEY]]),
        (Dimension.PARALLELISM, 2, [[["whenClicked"]], [["whenClicked"]]]),
        (Dimension.PARALLELISM, 0, [[RECEIVE], [["whenIReceive", "stop"]]]),
        (Dimension.PARALLELISM, 3, [[RECEIVE], [["whenIReceive", "GO"]]]),
        (Dimension.PARALLELISM, 3, [[["whenSceneStarts", "a"]], [["whenSceneStarts", "a"]]]),
        (Dimension.PARALLELISM, 3, [[["whenSensorGreaterThan", "timer", 5]], [["whenSensorGreaterThan", "timer", 6]]]),
        (
            Dimension.PARALLELISM,
            0,
            [[["whenSensorGreaterThan", "timer", 5]], [["whenSensorGreaterThan", "loudness", 5]]],
        ),
        (Dimension.PARALLELISM, 3, [[["createCloneOf", "a"]]]),
        (Dimension.LOGIC, 0, [[FLAG]]),
        (Dimension.LOGIC, 1, [[["doIf", False, None]]]),
        (Dimension.LOGIC, 2, [[["doIfElse", False, None, None]]]),
        (Dimension.LOGIC, 3, [[["not", False]]]),
        (Dimension.SYNCHRONIZATION, 0, [[FLAG]]),
        (Dimension.SYNCHRONIZATION, 1, [[["wait:elapsed:from:", 1]]]),
        (Dimension.SYNCHRONIZATION, 2, [[["stopScripts", "all"]]]),
        (Dimension.SYNCHRONIZATION, 2, [[["broadcast:", "go"]]]),
        (Dimension.SYNCHRONIZATION, 3, [[["doWaitUntil", False]]]),
        (Dimension.SYNCHRONIZATION, 3, [[["doBroadcastAndWait", "go"]]]),
        (Dimension.FLOW_CONTROL, 0, [[FLAG], [["say:", ["xpos"]]]]),
        (Dimension.FLOW_CONTROL, 1, [[FLAG, ["show"]]]),
        (Dimension.FLOW_CONTROL, 2, [[["doForever", None]]]),
        (Dimension.FLOW_CONTROL, 3, [[["doUntil", False, None]]]),
        (Dimension.USER_INTERACTIVITY, 0, [[["show"]]]),
        (Dimension.USER_INTERACTIVITY, 1, [[FLAG]]),
        (Dimension.USER_INTERACTIVITY, 2, [[["pointTowards:", "_mouse_"]]]),
        (Dimension.USER_INTERACTIVITY, 2, [[["doAsk", "name?"]]]),
        (Dimension.USER_INTERACTIVITY, 3, [[["soundLevel"]]]),
        (Dimension.USER_INTERACTIVITY, 3, [[["whenSensorGreaterThan", "video motion", 5]]]),
        (Dimension.DATA_REPRESENTATION, 0, [[["readVariable", "a"]]]),
        (Dimension.DATA_REPRESENTATION, 1, [[["forward:", 10]]]),
        (Dimension.DATA_REPRESENTATION, 2, [[["changeVar:by:", "a", 1]]]),
        (Dimension.DATA_REPRESENTATION, 3, [[["append:toList:", 1, "a"]]]),
    ],
)
def test_levels_of_the_rubric(dimension: Dimension, expected: int, scripts: list[Any]) -> None:
    assert facts_of(*scripts).scores[dimension] == expected


def test_the_rubric_counts_over_all_sprites() -> None:
    two = made({"objName": "Stage", "children": SPRITES})
    assert (two.scores[Dimension.ABSTRACTION], two.scores[Dimension.PARALLELISM]) == (1, 1)
    clicks = [sprite | {"scripts": [[0, 0, [["whenClicked"]]]]} for sprite in SPRITES]
    assert made({"objName": "Stage", "children": clicks}).scores[Dimension.PARALLELISM] == 0
    assert set(two.scores) == set(Dimension) == set(RUBRIC)


def test_the_documentation_states_the_rules_of_the_rubric() -> None:
    text = (Path(__file__).parents[2] / "docs" / "sources.md").read_text()
    rows = [
        f"| {dimension.replace('_', ' ')} | " + " | ".join(level.rule for level in levels) + " |"
        for dimension, levels in RUBRIC.items()
    ]
    assert "\n".join(rows) in text
