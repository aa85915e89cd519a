"""Projects of Scratch 2: JSON of the stage with `children`, whose scripts are nested arrays."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from harvester.source.model import NEXT, Block, Damage, DamagedSource, Script, Target, Variable
from harvester.source.opcodes import SCRATCH_2
from harvester.source.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_NESTED: Final = 400
"""Blocks of Scratch 2 inside each other; a source with more is refused.

A block in a stack takes two levels of JSON, and Python's own limit is at about 1,000 levels, less the callers.
"""

_STACKS = ("SUBSTACK", "SUBSTACK2")
_COLORS = ("COLOR", "COLOR2")
_CUSTOM = ("call", "procDef", "getParam")


class Scratch2Reader(Reader):
    """Reads one project of Scratch 2."""

    def read(self, project: dict[str, Any]) -> tuple[Target, ...]:
        children = self.dicts_of(project.get("children"))
        sprites = [child for child in children if "objName" in child]  # the others show a variable or a list
        return (self._target(project, is_stage=True), *(self._target(child, is_stage=False) for child in sprites))

    def _target(self, target: dict[str, Any], *, is_stage: bool) -> Target:
        scripts = tuple(
            read for script in self.list_of(target.get("scripts")) if (read := self._script(script, is_stage=is_stage))
        )
        return Target(
            name=self.text_of(target.get("objName")),
            is_stage=is_stage,
            scripts=scripts,
            loose=(),
            variables=tuple(
                Variable(
                    self.text_of(one.get("name")),
                    self.text_of(one.get("value")),
                    is_cloud=one.get("isPersistent") is True,
                )
                for one in self.dicts_of(target.get("variables"))
            ),
            lists=tuple(self.text_of(one.get("listName")) for one in self.dicts_of(target.get("lists"))),
            comments=tuple(
                self.text_of(comment[6]) if isinstance(comment, list) and len(comment) > 6 else ""
                for comment in self.list_of(target.get("scriptComments"))
            ),
            costumes=self.assets_of(target.get("costumes"), "costumeName", "baseLayerMD5"),
            sounds=self.assets_of(target.get("sounds"), "soundName", "md5"),
        )

    def _script(self, served: Any, *, is_stage: bool) -> Script:
        stack = served[2] if isinstance(served, list) and len(served) > 2 else None
        if not isinstance(stack, list):
            self.odd += 1
            return ()
        script: list[Block] = []
        waiting = self._stack(stack, 0, "")[::-1]
        while waiting:
            block, depth, slot = waiting.pop()
            if depth > MOST_NESTED:
                raise DamagedSource(Damage.TOO_DEEP)
            opcode, arguments, texts = self._block(block, is_stage=is_stage)
            held: list[tuple[Any, int, str]] = []
            for name, value in arguments:
                if name in _STACKS:
                    held.extend(self._stack(self.list_of(value), depth + 1, name))
                elif isinstance(value, list):
                    held.extend(self._stack([value], depth + 1, name))
                elif name in _COLORS and isinstance(value, (int, float)):
                    texts.append((name, f"#{int(value) & 0xFFFFFF:06x}"))
                elif value is not None and value is not False:  # an empty input, which Scratch 3 leaves out
                    texts.append((name, self.text_of(value)))
            texts.sort()
            script.append(Block(opcode, depth, slot, tuple(texts)))
            waiting.extend(reversed(held))
        return tuple(script)

    def _stack(self, stack: list[Any], depth: int, slot: str) -> list[tuple[Any, int, str]]:
        """Return the blocks of a stack, each with its place; those that Scratch 3 has not are left out, as it does."""
        blocks = [block for block in stack if isinstance(block, list) and block and _is_known(block[0])]
        self.odd += len(stack) - len(blocks)
        return [(block, depth, NEXT if place else slot) for place, block in enumerate(blocks)]

    def _block(self, block: list[Any], *, is_stage: bool) -> tuple[str, list[tuple[str, Any]], list[tuple[str, str]]]:
        """Return the opcode of Scratch 3, the arguments by name, sorted, and the fields that Scratch 2 has not."""
        old, *served = block
        names: Sequence[str]
        fixed: list[tuple[str, str]] = []
        if old == "call":
            opcode, names = "procedures_call", ["PROCCODE", *(f"ARGUMENT{place:03}" for place in range(len(served)))]
        elif old == "procDef":
            parameters = served[1] if len(served) > 1 else None
            opcode, names, served = "procedures_definition", ["PROCCODE"], served[:1]
            fixed = [
                (f"PARAMETER{place:03}", self.text_of(name)) for place, name in enumerate(self.list_of(parameters))
            ]
        elif old == "getParam":
            is_boolean = len(served) > 1 and served[1] == "b"
            opcode = "argument_reporter_boolean" if is_boolean else "argument_reporter_string_number"
            names, served = ["VALUE"], served[:1]
        elif old == "whenClicked" and is_stage:
            opcode, names = "event_whenstageclicked", ()
        elif old == "whenSensorGreaterThan" and served[:1] == ["video motion"]:
            opcode, names, served = "videoSensing_whenMotionGreaterThan", ["REFERENCE"], served[1:]
        else:
            opcode, names, more = SCRATCH_2[old]
            fixed = list(more)
        self.odd += max(len(served) - len(names), 0)
        return opcode, sorted(zip(names, served, strict=False), key=itemgetter(0)), fixed


def _is_known(opcode: Any) -> bool:
    return isinstance(opcode, str) and (opcode in SCRATCH_2 or opcode in _CUSTOM)
