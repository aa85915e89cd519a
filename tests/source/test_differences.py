"""What a remix changed, by edits that are known, and the structure that is left when all words are gone."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
import sources
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import Made, Sprite

from harvester.source.decode import decode
from harvester.source.differences import Differences, compare
from harvester.source.structure import structure

seeds = st.integers(0, 2**32)


def scratch_3(project: list[Sprite], seed: int = 0) -> Any:
    return decode(sources.write(sources.scratch_3(project, random.Random(seed))))


@settings(max_examples=15)
@given(sources.projects, seeds)
def test_the_same_written_otherwise_is_untouched(project: list[Sprite], seed: int) -> None:
    """A remix of a project of Scratch 2 is saved as Scratch 3; ids and positions are new each time."""
    child, parent = scratch_3(project, seed), decode(sources.write(sources.scratch_2(project)))
    scripts = sum(len(sprite.scripts) for sprite in project)
    assets = sum(len(sprite.costumes) + len(sprite.sounds) for sprite in project)
    assert compare(child, parent) == Differences(scripts, 0, 0, assets, 0, 0, untouched=True)


NEW: list[Made] = [("event_whenflagclicked", {}), ("looks_sayforsecs", {"MESSAGE": "new", "SECS": "987654"})]


@settings(max_examples=15)
@given(sources.projects, seeds)
def test_known_edits_are_found(project: list[Sprite], seed: int) -> None:
    order = random.Random(seed)
    child = copy.deepcopy(project)
    added, removed, lost = 0, 0, 0
    for sprite in child:
        for _ in range(order.randrange(3)):
            sprite.scripts.insert(0, NEW)
            added += 1
        if len(sprite.scripts) > 1 and sprite.scripts[-1] is not NEW and order.random() < 0.5:
            sprite.scripts.pop()
            removed += 1
        if sprite.costumes and order.random() < 0.5:
            sprite.costumes.pop()
            lost += 1
    scripts = sum(len(sprite.scripts) for sprite in project)
    assets = sum(len(sprite.costumes) + len(sprite.sounds) for sprite in project)
    found = compare(scratch_3(child, seed), scratch_3(project))
    assert found == Differences(
        scripts - removed, added, removed, assets - lost, 0, lost, untouched=not (added or removed or lost)
    )  # fmt: skip


SCRIPT: list[Made] = [("event_whenflagclicked", {}), ("data_setvariableto", {"VARIABLE": "a", "VALUE": "1"})]
BASE = [Sprite("Stage"), Sprite("Anna", scripts=[SCRIPT], variables=["a"], comments=["hello"])]


@pytest.mark.parametrize(
    ("change", "value", "same_script"),
    [
        ("variables", ["b"], True),
        ("comments", ["bye"], True),
        ("name", "Ben", True),
        ("lists", ["x"], True),
        ("scripts", [[SCRIPT[0], ("data_setvariableto", {"VARIABLE": "b", "VALUE": "1"})]], True),
        ("scripts", [[SCRIPT[0], ("data_setvariableto", {"VARIABLE": "a", "VALUE": "2"})]], False),
        ("scripts", [[SCRIPT[0], SCRIPT[1], SCRIPT[1]]], False),
    ],
)
def test_any_change_touches(change: str, value: Any, same_script: bool) -> None:
    """A name that is changed leaves the script the same, and the project touched."""
    child = copy.deepcopy(BASE)
    setattr(child[1], change, value)
    found = compare(scratch_3(child), scratch_3(BASE))
    assert found is not None
    assert not found.untouched
    assert found.scripts_kept == same_script


def test_scripts_and_assets_are_counted_as_often_as_they_occur() -> None:
    asset = ("walk", "bcf454acf82e4504149f7ffe07081dbc.svg")
    parent = [Sprite("Stage"), Sprite("A", scripts=[SCRIPT], costumes=[asset])]
    child = [*parent, Sprite("B", scripts=[SCRIPT, SCRIPT], costumes=[asset], sounds=[asset])]
    assert compare(scratch_3(child), scratch_3(parent)) == Differences(1, 2, 0, 1, 2, 0, untouched=False)
    assert compare(scratch_3(parent), scratch_3(child)) == Differences(1, 0, 2, 1, 0, 2, untouched=False)
    assert compare(scratch_3(child), decode(b"ScratchV01")) is None


def test_custom_blocks_with_the_same_arguments_are_the_same() -> None:
    def source(name: str, parameter: str) -> Any:
        define = ["procDef", name, [parameter], [1], False]
        scripts = [[0, 0, [define, ["forward:", ["getParam", parameter, "r"]]]], [0, 0, [["call", name, 5]]]]
        return decode(sources.write({"objName": "Stage", "scripts": scripts}))

    def kept(child: Any, parent: Any) -> int:
        found = compare(child, parent)
        assert found is not None
        return found.scripts_kept

    assert kept(source("jump %n", "height"), source("hop high %s", "x")) == 2
    assert kept(source("jump %n", "height"), source("jump %b", "height")) == 0


def marked(value: Any, marks: list[str]) -> Any:
    """Replace every text of a made project, but not the opcodes and the files, by one that is found again."""
    if isinstance(value, Sprite):
        assets = {kind: [(mark(marks), file) for _, file in getattr(value, kind)] for kind in ("costumes", "sounds")}
        parts = {kind: marked(getattr(value, kind), marks) for kind in ("scripts", "variables", "lists", "comments")}
        return Sprite(mark(marks), **parts, **assets)
    if isinstance(value, tuple):
        return value[0], {slot: marked(one, marks) for slot, one in value[1].items()}
    if isinstance(value, list):
        return [marked(one, marks) for one in value]
    return mark(marks) if isinstance(value, str) else value


def mark(marks: list[str]) -> str:
    marks.append(f"mark{len(marks):06}x")
    return marks[-1]


@settings(max_examples=15)
@given(sources.projects, seeds)
def test_a_structure_holds_no_word_of_its_source(project: list[Sprite], seed: int) -> None:
    marks: list[str] = []
    project = [marked(sprite, marks) for sprite in project]
    third = sources.scratch_3(project, random.Random(seed))
    for target in third["targets"]:
        own = {
            "opcode": mark(marks),
            "topLevel": True,
            "inputs": {mark(marks): [2, "b"]},
            "fields": {mark(marks): [mark(marks)]},
        }
        target["blocks"] |= {"a": own, "b": {"opcode": "motion_xposition"}}
        target["variables"] |= {"v": [mark(marks), mark(marks), True]}
        target["lists"] |= {"l": [mark(marks), [mark(marks)]]}
        target["broadcasts"] |= {"m": mark(marks)}
    for made in (third, sources.scratch_2(project)):
        source = decode(sources.write(made))
        found = structure(source)
        assert found is not None
        text = found.decode()
        assert "mark" not in text
        assert all(file[:32] not in text for sprite in project for _, file in sprite.costumes + sprite.sounds)
        targets = json.loads(text)["targets"]
        scripts = [script for target in targets for kind in ("scripts", "loose") for script in target[kind]]
        assert sum(map(len, scripts)) == source.blocks
        unknown = [["unknown", 0, ""], ["motion_xposition", 1, "unknown"]]
        assert scripts.count(unknown) == (len(project) if made is third else 0)
    assert structure(decode(b"ScratchV01")) is None
