"""Files of backups without a warehouse behind them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harvester.backup.file import DUMP, RULES, BackupManifest, write
from harvester.secret import NAME

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))
CONTENTS = {DUMP: b"PGDMP" + bytes(700), NAME: KEY.hex().encode() + b"\n", RULES: b"ab\n\n"}


def make(path: Path, contents: dict[str, bytes] = CONTENTS, source: str | None = None) -> Path:
    with write(path) as backup:
        for name, data in contents.items():
            backup.copy(name, io.BytesIO(data))
        backup.end(
            BackupManifest(
                made_at=datetime(2026, 1, 1, tzinfo=UTC),
                harvester="0.1.0",
                schema="r001",
                server=18,
                pg_dump=18,
                source=source,
                tables={"scratch.users": 1},
                files=backup.files.copy(),
            )
        )
    return path
