"""Sources of projects, built of known pieces, so that what they consist of is stated without reading them again.

A project has sprites, each with scripts that are taken from `SCRIPTS` by their number. A remix begins as its parent was
first shared, and both are edited later: which pieces an edit adds or removes follows from the project's id and the
number of the edit. A remix without an edit is the same, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from harvester.sandbox import chance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.sandbox.community_state import CommunityState

SCRATCH_3, SCRATCH_2, SCRATCH_1 = "scratch3", "scratch2", "scratch1"
TOKEN_SECONDS = 300
HUGE = 17 * 2**20
"""Bytes of a source that is too large."""
_DAMAGED = 0.03
_SHARE_1, _SHARE_2 = 0.06, 0.2
"""Bounds of the shares of Scratch 1 and Scratch 2; a project that was edited since is Scratch 3."""
_EDITOR = "0.2.0-prerelease.20220222132735"
_UNEDITED = 0.3
"""Share of remixes that nobody edited."""

Block = tuple[str, dict[str, Any]]
"""An opcode of Scratch 3 and its arguments by name: a text or number, or the blocks inside it."""
Script = list[Block]

_SCRATCH_2 = {
    "event_whenflagclicked": "whenGreenFlag",
    "event_whenbroadcastreceived": "whenIReceive",
    "event_broadcast": "broadcast:",
    "motion_movesteps": "forward:",
    "motion_turnright": "turnRight:",
    "looks_sayforsecs": "say:duration:elapsed:from:",
    "looks_show": "show",
    "control_wait": "wait:elapsed:from:",
    "control_repeat": "doRepeat",
    "control_forever": "doForever",
    "data_setvariableto": "setVar:to:",
    "data_changevariableby": "changeVar:by:",
}
"""The name of each opcode in Scratch 2."""
_FIELDS = {"VARIABLE", "BROADCAST_OPTION"}
_TEXTS = {"MESSAGE", "VALUE"}
_SAID = ("Moin moin!", "Fang mich", "Autsch, das war knapp")
_MESSAGE, _SCORE, _PLACES, _CITIES = "Spielbeginn", "Punktestand", "Reiseziele", ("Ulmenweg", "Pisaturm")
"""Names and values that are no terms of Scratch and no words of the harvester: wherever one stands, it is from here."""


def _body(random: Random, depth: int = 0) -> Script:
    """Draw the blocks below a hat, or inside a loop."""
    simple: tuple[Block, ...] = (
        ("motion_movesteps", {"STEPS": random.randint(1, 99)}),
        ("motion_turnright", {"DEGREES": random.randint(1, 359)}),
        (
            "looks_sayforsecs",
            {
                "MESSAGE": random.choice(_SAID),
                "SECS": random.randint(1, 9),
            },
        ),
        ("looks_show", {}),
        ("control_wait", {"DURATION": random.randint(1, 9)}),
        ("data_setvariableto", {"VARIABLE": _SCORE, "VALUE": random.randint(0, 9)}),
        ("data_changevariableby", {"VARIABLE": _SCORE, "VALUE": random.randint(1, 9)}),
        ("event_broadcast", {"BROADCAST_INPUT": _MESSAGE}),
    )
    blocks = [random.choice(simple) for _ in range(random.randint(1, 5))]
    if depth < 2 and random.random() < 0.6:
        blocks.append(("control_repeat", {"TIMES": random.randint(2, 20), "SUBSTACK": _body(random, depth + 1)}))
    if depth == 0 and random.random() < 0.4:
        blocks.append(("control_forever", {"SUBSTACK": _body(random, depth + 1)}))
    return blocks


def _shape(script: Script) -> tuple[Any, ...]:
    return tuple(
        (opcode, *(_shape(value) for value in arguments.values() if isinstance(value, list)))
        for opcode, arguments in script
    )


def _scripts(count: int) -> list[Script]:
    """Make scripts of which no two have the same opcodes in the same order."""
    random = Random("scripts of the sandbox")
    made: dict[Any, Script] = {}
    while len(made) < count:
        hat: Block = ("event_whenflagclicked", {})
        if random.random() < 0.3:
            hat = ("event_whenbroadcastreceived", {"BROADCAST_OPTION": _MESSAGE})
        script = [hat, *_body(random)]
        made.setdefault(_shape(script), script)
    return list(made.values())


SCRIPTS = _scripts(80)
"""All scripts that sprites have."""


def blocks_of(script: Script) -> Iterator[str]:
    """Yield the opcodes of a script, those inside loops included."""
    for opcode, arguments in script:
        yield opcode
        for value in arguments.values():
            if isinstance(value, list):
                yield from blocks_of(value)


@dataclass(slots=True)
class _Sprite:
    name: str
    scripts: list[int] = field(default_factory=list)
    costumes: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Pieces:
    """The pieces of a source: its sprites, the stage first, and what it is saved as."""

    sprites: list[_Sprite]
    format: str
    note: str
    """A comment beside the blocks of the stage, which a remix keeps."""

    @property
    def scripts(self) -> Counter[int]:
        """Return the numbers of its scripts, each as often as it has them."""
        return Counter(number for sprite in self.sprites for number in sprite.scripts)

    def edit(self, random: Random) -> None:
        """Add or remove a script, or change a costume."""
        sprite = random.choice(self.sprites)
        kind = random.random()
        if kind < 0.6 or not sprite.scripts:
            sprite.scripts.append(random.randrange(len(SCRIPTS)))
        elif kind < 0.85:
            sprite.scripts.pop(random.randrange(len(sprite.scripts)))
        else:
            sprite.costumes[-1] = random.getrandbits(40)
        self.format = SCRATCH_3


class Sources:
    """The sources of the projects of a community."""

    def __init__(self, community: CommunityState) -> None:
        self._community = community
        self._damaged = chance.salt(community.seed, "damaged source")
        self._salt = chance.salt(community.seed, "source")

    def pieces(self, row: int) -> Pieces:
        """Return the pieces of a project as it is now."""
        projects = self._community.projects
        pieces = self._first(row)
        for number in range(projects.version[row] + self._community.quiet_edits[row]):
            pieces.edit(self._random(row, f"edit {number}"))
        return pieces

    def _random(self, row: int, purpose: str) -> Random:
        return Random(f"{self._salt} {self._community.projects.id[row]} {purpose}")

    def _first(self, row: int) -> Pieces:
        """Return the pieces of a project as it was first shared."""
        random, parent = self._random(row, "first"), self._community.projects.parent[row]
        if parent >= 0:
            pieces = self._first(parent)
            if random.random() >= _UNEDITED:
                for _ in range(random.randint(1, 3)):
                    pieces.edit(random)
            return pieces
        kind = random.random()
        saved_as = SCRATCH_1 if kind < _SHARE_1 else SCRATCH_2 if kind < _SHARE_2 else SCRATCH_3
        sprites = [_Sprite("Stage", costumes=[random.getrandbits(40)])]
        for number in range(random.randint(1, 4)):
            scripts = [random.randrange(len(SCRIPTS)) for _ in range(random.randint(0, 4))]
            sprites.append(_Sprite(f"Sprite{number + 1}", scripts, [random.getrandbits(40) for _ in range(2)]))
        note = f"Notiz {self._random(row, 'note').getrandbits(40):010x}"
        return Pieces(sprites, saved_as, note)

    def is_damaged(self, row: int) -> bool:
        """Return whether the source of a project is cut in the middle, for good."""
        return chance.share(self._community.projects.id[row], self._damaged) < _DAMAGED

    def body(self, row: int) -> bytes:
        """Return the source of a project, as it is served."""
        pieces = self.pieces(row)
        body = _RENDERED[pieces.format](pieces)
        if self._community.projects.id[row] == self._community.huge_project:
            return body + b" " * HUGE
        return body[: len(body) * 2 // 3] if self.is_damaged(row) and pieces.format != SCRATCH_1 else body

    def facts(self, row: int) -> dict[str, Any]:
        """State what the source of a project is: outcome, format, digest and size, and its pieces counted."""
        pieces, body = self.pieces(row), self.body(row)
        whole = not self.is_damaged(row) or pieces.format == SCRATCH_1
        opcodes = Counter(opcode for number in pieces.scripts.elements() for opcode in blocks_of(SCRIPTS[number]))
        return {
            "outcome": "too large" if len(body) > HUGE else "read" if whole else "damaged",
            "format": pieces.format,
            "sha256": hashlib.sha256(body).hexdigest(),
            "bytes": len(body),
            "scripts": pieces.scripts.total(),
            "blocks": opcodes.total(),
            "opcodes": dict(sorted(opcodes.items())),
            "sprites": len(pieces.sprites) - 1,
            "costumes": sum(len(sprite.costumes) for sprite in pieces.sprites),
            "sounds": len(pieces.sprites),
            "variables": 1,
            "lists": 1,
            "comments": 1,
        }

    def difference(self, row: int, other: int) -> dict[str, int]:
        """State how many scripts of `other` a project keeps, adds and lacks."""
        own, theirs = self.pieces(row).scripts, self.pieces(other).scripts
        return {
            "kept": (own & theirs).total(),
            "added": (own - theirs).total(),
            "removed": (theirs - own).total(),
        }

    def token(self, project_id: int) -> str:
        """Return the key to a source: good for five minutes, another one each second."""
        expires = self._community.now + TOKEN_SECONDS
        if self._community.stale_tokens:
            self._community.stale_tokens -= 1
            expires -= 2 * TOKEN_SECONDS
        return self._token(project_id, expires)

    def _token(self, project_id: int, expires: int) -> str:
        digest = hashlib.sha512(b"%d %d %d" % (self._community.seed, project_id, expires)).hexdigest()
        return f"{expires}_{digest}"

    def accepts(self, project_id: int, token: str) -> bool:
        """Return whether a token is this project's and has not expired."""
        expires, _, _ = token.partition("_")
        if not (expires.isascii() and expires.isdigit() and len(expires) < 12):
            return False
        return token == self._token(project_id, int(expires)) and int(expires) >= self._community.now


