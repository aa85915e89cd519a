"""Coverage-guided fuzzing of one target: `python tests/fuzz/with_atheris.py decoding -runs=1000000`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]
with atheris.instrument_imports(include=["harvester"]):
    import targets

if __name__ == "__main__":
    os.environ.update(targets.NOWHERE)
    target = targets.TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
