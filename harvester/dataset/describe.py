"""The files that describe a release."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from harvester.dataset.release import Release


def describe(folder: Path, release: Release) -> None:
    """Write `manifest.json`: all that is known of a release."""
    text = json.dumps(asdict(release), default=str, indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
