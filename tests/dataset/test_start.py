"""The notebook and the R script of a release run as they are, and estimate the same."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import variance as variance_of
from typing import Any

import psycopg
import pytest
from made_up_release import ABOUT, DECLARED, SANDBOX, make_release, rows
from tools import uv

from harvester.dataset.release import Field, FileFormat, Profile, Type
from harvester.dataset.start import NOTEBOOK, SCRIPT, start_files

R = pytest.mark.skipif(
    not shutil.which("Rscript") and os.environ.get("HARVESTER_TEST_R") != "required",
    reason="R is not on this machine: r-base-core",
)
PROGRAM = """
import json, pathlib
import matplotlib
matplotlib.use("agg")
for cell in json.loads(pathlib.Path("START.ipynb").read_text())["cells"]:
    if cell["cell_type"] == "code":
        exec("".join(cell["source"]))
print(json.dumps([by_pandas, by_polars, by_duckdb]))
print(json.dumps(bars.to_dict()))
"""
OPEN = (
    Field("id", Type.STRING, "The project.", required=True),
    Field("is_remix", Type.BOOLEAN, "Whether it is a remix."),
    Field("loves", Type.STRING, "Loves.", "In bins."),
    Field("design_weight", Type.NUMBER, "Of the design."),
    Field("weight", Type.NUMBER, "What the row stands for."),
)
RESTRICTED = (
    Field("id", Type.STRING, "The project.", required=True),
    Field("created_at", Type.TIME, "When."),
    Field("loves", Type.INTEGER, "Loves."),
    Field("stratum", Type.STRING, "Of the design."),
    Field("inclusion_probability", Type.NUMBER, "Of the design."),
    Field("weight", Type.NUMBER, "Of the design."),
)
VISITED = {"2006": 40, "2007": 30, "2008": 50}
"""Draws by stratum, whose names are numbers to who does not know better."""
STRATA = [
    {"design_id": 1, "stratum": name, "frame_size": visited * (4 + n), "drawn": visited, "visited": visited}
    for n, (name, visited) in enumerate(VISITED.items())
]


def projects(profile: Profile) -> list[dict]:
    """Projects of which some have no value or no weight; in `open` without a time."""
    made = []
    for n in range(60):
        if profile is Profile.OPEN:
            one = {"is_remix": None if n == 7 else n % 3 == 0, "loves": "1-9", "weight": 9.0}
            one["design_weight"] = None if n % 5 == 0 else 1.5 + n % 4
        else:
            one = {"created_at": datetime(2020 + n % 3, 6, 1, 12, 0, 0, n, tzinfo=UTC), "loves": n % 5}
            one |= {"inclusion_probability": None, "weight": None, "stratum": None}
            if n % 2:
                one |= {"inclusion_probability": 1 / (4 + n % 3), "weight": 4.0 + n % 3, "stratum": str(2006 + n % 3)}
        made.append({"id": f"p{n:03d}", **one})
    return made


def release_of(folder: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch, **changes) -> list[dict]:
    monkeypatch.setitem(DECLARED, "projects", (OPEN if profile is Profile.OPEN else RESTRICTED, ("id",), ()))
    made = projects(profile)
    design = {"designs": [{"design_id": 1, "name": "stratified"}], "strata": STRATA}
    if profile is Profile.INTERNAL:
        del design["strata"]  # the error is then that of rows drawn independently
    changes = {
        "parameters": {"designs": {"project": 1}},
        "about": ABOUT,
        "provenance": SANDBOX,
        "design": design,
    } | changes
    make_release(folder, {**rows(), "projects": made}, profile=profile, **changes)
    return made


def run_notebook(folder: Path) -> tuple[list[list[float]], dict[str, float]]:
    """Run the code of the notebook as one program: estimates by pandas, Polars and DuckDB, and the bars of the plot."""
    environment = {**os.environ, "MPLCONFIGDIR": str(folder.parent)}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *_, estimates, bars = done.stdout.splitlines()
    return json.loads(estimates), json.loads(bars)


def expected(made: list[dict], profile: Profile) -> tuple[float, float]:
    """A weighted share and its error, written out: in `restricted` that of the design."""
    column, weight = ("is_remix", "design_weight") if profile is Profile.OPEN else ("loves", "weight")
    taken = [one for one in made if one[column] is not None and one[weight] is not None]
    total = sum(one[weight] for one in taken)
    share = sum((one[column] > 0) * one[weight] for one in taken) / total
    if profile is Profile.RESTRICTED:
        variance = 0.0
        for stratum, n in VISITED.items():
            rest = [(one["loves"] > 0) - share for one in taken if one["stratum"] == stratum]
            frame = next(one["frame_size"] for one in STRATA if one["stratum"] == stratum)
            of_ids = variance_of([*rest, *[0.0] * (n - len(rest))])
            variance += frame**2 * (1 - n / frame) / n * of_ids / total**2
        return share, variance**0.5
    squares = sum(
        (one[weight] * ((one[column] > 0) - share) / total) ** 2 * (1 - one.get("inclusion_probability", 0))
        for one in taken
    )
    return share, (squares * len(taken) / (len(taken) - 1)) ** 0.5


def bars_of(made: list[dict]) -> dict[str, float]:
    """The bars of the plot: by year, or by what was estimated where there is no time."""
    bars: dict[str, float] = {}
    for one in made:
        by = str(one["created_at"])[:4] if "created_at" in one else one["is_remix"]
        weight = one.get("design_weight", one["weight"])
        if by is not None and weight is not None:
            key = json.dumps(by).strip('"')
            bars[key] = bars.get(key, 0) + weight
    return bars


def run_script(folder: Path) -> str:
    """Run the script and return what it prints."""
    before = sorted(path.name for path in folder.iterdir())
    done = subprocess.run(["Rscript", "--vanilla", SCRIPT], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == before, "the plot goes elsewhere"
    return done.stdout


def told(share: float, error: float) -> str:
    """The line that the script prints."""
    return f"{share:.4f} with a standard error of {error:.4f}: 95% interval {share - 1.96 * error:.4f} to"


# Two in three projects of the harvest, most of the loved ones in one of three strata, and ids that nobody has.
DRAWN = """
INSERT INTO crawl.designs (id, name, kind, parameters) OVERRIDING SYSTEM VALUE
VALUES (71, 'stratified', 'project', '{}');
INSERT INTO crawl.strata (design_id, stratum, first_id, last_id, frame_size)
SELECT 71, n::text, n, n, 1 FROM generate_series(1, 3) n;
INSERT INTO crawl.draws (design_id, position, entity_id, stratum, inclusion_probability, weight, outcome, visited_at)
SELECT 71, row_number() OVER (), p.id, p.stratum::text, 0.5 / p.stratum, 2 * p.stratum, p.outcome, now()
FROM (
    SELECT id, CASE WHEN loves > 0 AND n % 4 > 0 THEN 3 ELSE 1 + n / 4 % 2 END AS stratum, 'hit' AS outcome
    FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM scratch.projects WHERE gone_at IS NULL) x WHERE n % 3 > 0
    UNION ALL SELECT -g, 1 + g % 3, 'not found' FROM generate_series(1, 30) g
) p;
UPDATE crawl.strata s SET frame_size = 2 * s.stratum::int * d.n
FROM (SELECT stratum, count(*) AS n FROM crawl.draws WHERE design_id = 71 GROUP BY 1) d
WHERE s.design_id = 71 AND d.stratum = s.stratum
"""


@pytest.mark.usefixtures("processes")
def test_the_error_of_a_sample_is_that_of_the_warehouse(builder: Any) -> None:
    """The notebook in each library, the script in R, and `analytics.estimate` of the rows that the release has."""
    with psycopg.connect(builder.database, autocommit=True) as connection:
        connection.execute(DRAWN)
        builder("sample", Profile.INTERNAL, formats=(FileFormat.PARQUET, FileFormat.CSV))
        rows = [row for row in builder.rows("sample", "projects") if row["weight"] is not None]
        assert {row["stratum"] for row in rows if row["loves"] > 0} == {"1", "2", "3"}
        values = [row["id"] for row in rows], [float(row["loves"] > 0) for row in rows]
        found = connection.execute(
            "SELECT estimate, standard_error FROM analytics.estimate(71, %s, %s) WHERE figure = 'mean'", values
        ).fetchone()
    folder = builder.folder / "sample"
    estimates, _ = run_notebook(folder)
    assert estimates == [pytest.approx(found)] * 3
    if shutil.which("Rscript") or os.environ.get("HARVESTER_TEST_R") == "required":
        assert told(*found) in run_script(folder)


@R
@pytest.mark.usefixtures("processes")
def test_the_script_in_r_estimates_it_too(tmp_path, monkeypatch):
    made = release_of(tmp_path / "release", Profile.OPEN, monkeypatch)
    assert told(*expected(made, Profile.OPEN)) in run_script(tmp_path / "release")


@pytest.mark.soak
@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("kind", ["parquet", "csv.gz", "jsonl.gz"])
def test_the_notebook_reads_each_format(tmp_path, monkeypatch, profile, kind):
    from harvester.dataset.describe import describe, read_release

    folder = tmp_path / "release"
    made = release_of(folder, profile, monkeypatch)
    release = read_release(folder)
    only = [replace(one, files=tuple(file for file in one.files if file.format == kind)) for one in release.resources]
    for path in (*folder.glob("*.parquet"), *folder.glob("*.gz")):
        if not path.name.endswith(kind):
            path.unlink()
    describe(folder, replace(release, resources=tuple(only)))
    estimates, bars = run_notebook(folder)
    for one in estimates:
        assert one == pytest.approx(expected(made, profile))
    assert bars == pytest.approx(bars_of(made))
    if kind == "csv.gz" and shutil.which("Rscript"):
        assert told(*expected(made, profile)) in run_script(folder)


@pytest.mark.soak
@pytest.mark.usefixtures("processes")
def test_jupyter_runs_the_notebook(tmp_path, monkeypatch):
    """In an environment of its own, which has what the notebook says that it needs."""
    import nbformat

    release_of(tmp_path / "release", Profile.OPEN, monkeypatch)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([uv(), "venv", "--quiet", tmp_path / "venv"], check=True)
    needed = ["nbclient", "ipykernel", "pandas", "polars", "duckdb", "pyarrow", "matplotlib"]
    subprocess.run([uv(), "pip", "install", "--quiet", "--python", python, *needed], check=True)
    script = (
        "import nbformat, nbclient\n"
        f"notebook = nbformat.read('{NOTEBOOK}', as_version=4)\n"
        "nbclient.NotebookClient(notebook, timeout=300).execute()\n"
        "nbformat.write(notebook, '../done.ipynb')\n"
    )
    subprocess.run([python, "-c", script], cwd=tmp_path / "release", check=True)
    notebook = nbformat.read(tmp_path / "done.ipynb", as_version=4)
    outputs = [kind for cell in notebook.cells for one in cell.get("outputs", []) for kind in one.get("data", {})]
    assert "image/png" in outputs
    assert "text/html" in outputs


@pytest.mark.parametrize("profile", Profile)
def test_the_notebook_is_valid(tmp_path, monkeypatch, profile):
    import nbformat

    release_of(tmp_path / "release", profile, monkeypatch)
    notebook = nbformat.reads((tmp_path / "release" / NOTEBOOK).read_text(), as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert len({cell["id"] for cell in notebook.cells}) == len(notebook.cells) >= 8
    text = (tmp_path / "release" / NOTEBOOK).read_text() + (tmp_path / "release" / SCRIPT).read_text()
    assert not re.search(r"\$[a-z_]+(?<!\$[a-z])", text.replace("rows$", "").replace("table$", ""))


def test_rows_that_no_sample_drew_have_the_weight_of_open(tmp_path, monkeypatch):
    release_of(tmp_path / "release", Profile.OPEN, monkeypatch, parameters={"designs": {}})
    script = (tmp_path / "release" / SCRIPT).read_text()
    assert "weight <- rows$weight\n" in script
    assert "`weight` tells how many rows of the warehouse a row stands for." in script


@pytest.mark.parametrize(("profile", "design", "told"), [
    (Profile.RESTRICTED, {}, "that of the sample's design"),
    (Profile.RESTRICTED, {"strata": [STRATA[0] | {"visited": 30}]}, "10 of 40 draws were not visited"),
    (Profile.RESTRICTED, {"strata": [STRATA[0] | {"visited": 1}]}, "leaves out the strata"),
    (Profile.RESTRICTED, {"designs": [{"design_id": 1, "name": "walk"}], "strata": []}, "the true error is larger"),
    (Profile.OPEN, {}, "leaves out the strata"),
])  # fmt: skip
def test_it_says_what_the_error_leaves_out(tmp_path, monkeypatch, profile, design, told):
    made = {"designs": [{"design_id": 1, "name": "stratified"}], "strata": STRATA} | design
    release_of(tmp_path / "release", profile, monkeypatch, design=made)
    for name in (NOTEBOOK, SCRIPT):
        assert told in (tmp_path / "release" / name).read_text()


def test_a_release_without_a_value_to_estimate_has_no_notebook(tmp_path):
    release = make_release(tmp_path, {"follows": rows()["follows"], "users": rows()["users"]}, profile=Profile.OPEN)
    assert set(start_files(release)) == {NOTEBOOK, SCRIPT}
    bare = [replace(one, fields=one.fields[:1]) for one in release.resources]
    assert start_files(replace(release, resources=tuple(bare))) == {}
