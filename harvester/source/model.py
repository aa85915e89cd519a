"""Define the model of a source: one form for Scratch 3 and Scratch 2.

A block is one that somebody placed. The shadows of Scratch 3, the fields and menus that come with a block, are texts of
the block that holds them, as in Scratch 2; a variable or list that was put into an input is a block of its own.

A script is a sequence of blocks in the order in which they are read: a block, what its inputs hold, then the block
below it. `depth` and `slot` say where each stands, so that no walk over a tree is needed, however deep the tree is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class SourceFormat(StrEnum):
    """The version of Scratch that a source is written for."""

    SCRATCH_3 = "scratch3"
    SCRATCH_2 = "scratch2"
    SCRATCH_1 = "scratch1"


class Damage(StrEnum):
    """Why a body is no source."""

    EMPTY = "empty"
    NOT_JSON = "not_json"
    NOT_A_PROJECT = "not_a_project"
    TOO_DEEP = "too_deep"


class DamagedSource(Exception):  # noqa: N818  (a state of what was served, no error of ours)
    """A body cannot be read as a project.

    Attributes:
        reason: what is wrong with it.
    """

    def __init__(self, reason: Damage) -> None:
        self.reason = reason
        super().__init__(f"the body is no source of a project: {reason.value.replace('_', ' ')}")


class Block(msgspec.Struct, frozen=True, gc=False):
    """A block in its script.

    Attributes:
        opcode: Scratch 3's, whatever the format; as it was served where it is not Scratch's own.
        depth: how many blocks hold it, 0 for those of the outermost stack.
        slot: the input that holds it; `NEXT` below another block; empty at the top of a script.
        texts: the fields and the literals of the inputs, by name, sorted.
    """

    opcode: str
    depth: int
    slot: str
    texts: tuple[tuple[str, str], ...]


Script = tuple[Block, ...]

NEXT: Final = "next"


class Variable(msgspec.Struct, frozen=True, gc=False):
    """A variable, with its first value as text."""

    name: str
    value: str
    is_cloud: bool


class Asset(msgspec.Struct, frozen=True, gc=False):
    """A costume or a sound; `file` is the MD5 of its bytes with an extension, None where it is not of that form."""

    name: str
    file: str | None


class Target(msgspec.Struct, frozen=True):
    """The stage or a sprite.

    Attributes:
        scripts: what begins with a block of its own position.
        loose: blocks that belong to no script, which Scratch keeps and never shows.
    """

    name: str
    is_stage: bool
    scripts: tuple[Script, ...]
    loose: tuple[Script, ...]
    variables: tuple[Variable, ...]
    lists: tuple[str, ...]
    comments: tuple[str, ...]
    costumes: tuple[Asset, ...]
    sounds: tuple[Asset, ...]


class ProjectSource(msgspec.Struct, frozen=True):
    """A project's source.

    Attributes:
        canonical: JSON with sorted keys and no spaces, in UTF-8; the body itself for Scratch 1.
        sha256: of `canonical`.
        blocks: how many blocks there are, None for Scratch 1, which is not read.
        editor: the version of the editor and the browser, as far as they are of a known form.
        targets: the stage and the sprites; empty for Scratch 1.
        extensions: as the source declares them.
        odd: parts that are of another shape than declared, and left out.
    """

    format: SourceFormat
    canonical: bytes
    sha256: bytes
    blocks: int | None
    editor: str | None
    targets: tuple[Target, ...] = ()
    extensions: tuple[str, ...] = ()
    odd: int = 0
