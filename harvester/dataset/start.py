"""Write the notebook and the R script of a release, which load it, estimate a share with its error, and plot. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

from harvester.dataset import citation
from harvester.dataset.release import Profile, Type

if TYPE_CHECKING:
    from harvester.dataset.release import Field, Release, Resource

NOTEBOOK = "START.ipynb"
SCRIPT = "start.R"

_BEST = (("projects", "is_remix"), ("projects", "loves"), ("users", "projects_count"))
"""Columns of which a share is most telling, before all others."""
_TIMES = ("created", "joined", "created_at", "joined_at")
_NUMBERS = (Type.INTEGER, Type.NUMBER)
_NO_VALUES = {"weight", "inclusion_probability", "design_weight", "design_id", "cluster_id", "stratum"}
_READERS = {
    "parquet": ("read_parquet('{}')", "read_parquet('{}')", "read_parquet('{}')"),
    "csv.gz": ("read_csv('{}')", "read_csv('{}', infer_schema_length=None)", "read_csv('{}')"),
    "jsonl.gz": ("read_json('{}', lines=True)", "read_ndjson('{}', infer_schema_length=None)", "read_json('{}')"),
}
"""Calls that read a file in pandas, Polars and DuckDB, by format; the best format first."""


@dataclass(frozen=True, slots=True)
class _Example:
    """A share to estimate: that of the rows of a table for which a column is true, or not zero."""

    table: Resource
    column: Field
    time: Field | None
    is_weighted: bool
    has_probability: bool


def start_files(release: Release) -> dict[str, str]:
    """Return the notebook and the script by their names; no script without CSV, which is what R reads by itself.

    Empty for a release without a column of which a share can be taken and a time to plot by.
    """
    example = _example(release)
    if example is None or example.time is None:
        return {}
    formats = {file.format: file.path for file in example.table.files}
    values = _values(release, example)
    found = {NOTEBOOK: _notebook(_filled("START.txt", values | _python(release, example)))}
    if "csv.gz" in formats:
        found[SCRIPT] = _filled(SCRIPT, values | _r(example) | {"csv": formats["csv.gz"]})
    return found


def _example(release: Release) -> _Example | None:
    tables = {one.name: one for one in citation.main_tables(release) if one.files}
    found = [
        (tables[name], field) for name, column in _BEST if name in tables for field in tables[name].fields
        if field.name == column
    ]  # fmt: skip
    found += [(one, field) for one in tables.values() for field in one.fields if field.type is Type.BOOLEAN]
    found += [
        (one, field)
        for one in tables.values()
        for field in one.fields
        if field.type in _NUMBERS and field.name not in {*_NO_VALUES, *one.primary_key}
    ]
    timed = [(table, field, _time(table)) for table, field in found]
    for table, column, time in sorted(timed, key=lambda one: one[2] is None):
        names = {field.name for field in table.fields}
        drawn = release.profile is Profile.OPEN or table.name.removesuffix("s") in release.parameters.get("designs", {})
        is_weighted = "weight" in names and drawn
        return _Example(table, column, time, is_weighted, is_weighted and "inclusion_probability" in names)
    return None


def _time(table: Resource) -> Field | None:
    fields = {field.name: field for field in table.fields}
    named = [fields[name] for name in _TIMES if name in fields]
    typed = [field for field in table.fields if field.type in (Type.DATE, Type.MONTH, Type.TIME)]
    return next(iter(named + typed), None)


def _values(release: Release, example: _Example) -> dict[str, Any]:
    table, column = example.table.name, example.column
    condition = "true" if column.type is Type.BOOLEAN else "more than 0"
    if not example.is_weighted:
        weights = "No weights: each row counts for itself, and the share is that of the rows which are here."
    elif release.profile is Profile.OPEN:
        weights = "`weight` tells how many rows of the warehouse a row stands for."
    else:
        weights = "`weight` tells how many of the site a row stands for; rows that the sample did not draw have none."
    label = "" if release.sandbox is None else ", synthetic data"
    return {
        "title": citation.title(release),
        "summary": citation.summary(release),
        "table": table,
        "question": f"For which share of the rows of `{table}` is `{column.name}` {condition}?",
        "weights": weights,
        "time": "" if example.time is None else example.time.name,
        "plot_title": f"{table} by year{label}",
    }


def _python(release: Release, example: _Example) -> dict[str, Any]:
    column, time = example.column, example.time
    assert time is not None
    weight = ["weight"] if example.is_weighted else []
    kind = next(one for one in _READERS if any(file.format == one for file in example.table.files))
    path = next(file.path for file in example.table.files if file.format == kind)
    pandas, polars, duckdb = (one.format(path).replace("'", '"') for one in _READERS[kind])
    files = {one.name: file.path for one in citation.main_tables(release) for file in one.files if file.format == kind}
    forms = {
        Type.BOOLEAN: ('rows["{}"].astype(bool).astype(float)', 'pl.col("{}").cast(pl.Float64)', '"{}"::INT'),
        Type.INTEGER: ('(rows["{}"] > 0).astype(float)', '(pl.col("{}") > 0).cast(pl.Float64)', '("{}" > 0)::INT'),
        Type.STRING: (
            '(rows["{}"].astype(str) != "0").astype(float)',
            '(pl.col("{}").cast(pl.String) != "0").cast(pl.Float64)',
            "(\"{}\"::VARCHAR <> '0')::INT",
        ),
    }
    value = [one.format(column.name) for one in forms[Type.INTEGER if column.type in _NUMBERS else column.type]]
    needed = [column.name, *weight]
    probability = "inclusion_probability"
    return {
        "files": json.dumps(files, indent=4),
        "duckdb_counted": _READERS[kind][2].replace("{}", "{path}"),
        "pandas_read": pandas,
        "polars_read": polars,
        "duckdb_read": duckdb.replace('"', "'"),
        "needed": json.dumps(needed),
        "timed": json.dumps([time.name, *weight]),
        "pandas_value": value[0],
        "polars_value": value[1],
        "sql_value": value[2],
        "pandas_unweighted": "" if example.is_weighted else ".assign(weight=1.0)",
        "polars_unweighted": "" if example.is_weighted else ".with_columns(weight=pl.lit(1.0))",
        "sql_weight": "weight" if example.is_weighted else "1.0",
        "pandas_correction": f' * (1 - rows["{probability}"].fillna(0))' if example.has_probability else "",
        "polars_correction": f' * (1 - pl.col("{probability}").fill_null(0))' if example.has_probability else "",
        "sql_correction": f"1 - coalesce({probability}, 0)" if example.has_probability else "1",
        "sql_needed": " AND ".join(f'"{name}" IS NOT NULL' for name in needed),
    }


def _r(example: _Example) -> dict[str, str]:
    column, time = example.column.name, example.time
    assert time is not None
    forms = {
        Type.BOOLEAN: f'tolower(rows${column}) == "true"',
        Type.STRING: f'as.character(rows${column}) != "0"',
    }
    present = [" & ".join(f"!is.na(table${name})" for name in names) for names in _needed(example)]
    return {
        "r_needed": present[0],
        "r_timed": present[1],
        "r_value": forms.get(example.column.type, f"rows${column} > 0"),
        "r_weight": "rows$weight" if example.is_weighted else "rep(1, nrow(rows))",
        "r_correction": "(1 - ifelse(is.na(rows$inclusion_probability), 0, rows$inclusion_probability))"
        if example.has_probability
        else "1",
    }


def _needed(example: _Example) -> tuple[list[str], list[str]]:
    """Return the columns that a row must have to be in the estimate, and those to be in the plot."""
    weight = ["weight"] if example.is_weighted else []
    time = [] if example.time is None else [example.time.name]
    return [example.column.name, *weight], [*time, *weight]


def _filled(name: str, values: dict[str, Any]) -> str:
    template = resources.files("harvester.dataset").joinpath("templates", name).read_text(encoding="utf-8")
    return Template(template).substitute(values)


def _notebook(text: str) -> str:
    """Return a notebook of format 4.5 of cells that begin with `# %%`, as Jupytext writes them."""
    cells: list[dict[str, Any]] = []
    for number, part in enumerate(text.split("# %%")[1:]):
        head, _, source = part.partition("\n")
        is_text = "markdown" in head
        lines = source.rstrip("\n").split("\n")
        if is_text:
            lines = [line.removeprefix("#").removeprefix(" ") for line in lines]
        cell: dict[str, Any] = {"cell_type": "markdown" if is_text else "code", "id": f"cell-{number}", "metadata": {}}
        if not is_text:
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell | {"source": [f"{line}\n" for line in lines[:-1]] + lines[-1:]})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"
