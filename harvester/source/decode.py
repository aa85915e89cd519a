"""Bytes of a project's source -> one model of its sprites, scripts and blocks, for Scratch 3 and Scratch 2 alike.

Formats: the pages "Scratch File Format" (1.4, 2.0 and 3.0) of the Scratch Wiki, and the JSON schemas of
`scratch-parser`. A source of Scratch 1 is binary: it is recognised, and not read further.

What Scratch reads is read: bytes that are not UTF-8 and lone surrogates become U+FFFD, a number too large for a double
the largest one, and of two equal keys the last counts. A part of another shape than declared is left out and counted in
`ProjectSource.odd`, and so is a link to a block that another block has already, which ends every circle.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from typing import Any

import msgspec

from harvester.source.model import Damage, DamagedSource, ProjectSource, SourceFormat
from harvester.source.scratch_2 import Scratch2Reader
from harvester.source.scratch_3 import Scratch3Reader

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SCRATCH_1 = b"ScratchV"
_SURROGATES = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_SAFE_LENGTH = 300
"""Digits; the largest double has 309."""
_VERSION = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6}){0,2}", re.ASCII)
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Electron/", "Electron"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("Scratch 2.0 Offline Editor", "offline editor"),
)
"""In the order in which they are looked for: Edge, Opera and Electron call themselves Chrome, too."""
_parse = msgspec.json.Decoder().decode
_write = msgspec.json.Encoder(order="sorted").encode


def decode(body: bytes) -> ProjectSource:
    """Decode the source of a project, of any format.

    Raises:
        DamagedSource: the body is no source of a project; no other exception is raised, whatever the bytes are.
    """
    if body.startswith(_SCRATCH_1):
        return ProjectSource(SourceFormat.SCRATCH_1, body, hashlib.sha256(body).digest(), None, None)
    try:
        project = _read_json(body)
        canonical = _write(project)
        if not isinstance(project, dict):
            raise DamagedSource(Damage.NOT_A_PROJECT)
        reader: Scratch3Reader | Scratch2Reader
        if isinstance(project.get("targets"), list):
            made, reader = SourceFormat.SCRATCH_3, Scratch3Reader()
        elif "objName" in project:
            made, reader = SourceFormat.SCRATCH_2, Scratch2Reader()
        else:
            raise DamagedSource(Damage.NOT_A_PROJECT)
        targets = reader.read(project)
    except RecursionError:
        raise DamagedSource(Damage.TOO_DEEP) from None
    if not targets:
        raise DamagedSource(Damage.NOT_A_PROJECT)
    return ProjectSource(
        format=made,
        canonical=canonical,
        sha256=hashlib.sha256(canonical).digest(),
        blocks=sum(len(script) for target in targets for script in (*target.scripts, *target.loose)),
        editor=_editor(project, made),
        targets=targets,
        extensions=tuple(name for name in reader.list_of(project.get("extensions")) if isinstance(name, str)),
        odd=reader.odd,
    )


def _read_json(body: bytes) -> Any:
    """Parse JSON as JavaScript does; what msgspec refuses is rewritten first, which takes ten times as long."""
    body = body.removeprefix(_BYTE_ORDER_MARK)
    if not body.strip():
        raise DamagedSource(Damage.EMPTY)
    try:
        return _parse(body)
    except (ValueError, OverflowError):  # msgspec's own exceptions and that of bytes that are not UTF-8, too
        pass
    try:
        value = json.loads(
            body.decode(errors="replace"),
            parse_int=_number,
            parse_float=_number,
            parse_constant=_refuse,
            strict=False,  # Scratch 2 wrote control characters as they are
        )
    except ValueError:
        raise DamagedSource(Damage.NOT_JSON) from None
    return _parse(_SURROGATES.sub(_REPLACEMENT, json.dumps(value, ensure_ascii=False)).encode())


def _number(digits: str) -> int | float:
    """Return a number within the limits of a double, however many digits it has."""
    if len(digits) < _SAFE_LENGTH and digits.lstrip("-").isdigit():
        return int(digits)
    return min(max(float(digits), -sys.float_info.max), sys.float_info.max)


def _refuse(_: str) -> None:
    raise DamagedSource(Damage.NOT_JSON)  # NaN and Infinity, which JavaScript refuses


def _editor(project: dict[str, Any], made: SourceFormat) -> str | None:
    """Return what wrote a source, as far as it is of a known form, such as `3.0.0, vm 0.2.0, Chrome`.

    The version of a browser is left out: with the system it would tell people apart.
    """
    served = project.get("meta" if made is SourceFormat.SCRATCH_3 else "info")
    about = served if isinstance(served, dict) else {}
    parts = []
    for key, label in (("semver", ""), ("vm", "vm "), ("swfVersion", "swf ")):
        if isinstance(value := about.get(key), str) and (version := _VERSION.match(value.removeprefix("v"))):
            parts.append(label + version.group())
    agent = about.get("agent") or about.get("userAgent")
    if isinstance(agent, str):
        parts.extend([name for mark, name in _BROWSERS if mark in agent][:1])
    return ", ".join(parts) or None
