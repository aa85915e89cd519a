"""Named SQL statements: files in the folder `sql/` beside the modules that run them."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)


@cache
def statements(package: str, module: str) -> Mapping[str, str]:
    """Read `sql/<module>.sql` of a package: the text of each statement by its name.

    A line `-- name: <name>` begins a statement; comments on lines of their own are not sent to the server. Values are
    psycopg's `%(name)s`. A `{name}` stands for SQL that varies: it is filled in by `psycopg.sql`, or by `str.format`
    where the driver takes plain text and the module itself states all that it may be.
    """
    text = (files(package) / "sql" / f"{module}.sql").read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {name: _COMMENT.sub("", body).strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}
