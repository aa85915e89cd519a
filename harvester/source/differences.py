"""Compare a remix with what it was made of: scripts and assets kept, added and removed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from harvester.source.facts import count_assets
from harvester.source.scripts import hash_script

if TYPE_CHECKING:
    from harvester.source.model import ProjectSource, Target


class Differences(msgspec.Struct, frozen=True):
    """Differences between a remix and what it was made of. A script or asset of two sprites counts twice.

    Attributes:
        untouched: nothing was changed that `harvester.source.model` holds: no script, name, value, comment or asset.
            Where things stand in the editor, and how the file is written, does not count.
    """

    scripts_kept: int
    scripts_added: int
    scripts_removed: int
    assets_kept: int
    assets_added: int
    assets_removed: int
    untouched: bool


def compare(child: ProjectSource, parent: ProjectSource) -> Differences | None:
    """Compare a remix with its parent or root; None if one is of Scratch 1, whose scripts are not read."""
    if child.blocks is None or parent.blocks is None:
        return None
    scripts = _changes(_scripts(child), _scripts(parent))
    assets = _changes(_assets(child), _assets(parent))
    same = not any((*scripts[1:], *assets[1:]))
    return Differences(
        *scripts,
        *assets,
        untouched=same and list(map(_contents, child.targets)) == list(map(_contents, parent.targets)),
    )


def _changes(child: Counter[Any], parent: Counter[Any]) -> tuple[int, int, int]:
    return (child & parent).total(), (child - parent).total(), (parent - child).total()


def _scripts(source: ProjectSource) -> Counter[bytes]:
    return Counter(hash_script(script) for target in source.targets for script in target.scripts)


def _assets(source: ProjectSource) -> Counter[tuple[str, str]]:
    return Counter({(use.kind.value, use.file): use.count for use in count_assets(source)})


def _contents(target: Target) -> tuple[object, ...]:
    """Return what a sprite holds, without the order in which a file happens to list it."""
    return (
        target.name, Counter(target.scripts), Counter(target.loose), Counter(target.variables), Counter(target.lists),
        Counter(target.comments), target.costumes, target.sounds,
    )  # fmt: skip
