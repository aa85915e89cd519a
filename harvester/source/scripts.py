"""Compare scripts by their blocks and literals, without the names that somebody chose."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

from harvester.source.opcodes import kind_of_name

if TYPE_CHECKING:
    from harvester.source.model import Script

_ARGUMENT = re.compile(r"%[nbs]")
_write = msgspec.json.Encoder().encode


def hash_script(script: Script) -> bytes:
    """Return 16 bytes that two scripts share if they are the same but for names and positions.

    A name of a variable, list, message, parameter, custom block, sprite, costume, backdrop or sound becomes the number
    of its first use in the script among the names of its kind. Which names are the same therefore counts, and what they
    are does not. Of a custom block's name the kinds of its arguments count. Literals count: moving by 20 steps instead
    of 10 makes another script.
    """
    numbers: dict[tuple[str, str], str] = {}
    counts: dict[str, int] = {}
    parts: list[object] = []
    for block in script:
        texts = []
        for slot, text in block.texts:
            kind = kind_of_name(block.opcode, slot, text)
            if kind is None:
                texts.append((slot, text))
                continue
            number = numbers.get((kind, text))
            if number is None:
                counts[kind] = counts.get(kind, 0) + 1
                arguments = _ARGUMENT.findall(text) if kind == "custom block" else ()
                # Scratch 2 told numbers from texts, Scratch 3 does not.
                number = numbers[kind, text] = f"{kind} {counts[kind]} {''.join(arguments).replace('n', 's')}"
            texts.append((slot, number))
        parts.append((block.opcode, block.depth, block.slot, texts))
    return hashlib.sha256(_write(parts)).digest()[:16]
