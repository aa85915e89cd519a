"""Count what a source holds, without a word of it: blocks, assets, scores.

All of it is a pure function of the body, so that it can be computed again for every version that is stored. What
somebody wrote into a source is counted and not kept: names, literals, comments, and opcodes that Scratch has not.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from harvester.source import rubric
from harvester.source.opcodes import EXTENSIONS, HATS, UNKNOWN, Category, category_of, known_opcode
from harvester.source.rubric import Dimension
from harvester.source.scripts import hash_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.source.model import ProjectSource, Script, Target

RULES: Final = 1
"""The number of the rules of facts and differences: raised with each change of what they say of the same body."""
DUPLICATE_BLOCKS = 5
"""A script that is the same as another is a duplicate from this many blocks; shorter ones are alike by chance."""

_DEFAULT_NAME = re.compile(
    r"(?:Sprite|Sprajt|Figur|Objeto|Lutin|Ator|Spraid|Kukla|Duszek|Postava|Hahmo|Szereplő|Personaj|Спрайт|Αντικείμενο"
    r"|スプライト|角色|스프라이트|דמות)\s?[0-9]{1,4}"
)
"""The name that the editor gives a sprite, in the languages of most projects."""


class AssetKind(StrEnum):
    """Kind of an asset."""

    COSTUME = "costume"
    SOUND = "sound"


class AssetUse(msgspec.Struct, frozen=True):
    """An asset of a project: its kind, the MD5 of its bytes with an extension, and how often the project has it."""

    kind: AssetKind
    file: str
    count: int


class Facts(msgspec.Struct, frozen=True):
    """The facts of a source.

    Attributes:
        sprites: sprites, the stage left out.
        scripts: stacks and single blocks that stand on their own.
        blocks: blocks that somebody placed; the fields and menus of a block are a part of it.
        unreachable: blocks that no event leads to: their script begins with no event, or with the definition of a
            custom block that no script of the sprite that runs calls, or they belong to no script.
        clones: blocks that create a clone.
        custom_blocks: definitions of custom blocks.
        broadcasts: messages that blocks name, whatever their case.
        duplicate_scripts: scripts of at least `DUPLICATE_BLOCKS` blocks that are the same as one before, see
            `harvester.source.scripts.hash_script`.
        default_names: sprites that have the name that the editor gave them.
        odd: parts that are of another shape than Scratch writes, and left out.
        opcodes: how often each opcode of Scratch 3 occurs; `unknown` for those that Scratch has not.
        categories: the same by palette.
        extensions: extensions that are declared or used; `unknown` for those that are not Scratch's own.
        assets: costumes and sounds.
        scores: the rubric, see `harvester.source.rubric`.
    """

    sprites: int
    scripts: int
    blocks: int
    unreachable: int
    costumes: int
    sounds: int
    variables: int
    cloud_variables: int
    lists: int
    broadcasts: int
    clones: int
    custom_blocks: int
    comments: int
    duplicate_scripts: int
    default_names: int
    odd: int
    opcodes: dict[str, int]
    categories: dict[Category, int]
    extensions: tuple[str, ...]
    assets: tuple[AssetUse, ...]
    scores: dict[Dimension, int]


def facts(source: ProjectSource) -> Facts | None:
    """Return the facts of a source, None for Scratch 1, whose scripts are not read."""
    if source.blocks is None:
        return None
    targets = source.targets
    opcodes = Counter(known_opcode(block.opcode) for script in _all_scripts(source) for block in script)
    categories: Counter[Category] = Counter()
    for opcode, count in opcodes.items():
        categories[category_of(opcode)] += count
    used = {opcode.partition("_")[0] for opcode in opcodes} & EXTENSIONS
    hashes = Counter(
        hash_script(script) for target in targets for script in target.scripts if len(script) >= DUPLICATE_BLOCKS
    )
    return Facts(
        sprites=sum(not target.is_stage for target in targets),
        scripts=sum(len(target.scripts) for target in targets),
        blocks=source.blocks,
        unreachable=sum(map(_unreachable, targets)),
        costumes=sum(len(target.costumes) for target in targets),
        sounds=sum(len(target.sounds) for target in targets),
        variables=sum(len(target.variables) for target in targets),
        cloud_variables=sum(one.is_cloud for target in targets for one in target.variables),
        lists=sum(len(target.lists) for target in targets),
        broadcasts=len(_messages(source)),
        clones=opcodes["control_create_clone_of"],
        custom_blocks=opcodes["procedures_definition"],
        comments=sum(len(target.comments) for target in targets),
        duplicate_scripts=hashes.total() - len(hashes),
        default_names=sum(
            not target.is_stage and _DEFAULT_NAME.fullmatch(target.name.strip()) is not None for target in targets
        ),
        odd=source.odd,
        opcodes=dict(sorted(opcodes.items())),
        categories=dict(sorted(categories.items())),
        extensions=tuple(sorted(used | {name if name in EXTENSIONS else UNKNOWN for name in source.extensions})),
        assets=count_assets(source),
        scores=rubric.score(source),
    )


def count_assets(source: ProjectSource) -> tuple[AssetUse, ...]:
    """Return the costumes and sounds of a source that have the name of a file, each once, sorted."""
    uses = Counter(
        (kind, asset.file)
        for target in source.targets
        for kind, assets in ((AssetKind.COSTUME, target.costumes), (AssetKind.SOUND, target.sounds))
        for asset in assets
        if asset.file is not None
    )
    return tuple(AssetUse(kind, file, count) for (kind, file), count in sorted(uses.items()))


def _all_scripts(source: ProjectSource) -> Iterator[Script]:
    for target in source.targets:
        yield from target.scripts
        yield from target.loose


def _messages(source: ProjectSource) -> set[str]:
    return {
        text.lower()
        for script in _all_scripts(source)
        for block in script
        if block.opcode.startswith("event_")
        for slot, text in block.texts
        if slot in ("BROADCAST_INPUT", "BROADCAST_OPTION")
    }


def _unreachable(target: Target) -> int:
    """Return how many blocks of a sprite are in no script that an event, or a call from such a script, starts."""
    waiting = [script for script in target.scripts if script[0].opcode in HATS]
    definitions: dict[str, list[Script]] = {}
    for script in target.scripts:
        if script[0].opcode == "procedures_definition":
            definitions.setdefault(_proccode(script, 0), []).append(script)
    reached = 0
    while waiting:
        script = waiting.pop()
        reached += len(script)
        for place, block in enumerate(script):
            if block.opcode == "procedures_call":
                waiting.extend(definitions.pop(_proccode(script, place), []))
    return sum(map(len, target.scripts)) + sum(map(len, target.loose)) - reached


def _proccode(script: Script, place: int) -> str:
    return dict(script[place].texts).get("PROCCODE", "")
