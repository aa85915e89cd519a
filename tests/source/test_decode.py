"""Sources of all formats become one model, and any bytes are a source or refused with a reason."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

import pytest
import sources
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import Made, Sprite

from harvester.source.decode import decode
from harvester.source.model import NEXT, Block, Damage, DamagedSource, ProjectSource, SourceFormat
from harvester.source.scratch_2 import MOST_NESTED

FILE = "bcf454acf82e4504149f7ffe07081dbc.svg"
STAGE: dict[str, Any] = {"isStage": True, "name": "Stage", "variables": {}, "costumes": [], "sounds": [], "blocks": {}}


orders = st.integers(0, 2**32).map(random.Random)


def expected(script: list[Made]) -> tuple[Block, ...]:
    """Return a made script as it is to be read: of each block first itself, then what it holds, then what is below."""
    read: list[Block] = []

    def add(stack: list[Made], depth: int, slot: str) -> None:
        for place, (name, arguments) in enumerate(stack):
            texts = tuple(sorted((key, value) for key, value in arguments.items() if isinstance(value, str)))
            read.append(Block(name, depth, NEXT if place else slot, texts))
            for key, value in sorted(arguments.items()):
                if isinstance(value, list):
                    add(value, depth + 1, key)
                elif isinstance(value, tuple):
                    add([value], depth + 1, key)

    add(script, 0, "")
    return tuple(read)


def scripts_of(source: ProjectSource) -> list[list[tuple[Block, ...]]]:
    return [sorted(target.scripts, key=repr) for target in source.targets]


@settings(max_examples=20)
@given(sources.projects, orders)
def test_both_formats_are_read_as_they_were_made(project: list[Sprite], order: random.Random) -> None:
    made = [sorted((expected(script) for script in sprite.scripts), key=repr) for sprite in project]
    for body in (sources.write(sources.scratch_3(project, order)), sources.write(sources.scratch_2(project))):
        source = decode(body)
        assert source.odd == 0
        assert scripts_of(source) == made
        assert source.blocks == sum(len(script) for scripts in made for script in scripts)
        for sprite, target in zip(project, source.targets, strict=True):
            assert sorted(one.name for one in target.variables) == sorted(sprite.variables)
            assert sorted(target.lists) == sorted(sprite.lists)
            assert sorted(target.comments) == sorted(sprite.comments)
            assert [(one.name, one.file) for one in target.costumes] == sprite.costumes
            assert [(one.name, one.file) for one in target.sounds] == sprite.sounds
            assert not target.loose
        assert [target.is_stage for target in source.targets] == [True] + [False] * (len(project) - 1)


def shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(one, order) for key, one in order.sample(list(value.items()), len(value))}
    return [shuffled(one, order) for one in value] if isinstance(value, list) else value


@settings(max_examples=10)
@given(sources.projects, orders)
def test_order_of_keys_and_spacing_do_not_count(project: list[Sprite], order: random.Random) -> None:
    for made in (sources.scratch_3(project, order), sources.scratch_2(project)):
        first = decode(sources.write(made))
        again = decode(sources.write(shuffled(made, order), indent=order.choice([None, 1])))
        assert first == again
        assert json.loads(first.canonical) == made
        assert first.canonical == json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        assert first.sha256 == hashlib.sha256(first.canonical).digest()


def test_custom_blocks_are_alike_in_both_formats() -> None:
    """The ids of arguments are random in Scratch 3; the place of each counts."""
    mutation = {"tagName": "mutation", "proccode": "jump %n %b", "argumentids": '["zz","aa"]', "warp": "false"}
    prototype = mutation | {"argumentnames": '["height","on"]', "argumentdefaults": '["1","false"]'}
    reporter = {"opcode": "argument_reporter_string_number", "shadow": True, "fields": {"VALUE": ["height"]}}
    given = {"zz": [1, [4, "5"]], "aa": [2, "b"]}
    blocks = {
        "d": {"opcode": "procedures_definition", "next": "m", "topLevel": True, "inputs": {"custom_block": [1, "p"]}},
        "p": {"opcode": "procedures_prototype", "shadow": True, "inputs": {"zz": [1, "r"]}, "mutation": prototype},
        "r": reporter,
        "m": {"opcode": "motion_changeyby", "inputs": {"DY": [3, "h", [4, "10"]]}},
        "h": reporter | {"shadow": False},
        "f": {"opcode": "event_whenflagclicked", "next": "c", "topLevel": True},
        "c": {"opcode": "procedures_call", "mutation": mutation, "inputs": given},
        "b": {"opcode": "sensing_mousedown", "parent": "c"},
    }
    definition = ["procDef", "jump %n %b", ["height", "on"], [1, False], False]
    old = [
        [0, 0, [definition, ["changeYposBy:", ["getParam", "height", "r"]]]],
        [0, 0, [["whenGreenFlag"], ["call", "jump %n %b", 5, ["mousePressed"]]]],
    ]
    third = decode(sources.write({"targets": [STAGE | {"blocks": blocks}]}))
    second = decode(sources.write({"objName": "Stage", "scripts": old}))
    assert third.odd == second.odd == 0
    assert scripts_of(third) == scripts_of(second)
    name = ("PROCCODE", "jump %n %b")
    assert second.targets[0].scripts == (
        (
            Block("procedures_definition", 0, "", (("PARAMETER000", "height"), ("PARAMETER001", "on"), name)),
            Block("motion_changeyby", 0, "next", ()),
            Block("argument_reporter_string_number", 1, "DY", (("VALUE", "height"),)),
        ),
        (
            Block("event_whenflagclicked", 0, "", ()),
            Block("procedures_call", 0, "next", (("ARGUMENT000", "5"), name)),
            Block("sensing_mousedown", 1, "ARGUMENT001", ()),
        ),
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Damage.EMPTY),
        (b" \n", Damage.EMPTY),
        (b"\xef\xbb\xbf", Damage.EMPTY),
        (b"<html>", Damage.NOT_JSON),
        (b'{"targets":[{}', Damage.NOT_JSON),
        (b'{"targets":[{"x":NaN}]}', Damage.NOT_JSON),
        (b"[]", Damage.NOT_A_PROJECT),
        (b"{}", Damage.NOT_A_PROJECT),
        (b'{"targets":{}}', Damage.NOT_A_PROJECT),
        (b'{"targets":[1,null]}', Damage.NOT_A_PROJECT),
        (b'{"targets":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", Damage.TOO_DEEP),
        (b'{"targets":[{}],"a":"\\ud800","b":' + b"[" * 100_000 + b"]" * 100_000 + b"}", Damage.TOO_DEEP),
        (
            b'{"objName":"Stage","scripts":[[0,0,[' + b'["not",' * 450 + b'["mouseX"]' + b"]" * 450 + b"]]]}",
            Damage.TOO_DEEP,
        ),
    ],
)
def test_what_is_no_source_is_refused_with_a_reason(body: bytes, reason: Damage) -> None:
    with pytest.raises(DamagedSource) as raised:
        decode(body)
    assert raised.value.reason is reason


def test_deep_scripts_are_read() -> None:
    """By reference in Scratch 3 without a limit, nested in Scratch 2 up to one."""
    count = 20_000
    blocks = {
        f"{place}": {"opcode": "operator_not", "topLevel": place == 0, "inputs": {"OPERAND": [2, f"{place + 1}"]}}
        for place in range(count)
    }
    blocks[f"{count}"] = {"opcode": "sensing_mousedown"}
    source = decode(sources.write({"targets": [STAGE | {"blocks": blocks}]}))
    assert source.targets[0].scripts[0][-1] == Block("sensing_mousedown", count, "OPERAND", ())
    stack = b'["not",' * MOST_NESTED + b'["mousePressed"]' + b"]" * MOST_NESTED
    source = decode(b'{"objName":"Stage","scripts":[[0,0,[' + stack + b"]]]}")
    assert source.blocks == MOST_NESTED + 1


def test_scratch_1_is_recognised() -> None:
    body = b"ScratchV02\x00\x00\x04\x31ObjS\x01\xff"
    source = decode(body)
    assert (source.format, source.canonical, source.blocks) == (SourceFormat.SCRATCH_1, body, None)
    assert source.sha256 == hashlib.sha256(body).digest()


def test_what_javascript_reads_is_read() -> None:
    odd = (
        b'{"a":"\\ud83d","b":1e999,"c":-1e999,"d":'
        + b"9" * 5000
        + b',"e":"\xff","f":"\x01\x08","targets":[1],"targets":[{}]}'
    )
    source = decode(b"\xef\xbb\xbf" + odd)
    assert len(source.targets) == 1
    assert json.loads(source.canonical) == {
        "a": "\ufffd", "b": 1.7976931348623157e308, "c": -1.7976931348623157e308, "d": 1.7976931348623157e308,
        "e": "\ufffd", "f": "\x01\x08", "targets": [{}],
    }  # fmt: skip


def test_links_in_circles_and_to_nowhere_end() -> None:
    """Each block is read once: in the script that begins with it, or where it is first referred to."""
    step = {"opcode": "motion_movesteps", "inputs": {"STEPS": [1, [4, "10"]]}}
    blocks = {
        "a": step | {"topLevel": True, "next": "b"},
        "b": step | {"next": "a"},
        "c": step | {"topLevel": True, "next": "b"},
        "d": step | {"next": "e"},
        "e": step | {"next": "d"},
        "f": step | {"next": "f"},
        "g": step | {"next": "nowhere", "inputs": {"STEPS": [3, "missing", [4, "10"]], "X": 5, "Y": [], "Z": [1, {}]}},
        "h": "text",
        "i": {"opcode": 5},
        "j": [99, "x"],
        "k": step | {"next": ["d"], "fields": {"A": [[]], "B": {}, "C": 5}},
        "l": [12, "score", "id", 4, 5],
    }
    source = decode(sources.write({"targets": [STAGE | {"blocks": blocks}, "sprite"], "extensions": ["pen", 5]}))
    [target] = source.targets
    assert [len(script) for script in target.scripts] == [2, 1, 1]
    assert [len(script) for script in target.loose] == [1, 1, 2, 1]
    assert source.blocks == 9
    assert source.odd > 0
    assert source.extensions == ("pen",)


@pytest.mark.parametrize(
    ("about", "editor"),
    [
        ({"semver": "3.0.0", "vm": "0.2.0-beta.2019", "agent": "Mozilla/5.0 Chrome/1 Edg/9"}, "3.0.0, vm 0.2.0, Edge"),
        ({"semver": "3.0.0", "vm": "my name is", "agent": "I am Anna"}, "3.0.0"),
        ({"semver": 3, "agent": ["Firefox/1"]}, None),
        ("3.0.0", None),
    ],
)
def test_an_editor_is_named_in_known_words_only(about: Any, editor: str | None) -> None:
    assert decode(sources.write({"targets": [STAGE], "meta": about})).editor == editor


def test_the_editor_of_scratch_2() -> None:
    assert decode(sources.write(sources.scratch_2([Sprite("Stage")]))).editor == "swf 461, Chrome"


JUNK = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"-1",
    b"1e999",
    b'"\\ud800"',
    b"\xff",
    b"\0",
    b'"a"',
    b"[[[[",
    b"true",
    b"12",
    b'"next"',
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A source with parts cut out, doubled or replaced by junk."""
    project = draw(sources.projects)
    made = sources.scratch_2(project) if draw(st.booleans()) else sources.scratch_3(project)
    body = bytearray(sources.write(made))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.sampled_from([0, 1, 2, 8, 64, 400])))
        body[start:end] = draw(
            st.one_of(st.sampled_from(JUNK), st.binary(max_size=8), st.just(bytes(body[start:end]) * 2))
        )
    return bytes(body)


