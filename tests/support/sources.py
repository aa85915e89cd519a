"""Projects made up for tests, and written in the formats of Scratch 3 and Scratch 2 by code of its own.

A block is `(name, arguments)`: a name of `PALETTE`, and for each of its arguments a text, a block, or a list of blocks.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

PALETTE: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "event_whenflagclicked": ("whenGreenFlag", []),
    "event_whenkeypressed": ("whenKeyPressed", [("KEY_OPTION", "field")]),
    "event_whenbroadcastreceived": ("whenIReceive", [("BROADCAST_OPTION", "field")]),
    "control_start_as_clone": ("whenCloned", []),
    "motion_movesteps": ("forward:", [("STEPS", "number")]),
    "motion_gotoxy": ("gotoX:y:", [("X", "number"), ("Y", "number")]),
    "motion_goto": ("gotoSpriteOrMouse:", [("TO", "motion_goto_menu")]),
    "looks_sayforsecs": ("say:duration:elapsed:from:", [("MESSAGE", "text"), ("SECS", "number")]),
    "looks_switchcostumeto": ("lookLike:", [("COSTUME", "looks_costume")]),
    "event_broadcast": ("broadcast:", [("BROADCAST_INPUT", "message")]),
    "control_create_clone_of": ("createCloneOf", [("CLONE_OPTION", "control_create_clone_of_menu")]),
    "control_wait": ("wait:elapsed:from:", [("DURATION", "number")]),
    "control_repeat": ("doRepeat", [("TIMES", "number"), ("SUBSTACK", "stack")]),
    "control_if_else": ("doIfElse", [("CONDITION", "condition"), ("SUBSTACK", "stack"), ("SUBSTACK2", "stack")]),
    "data_setvariableto": ("setVar:to:", [("VARIABLE", "field"), ("VALUE", "text")]),
    "data_replaceitemoflist": ("setLine:ofList:to:", [("INDEX", "number"), ("LIST", "field"), ("ITEM", "text")]),
    "operator_add": ("+", [("NUM1", "number"), ("NUM2", "number")]),
    "operator_gt": (">", [("OPERAND1", "text"), ("OPERAND2", "text")]),
    "operator_not": ("not", [("OPERAND", "condition")]),
    "operator_mathop": ("computeFunction:of:", [("OPERATOR", "field"), ("NUM", "number")]),
    "sensing_touchingobject": ("touching:", [("TOUCHINGOBJECTMENU", "sensing_touchingobjectmenu")]),
    "data_variable": ("readVariable", [("VARIABLE", "field")]),
    "data_listcontents": ("contentsOfList:", [("LIST", "field")]),
}
"""Blocks by their opcode in Scratch 3: the opcode in Scratch 2, and its arguments in the order there."""
HATS = [name for name in PALETTE if name.startswith("event_when") or name == "control_start_as_clone"]
CONDITIONS = ["operator_gt", "operator_not", "sensing_touchingobject"]
REPORTERS = ["operator_add", "operator_mathop", "data_variable", "data_listcontents"]
COMMANDS = [name for name in PALETTE if name not in {*HATS, *CONDITIONS, *REPORTERS}]

Made = tuple[str, dict[str, Any]]


@dataclass
class Sprite:
    """A sprite, or the stage."""

    name: str
    scripts: list[list[Made]] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    costumes: list[tuple[str, str]] = field(default_factory=list)
    sounds: list[tuple[str, str]] = field(default_factory=list)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
literals = st.one_of(texts, st.integers(-1000, 1000).map(str))


@st.composite
def blocks(draw: st.DrawFn, names: list[str], depth: int = 3) -> Made:
    """Draw a block of one of the names, with what it holds."""
    name = draw(st.sampled_from(names))
    arguments: dict[str, Any] = {}
    for argument, kind in PALETTE[name][1]:
        if kind == "stack":
            arguments[argument] = draw(st.lists(blocks(COMMANDS, depth - 1), max_size=3)) if depth else []
        elif kind == "condition":
            arguments[argument] = draw(blocks(CONDITIONS, depth - 1)) if depth and draw(st.booleans()) else None
        elif kind == "field" or not depth or draw(st.integers(0, 2)):
            arguments[argument] = draw(literals)
        else:
            arguments[argument] = draw(blocks(REPORTERS, depth - 1))
    return name, arguments


scripts = st.tuples(blocks(HATS), st.lists(blocks(COMMANDS), max_size=4)).map(lambda parts: [parts[0], *parts[1]])
files = st.binary(min_size=16, max_size=16).map(lambda digest: f"{digest.hex()}.svg")
assets = st.lists(st.tuples(texts, files), max_size=2)
sprites = st.builds(
    Sprite,
    texts,
    st.lists(scripts, max_size=3),
    st.lists(texts, max_size=2),
    st.lists(texts, max_size=2),
    st.lists(texts, max_size=2),
    assets,
    assets,
)
projects = st.lists(sprites, min_size=1, max_size=3)
"""The stage, then sprites."""


def scratch_3(project: list[Sprite], shuffle: random.Random | None = None) -> dict[str, Any]:
    """Write a project as Scratch 3 does; ids, positions and the order of keys are random, by `shuffle`."""
    order = shuffle or random.Random(0)
    return {
        "targets": [_target_3(sprite, order, is_stage=not place) for place, sprite in enumerate(project)],
        "monitors": [],
        "extensions": [],
        "meta": {"semver": "3.0.0", "vm": "0.2.0-prerelease.20200512204241", "agent": "Mozilla/5.0 Firefox/140.0"},
    }


def _target_3(sprite: Sprite, order: random.Random, *, is_stage: bool) -> dict[str, Any]:
    blocks: dict[str, Any] = {}
    for script in sprite.scripts:
        _stack_3(script, None, blocks, order)
    entries = list(blocks.items())
    order.shuffle(entries)
    return {
        "isStage": is_stage,
        "name": "Stage" if is_stage else sprite.name,
        "variables": {_key(order): [name, 0] for name in sprite.variables},
        "lists": {_key(order): [name, []] for name in sprite.lists},
        "broadcasts": {},
        "blocks": dict(entries),
        "comments": {_key(order): {"blockId": None, "x": 1, "y": 2, "text": text} for text in sprite.comments},
        "currentCostume": 0,
        "costumes": [
            {"name": name, "assetId": file[:32], "md5ext": file, "dataFormat": "svg"} for name, file in sprite.costumes
        ],
        "sounds": [
            {"name": name, "assetId": file[:32], "md5ext": file, "dataFormat": "wav"} for name, file in sprite.sounds
        ],
    }


def _key(order: random.Random) -> str:
    return "".join(order.choices("!#%()*+,-./:;=?@[]^_`{|}~ABCXYZabcxyz0123456789", k=20))


def _stack_3(stack: list[Made], parent: str | None, blocks: dict[str, Any], order: random.Random) -> str | None:
    keys = [_key(order) for _ in stack]
    for place, (key, made) in enumerate(zip(keys, stack, strict=True)):
        above = keys[place - 1] if place else parent
        below = keys[place + 1] if place + 1 < len(keys) else None
        _block_3(key, made, above, below, blocks, order)
    return keys[0] if keys else None


def _block_3(
    key: str, made: Made, parent: str | None, below: str | None, blocks: dict[str, Any], order: random.Random
) -> None:
    name, arguments = made
    inputs: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for argument, kind in order.sample(PALETTE[name][1], len(PALETTE[name][1])):
        value = arguments[argument]
        if kind == "field":
            fields[argument] = [value, _key(order)]
        elif kind == "stack":
            if value:
                inputs[argument] = [2, _stack_3(value, key, blocks, order)]
        elif kind == "condition":
            if value:
                inputs[argument] = [2, _held_3(value, key, blocks, order)]
        else:
            shadow = _shadow_3(kind, value if isinstance(value, str) else "0", key, blocks, order)
            inputs[argument] = (
                [1, shadow] if isinstance(value, str) else [3, _held_3(value, key, blocks, order), shadow]
            )
    block = {"opcode": name, "next": below, "parent": parent, "inputs": inputs, "fields": fields, "shadow": False}
    block |= {"topLevel": parent is None} | ({"x": order.randrange(900), "y": 7} if parent is None else {})
    blocks[key] = dict(order.sample(list(block.items()), len(block)))


def _held_3(made: Made, parent: str, blocks: dict[str, Any], order: random.Random) -> Any:
    name, arguments = made
    if name in ("data_variable", "data_listcontents"):
        return [12 if name == "data_variable" else 13, *arguments.values(), _key(order)]
    key = _key(order)
    _block_3(key, made, parent, None, blocks, order)
    return key


def _shadow_3(kind: str, text: str, parent: str, blocks: dict[str, Any], order: random.Random) -> Any:
    marks = {"number": 4, "text": 10, "message": 11}
    if kind in marks:
        return [marks[kind], text, *([_key(order)] if kind == "message" else [])]
    key = _key(order)
    fields = {"MENU": [text, None]}
    blocks[key] = {"opcode": kind, "next": None, "parent": parent, "inputs": {}, "fields": fields, "shadow": True}
    return key


def scratch_2(project: list[Sprite]) -> dict[str, Any]:
    """Write a project as Scratch 2 did."""
    stage, *rest = [_target_2(sprite) for sprite in project]
    agent = "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/49.0 Safari/537.36"
    monitor = {"target": "Stage", "cmd": "getVar:", "param": "a", "visible": True}
    return stage | {
        "objName": "Stage",
        "children": [*rest, monitor],
        "info": {"userAgent": agent, "swfVersion": "v461"},
    }


def _target_2(sprite: Sprite) -> dict[str, Any]:
    return {
        "objName": sprite.name,
        "scripts": [[10, 20.5, _stack_2(script)] for script in sprite.scripts],
        "variables": [{"name": name, "value": 0, "isPersistent": False} for name in sprite.variables],
        "lists": [{"listName": name, "contents": [], "isPersistent": False} for name in sprite.lists],
        "scriptComments": [[0, 0, 150, 200, True, -1, text] for text in sprite.comments],
        "costumes": [{"costumeName": name, "baseLayerID": 1, "baseLayerMD5": file} for name, file in sprite.costumes],
        "sounds": [{"soundName": name, "soundID": 1, "md5": file} for name, file in sprite.sounds],
    }


def _stack_2(stack: list[Made]) -> list[Any]:
    return [_block_2(made) for made in stack]


def _block_2(made: Made) -> list[Any]:
    name, arguments = made
    opcode, declared = PALETTE[name]
    block: list[Any] = [opcode]
    for argument, kind in declared:
        value = arguments[argument]
        if kind == "stack":
            block.append(_stack_2(value) or None)
        elif kind == "condition":
            block.append(_block_2(value) if value else False)
        else:
            block.append(value if isinstance(value, str) else _block_2(value))
    return block


def write(project: Any, **spacing: Any) -> bytes:
    """Return a project as bytes."""
    return json.dumps(project, ensure_ascii=False, **spacing).encode()