def _asset(number: int) -> str:
    return hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest()


def _scratch_3(pieces: Pieces) -> bytes:
    targets = []
    for place, sprite in enumerate(pieces.sprites):
        blocks: dict[str, Any] = {}
        for number, script in enumerate(sprite.scripts):
            _add(blocks, SCRIPTS[script], None, f"{place}-{number}", 40 + 10 * number)
        stage = place == 0
        targets.append(
            {
                "isStage": stage,
                "name": sprite.name,
                "variables": {"v1": [_SCORE, 0]} if stage else {},
                "lists": {"l1": [_PLACES, _CITIES]} if stage else {},
                "broadcasts": {"b1": _MESSAGE} if stage else {},
                "blocks": blocks,
                "comments": {"c1": {"blockId": None, "x": 9, "y": 9, "text": pieces.note}} if stage else {},
                "currentCostume": 0,
                "costumes": [
                    {
                        "assetId": _asset(costume),
                        "name": f"costume{index + 1}",
                        "md5ext": f"{_asset(costume)}.svg",
                        "dataFormat": "svg",
                        "rotationCenterX": 47,
                        "rotationCenterY": 55,
                    }
                    for index, costume in enumerate(sprite.costumes)
                ],
                "sounds": [
                    {
                        "assetId": _asset(0),
                        "name": "pop",
                        "dataFormat": "wav",
                        "rate": 48_000,
                        "sampleCount": 1_123,
                        "md5ext": f"{_asset(0)}.wav",
                    }
                ],
                "volume": 100,
                "layerOrder": place,
            }
            | ({"tempo": 60, "videoState": "on"} if stage else {"visible": True, "x": 3 * place, "y": 0, "size": 100})
        )
    meta = {"semver": "3.0.0", "vm": _EDITOR, "agent": ""}
    whole = {"targets": targets, "monitors": [], "extensions": [], "meta": meta}
    return json.dumps(whole, separators=(",", ":")).encode()


