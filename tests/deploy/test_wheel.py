"""The wheel alone: what it holds is enough for the demo, in any folder, and without the extras."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

TOP = Path(__file__).parents[2]


@pytest.mark.usefixtures("processes")
def test_the_wheel_runs_the_demo(tmp_path: Path) -> None:
    """The wheel is unpacked before all that is installed, in which no PyArrow can be imported."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=TOP, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    installed = tmp_path / "installed"
    with ZipFile(wheel) as archive:
        archive.extractall(installed)
    templates = Path("harvester", "deploy", "templates")
    shipped, written = (
        {path.relative_to(top) for path in (top / templates).rglob("*") if path.is_file()} for top in (installed, TOP)
    )
    assert shipped == written
    (installed / "pyarrow.py").write_text("raise ImportError")
    home = tmp_path / "home"
    own = {name: value for name, value in os.environ.items() if not name.startswith("HARVESTER_")}
    environment = own | {"PYTHONPATH": str(installed), "HARVESTER_HOME": str(home), "NO_COLOR": "1"}

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    home.mkdir()
    run("-m", "harvester", "deploy", "airflow", "dags")
    assert {path.name for path in (home / "dags").iterdir()} == {path.name for path in (TOP / "dags").glob("*.py")}
    shutil.rmtree(home / "dags")
    assert Path(run("-c", "import harvester; print(harvester.__file__)").strip()).is_relative_to(installed)
    said = run("-m", "harvester", "demo", "--users", "20")
    left_out = "Left out  the dataset: datasets need PyArrow and ADBC: install scratch-harvester[dataset]"
    assert said.splitlines()[1] == left_out, "before anything is begun"
    assert "An open dataset" not in said
    assert (home / "demo" / "report.html").stat().st_size > 100_000
    assert list(home.iterdir()) == [home / "demo"]
