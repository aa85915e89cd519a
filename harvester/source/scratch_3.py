"""Projects of Scratch 3: JSON with `targets`, whose blocks refer to each other by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harvester.source.model import NEXT, Block, Script, Target, Variable
from harvester.source.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

_REPORTERS = {12: ("data_variable", "VARIABLE"), 13: ("data_listcontents", "LIST")}
"""Blocks that are written as an array, by the number at its start; 4 to 11 stand for literals."""
_parse = msgspec.json.Decoder().decode


class Scratch3Reader(Reader):
    """Reads one project of Scratch 3."""

    def read(self, project: dict[str, Any]) -> tuple[Target, ...]:
        return tuple(self._target(target) for target in self.dicts_of(project["targets"]))

    def _target(self, target: dict[str, Any]) -> Target:
        scripts, loose = self._scripts(self.dict_of(target.get("blocks")))
        return Target(
            name=self.text_of(target.get("name")),
            is_stage=target.get("isStage") is True,
            scripts=scripts,
            loose=loose,
            variables=tuple(
                Variable(self.text_of(name), self.text_of(value), is_cloud=cloud is True)
                for name, value, cloud in self._entries(target.get("variables"), 3)
            ),
            lists=tuple(self.text_of(name) for name, _ in self._entries(target.get("lists"), 2)),
            comments=tuple(
                self.text_of(comment.get("text"))
                for comment in self.dicts_of(_sorted_values(self.dict_of(target.get("comments"))))
            ),
            costumes=self.assets_of(target.get("costumes"), "name", "md5ext"),
            sounds=self.assets_of(target.get("sounds"), "name", "md5ext"),
        )

    def _entries(self, value: Any, length: int) -> list[list[Any]]:
        """Return the variables or lists of a target, filled up with None to a length."""
        entries = []
        for entry in _sorted_values(self.dict_of(value)):
            if isinstance(entry, list) and entry:
                entries.append([*entry[:length], *[None] * (length - len(entry))])
            else:
                self.odd += 1
        return entries

    def _scripts(self, served: dict[str, Any]) -> tuple[tuple[Script, ...], tuple[Script, ...]]:
        """Return the scripts of a target and its loose blocks, in the order of the ids."""
        blocks = {key: block for key in sorted(served) if self._is_block(block := served[key])}
        taken = {key for key, block in blocks.items() if isinstance(block, list) or block.get("topLevel")}
        tops = [key for key in blocks if key in taken and not _is_shadow(blocks[key])]
        scripts = tuple(self._script(key, blocks, taken) for key in tops)
        # Loose blocks begin with those that no other loose block refers to, then come those of circles.
        left = {key for key, block in blocks.items() if key not in taken and not _is_shadow(block)}
        loose = []
        if left:
            inner = {key for block in map(blocks.get, left) for key in _links(block) if isinstance(key, str)}
            for key in sorted(left, key=lambda key: (key in inner, key)):
                if key not in taken:
                    taken.add(key)
                    loose.append(self._script(key, blocks, taken))
        return scripts, tuple(loose)

    def _is_block(self, block: Any) -> bool:
        read = isinstance(block.get("opcode"), str) if isinstance(block, dict) else _is_reporter(block)
        self.odd += not read
        return read

    def _script(self, top: str, blocks: dict[str, Any], taken: set[str]) -> Script:
        """Read a block, what it holds, and what stands below it; each block once, those in `taken` not again."""
        script: list[Block] = []
        waiting: list[tuple[Any, int, str]] = [(blocks[top], 0, "")]
        while waiting:
            block, depth, slot = waiting.pop()
            if isinstance(block, list):
                opcode, name = _REPORTERS[block[0]]
                script.append(Block(opcode, depth, slot, ((name, self.text_of(block[1])),)))
                continue
            opcode = block["opcode"]
            texts = [(name, self._field(value)) for name, value in self.dict_of(block.get("fields")).items()]
            inputs = self.dict_of(block.get("inputs"))
            if opcode == "procedures_definition":
                inputs = self._definition(inputs, blocks, texts)
            elif opcode == "procedures_call":
                inputs = self._call(inputs, block, texts)
            if (below := block.get("next")) is not None and (found := self._take(below, blocks, taken)) is not None:
                waiting.append((found, depth, NEXT))
            held: list[tuple[Any, int, str]] = []
            for name in sorted(inputs):
                value = self._input(inputs[name], blocks, taken)
                if isinstance(value, str):
                    texts.append((name, value))
                elif value is not None:
                    held.append((value, depth + 1, name))
            texts.sort()
            script.append(Block(opcode, depth, slot, tuple(texts)))
            waiting.extend(reversed(held))
        return tuple(script)

    def _take(self, key: Any, blocks: dict[str, Any], taken: set[str]) -> Any:
        """Return the block that is referred to, or None if it is missing or has a place already."""
        block = blocks.get(key) if isinstance(key, str) else None
        if block is None or key in taken:
            self.odd += 1
            return None
        taken.add(key)
        return block

    def _field(self, value: Any) -> str:
        if isinstance(value, list):
            return self.text_of(value[0]) if value else ""
        return self.text_of(value.get("value") if isinstance(value, dict) else value)

    def _input(self, value: Any, blocks: dict[str, Any], taken: set[str]) -> Any:
        """Return the text of an input, the block that it holds, or None."""
        if isinstance(value, dict):  # as the first versions of the format had it
            value = [3, value.get("block"), value.get("shadow")]
        if not isinstance(value, list):
            self.odd += 1
            return None
        held = value[1] if len(value) > 1 else None
        if held is None:
            held = value[2] if len(value) > 2 else None
        if held is None:
            return None
        if isinstance(held, list):
            return held if _is_reporter(held) else self.text_of(held[1] if len(held) > 1 else None)
        block = blocks.get(held) if isinstance(held, str) else None
        if isinstance(block, dict) and _is_shadow(block):
            taken.add(held)
            fields = self.dict_of(block.get("fields"))
            return " ".join(self._field(fields[name]) for name in sorted(fields))
        return self._take(held, blocks, taken)

    def _definition(
        self, inputs: dict[str, Any], blocks: dict[str, Any], texts: list[tuple[str, str]]
    ) -> dict[str, Any]:
        """Move the name and the parameters of a custom block from its prototype, a shadow, to the texts."""
        held = inputs.get("custom_block")
        key = held[1] if isinstance(held, list) and len(held) > 1 else None
        prototype = blocks.get(key) if isinstance(key, str) else None
        if not isinstance(prototype, dict) or not _is_shadow(prototype):
            return inputs
        mutation = self.dict_of(prototype.get("mutation"))
        texts.append(("PROCCODE", self.text_of(mutation.get("proccode"))))
        parameters = self._names(mutation.get("argumentnames"))
        texts.extend((f"PARAMETER{place:03}", name) for place, name in enumerate(parameters))
        return {name: value for name, value in inputs.items() if name != "custom_block"}

    def _call(self, inputs: dict[str, Any], block: dict[str, Any], texts: list[tuple[str, str]]) -> dict[str, Any]:
        """Name the inputs of a call by their place; their own names are random."""
        mutation = self.dict_of(block.get("mutation"))
        texts.append(("PROCCODE", self.text_of(mutation.get("proccode"))))
        places = {name: f"ARGUMENT{place:03}" for place, name in enumerate(self._names(mutation.get("argumentids")))}
        return {places.get(name, name): value for name, value in inputs.items()}

    def _names(self, value: Any) -> list[str]:
        """Return the texts of a list, which is JSON in a text."""
        if isinstance(value, str):
            try:
                value = _parse(value.encode())
            except (ValueError, RecursionError):
                self.odd += 1
                return []
        return [self.text_of(name) for name in self.list_of(value)]


def _is_reporter(block: Any) -> bool:
    """Return whether an array of Scratch 3 is a variable or a list that stands as a block."""
    return isinstance(block, list) and len(block) > 1 and isinstance(block[0], (int, float)) and block[0] in _REPORTERS


def _is_shadow(block: Any) -> bool:
    return isinstance(block, dict) and bool(block.get("shadow"))


def _links(block: Any) -> Iterator[Any]:
    """Return the ids that a block of Scratch 3 names as below it or in its inputs, in whatever shape they are."""
    yield block.get("next")
    inputs = block.get("inputs")
    for value in inputs.values() if isinstance(inputs, dict) else ():
        yield from value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _sorted_values(served: dict[str, Any]) -> list[Any]:
    return [served[key] for key in sorted(served)]