def _add(blocks: dict[str, Any], script: Script, parent: str | None, name: str, x: int) -> str:
    """Add a stack of blocks under ids that begin with a name; return the id of the first."""
    ids = [f"{name}.{index}" for index in range(len(script))]
    for index, (opcode, arguments) in enumerate(script):
        inputs: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for key, value in arguments.items():
            if isinstance(value, list):
                inputs[key] = [2, _add(blocks, value, ids[index], f"{ids[index]}-{key}", x)]
            elif key in _FIELDS:
                fields[key] = [value, "v1" if key == "VARIABLE" else "b1"]
            elif key == "BROADCAST_INPUT":
                inputs[key] = [1, [11, value, "b1"]]
            else:
                inputs[key] = [1, [10 if key in _TEXTS else 4, str(value)]]
        above = ids[index - 1] if index else parent
        blocks[ids[index]] = {
            "opcode": opcode,
            "next": ids[index + 1] if index + 1 < len(ids) else None,
            "parent": above,
            "inputs": inputs,
            "fields": fields,
            "shadow": False,
            "topLevel": above is None,
        } | ({"x": x, "y": 40} if above is None else {})
    return ids[0]


def _scratch_2(pieces: Pieces) -> bytes:
    objects = []
    for sprite in pieces.sprites:
        scripts = [[10, 20 + 30 * place, _stack(SCRIPTS[script])] for place, script in enumerate(sprite.scripts)]
        costumes = [
            {
                "costumeName": f"costume{index + 1}",
                "baseLayerID": index,
                "baseLayerMD5": f"{_asset(costume)}.svg",
                "bitmapResolution": 1,
                "rotationCenterX": 47,
                "rotationCenterY": 55,
            }
            for index, costume in enumerate(sprite.costumes)
        ]
        sounds = [
            {
                "soundName": "pop",
                "soundID": 0,
                "md5": f"{_asset(0)}.wav",
                "sampleCount": 258,
                "rate": 11_025,
                "format": "",
            }
        ]
        made: dict[str, Any] = {"objName": sprite.name, "sounds": sounds, "costumes": costumes}
        if scripts:
            made["scripts"] = scripts
        objects.append(made)
    stage, *others = objects
    stage |= {
        "variables": [{"name": _SCORE, "value": 0, "isPersistent": False}],
        "lists": [{"listName": _PLACES, "contents": _CITIES, "isPersistent": False, "visible": False}],
        "scriptComments": [[9, 9, 150, 200, True, -1, pieces.note]],
        "penLayerMD5": f"{_asset(1)}.png",
        "tempoBPM": 60,
        "children": others,
        "info": {"scriptCount": pieces.scripts.total(), "spriteCount": len(others), "flashVersion": "WIN 32,0"},
    }
    return json.dumps(stage, separators=(",", ":")).encode()


def _stack(script: Script) -> list[Any]:
    return [
        [_SCRATCH_2[opcode], *(_stack(value) if isinstance(value, list) else value for value in arguments.values())]
        for opcode, arguments in script
    ]


def _scratch_1(pieces: Pieces) -> bytes:
    """Make the start of a file of Scratch 1.4, with the names of the sprites; nothing reads the objects behind it."""
    info = "\0".join(sprite.name for sprite in pieces.sprites).encode()
    scripts = bytes(pieces.scripts.elements())
    return b"ScratchV02" + len(info).to_bytes(4) + info + b"ObjS\x01Stch\x01" + scripts


_RENDERED = {SCRATCH_3: _scratch_3, SCRATCH_2: _scratch_2, SCRATCH_1: _scratch_1}