def read_or_refused(body: bytes) -> None:
    """Decode a body; what was read is the same again from its canonical form."""
    try:
        source = decode(body)
    except DamagedSource:
        return
    again = decode(source.canonical)
    assert again == source


@settings(max_examples=50)
@given(st.one_of(damaged(), st.binary(max_size=50)))
def test_any_bytes_are_a_source_or_refused(body: bytes) -> None:
    read_or_refused(body)


def mutate(value: Any, order: random.Random) -> Any:
    """Replace some parts of a project by values of other types, or by parts of itself."""
    if order.random() < 0.02:
        return order.choice(
            [None, True, 5, -1e300, "", "a", [], {}, [[]], [12, "x"], [3, "a", [10, "b"]], {"opcode": "a"}]
        )
    if isinstance(value, dict):
        return {key: mutate(one, order) for key, one in value.items() if order.random() > 0.01}
    return [mutate(one, order) for one in value] if isinstance(value, list) else value


@settings(max_examples=50)
@given(sources.projects, orders)
def test_any_json_is_a_source_or_refused(project: list[Sprite], order: random.Random) -> None:
    """The shape of parts is changed, not their spelling."""
    read_or_refused(sources.write(mutate(sources.scratch_3(project, order), order)))
    read_or_refused(sources.write(mutate(sources.scratch_2(project), order)))
