"""Programs that tests start."""

import os
import shutil
from pathlib import Path


def uv() -> str:
    """The uv of the path, or the one that the Makefile keeps."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    kept = cache / "scratch-harvester" / "tools" / "bin" / "uv"
    return shutil.which("uv") or str(kept)
