"""A small release to describe, verify and compare."""

from pathlib import Path

import pytest
from made_up_release import make_release, rows


@pytest.fixture
def tables() -> dict[str, list[dict]]:
    return rows()


@pytest.fixture
def release_folder(tmp_path, tables) -> Path:
    folder = tmp_path / "release"
    make_release(folder, tables)
    return folder
