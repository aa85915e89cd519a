"""The structure of a source, without a word that somebody wrote: no literal, name, comment or text, and no asset."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from harvester.source.model import NEXT
from harvester.source.opcodes import SLOTS, UNKNOWN, known_opcode

if TYPE_CHECKING:
    from harvester.source.model import ProjectSource, Script

_ARGUMENT = re.compile(r"ARGUMENT[0-9]{3}")
_write = msgspec.json.Encoder(order="sorted").encode


def structure(source: ProjectSource) -> bytes | None:
    """Return the structure of a source as JSON, None for Scratch 1, whose scripts are not read.

    Each target has its scripts, and in each script a block is `[opcode, depth, slot]`, as in `harvester.source.model`.
    An opcode or a slot that Scratch has not, which anybody can write into a file, is `unknown`.
    """
    if source.blocks is None:
        return None
    targets = [
        {
            "is_stage": target.is_stage,
            "scripts": sorted(map(structure_of_script, target.scripts)),
            "loose": sorted(map(structure_of_script, target.loose)),
            "variables": len(target.variables),
            "lists": len(target.lists),
            "comments": len(target.comments),
            "costumes": len(target.costumes),
            "sounds": len(target.sounds),
        }
        for target in source.targets
    ]
    return _write({"format": source.format.value, "targets": targets})


def structure_of_script(script: Script) -> list[list[Any]]:
    """Return opcode, depth and slot of each block of a script, without a word that somebody wrote."""
    return [[known_opcode(block.opcode), block.depth, _slot(block.slot)] for block in script]


def _slot(slot: str) -> str:
    return slot if slot in SLOTS or slot in ("", NEXT) or _ARGUMENT.fullmatch(slot) else UNKNOWN
