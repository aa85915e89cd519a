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
    weight: str | None
    has_probability: bool
    time: Field | None

    @property
    def needed(self) -> list[str]:
        """The columns that a row must have to be in the estimate."""
        return [self.column.name, *([] if self.weight is None else [self.weight])]

    @property
    def shown(self) -> list[str]:
        """The columns that a row must have to be in the plot: by year, or by the value if there is no time."""
        return [(self.time or self.column).name, *self.needed[1:]]


def start_files(release: Release) -> dict[str, str]:
    """Return the notebook and the script by their names; no script without CSV, which is what R reads by itself.

    Empty for a release without a column of which a share can be taken.
    """
    example = _example(release)
    if example is None:
        return {}
    formats = {file.format: file.path for file in example.table.files}
    values = _values(release, example)
    found = {NOTEBOOK: _notebook(_filled("START.txt", values | _python(release, example)))}
    if "csv.gz" in formats:
        found[SCRIPT] = _filled(SCRIPT, values | _r(example) | {"csv": formats["csv.gz"]})
    return found


def _example(release: Release) -> _Example | None:
    tables = {one.name: one for one in citation.main_tables(release) if one.files and one.rows > 1}
    found = [
        (tables[name], field)
        for name, column in _BEST
        if name in tables
        for field in tables[name].fields
        if field.name == column
    ]
    for kinds in ((Type.BOOLEAN,), _NUMBERS):
        found += [
            (one, field)
            for one in tables.values()
            for field in one.fields
            if field.type in kinds and field.name not in {*_NO_VALUES, *one.primary_key}
        ]
    for table, column in found:
        names = {field.name for field in table.fields}
        weight = next((one for one in _weights(release, table) if one in names), None)
        has_probability = weight == "weight" and "inclusion_probability" in names
        return _Example(table, column, weight, has_probability, _time(table))
    return None


def _weights(release: Release, table: Resource) -> tuple[str, ...]:
    """Return the columns that may weigh the rows of a table: of the sample if it was drawn by one, else of `open`."""
    is_drawn = table.name.removesuffix("s") in release.parameters.get("designs", {})
    if release.profile is Profile.OPEN:
        return ("design_weight", "weight") if is_drawn else ("weight",)
    return ("weight",) if is_drawn else ()


def _time(table: Resource) -> Field | None:
    fields = {field.name: field for field in table.fields}
    named = [fields[name] for name in _TIMES if name in fields]
    typed = [field for field in table.fields if field.type in (Type.DATE, Type.MONTH, Type.TIME)]
    return next(iter(named + typed), None)


def _values(release: Release, example: _Example) -> dict[str, Any]:
    table, column = example.table.name, example.column
    condition = "true" if column.type is Type.BOOLEAN else "more than 0"
    if example.weight is None:
        weights = "No weights: each row counts for itself, and the share is that of the rows which are here."
    elif release.profile is Profile.OPEN and example.weight == "weight":
        weights = "`weight` tells how many rows of the warehouse a row stands for."
    else:
        weights = (
            f"`{example.weight}` tells how many of the sampled site a row stands for; rows that the sample did not draw"
            " have none."
        )
    label = "" if release.sandbox is None else ", synthetic data"
    plotted = column.name if example.time is None else f"year of {example.time.name}"
    return {
        "title": citation.title(release),
        "summary": citation.summary(release),
        "table": table,
        "question": f"For which share of the rows of `{table}` is `{column.name}` {condition}?",
        "weights": weights,
        "weight": example.weight or "weight",
        "plotted": plotted,
        "plot_title": f"{table} by {plotted}{label}",
    }


def _python(release: Release, example: _Example) -> dict[str, Any]:
    column, is_weighted = example.column.name, example.weight is not None
    kind = next(one for one in _READERS if any(file.format == one for file in example.table.files))
    path = next(file.path for file in example.table.files if file.format == kind)
    pandas, polars, duckdb = (one.format(path) for one in _READERS[kind])
    tables = citation.main_tables(release)
    files = {one.name: file.path for one in tables for file in one.files if file.format == kind}
    forms = {
        Type.BOOLEAN: ('rows["{}"].astype(bool).astype(float)', 'pl.col("{}").cast(pl.Float64)', '"{}"::INT'),
        Type.INTEGER: ('(rows["{}"] > 0).astype(float)', '(pl.col("{}") > 0).cast(pl.Float64)', '("{}" > 0)::INT'),
        Type.STRING: (
            '(rows["{}"].astype(str) != "0").astype(float)',
            '(pl.col("{}").cast(pl.String) != "0").cast(pl.Float64)',
            "(\"{}\"::VARCHAR <> '0')::INT",
        ),
    }
    value = forms[Type.INTEGER if example.column.type in _NUMBERS else example.column.type]
    probability = "inclusion_probability"
    corrected = example.has_probability
    return {
        "files": json.dumps(files, indent=4),
        "duckdb_counted": _READERS[kind][2].replace("{}", "{path}"),
        "pandas_read": pandas.replace("'", '"'),
        "polars_read": polars.replace("'", '"'),
        "duckdb_read": duckdb,
        "needed": json.dumps(example.needed),
        "shown": json.dumps(example.shown),
        "pandas_value": value[0].format(column),
        "polars_value": value[1].format(column),
        "sql_value": value[2].format(column),
        "pandas_unweighted": "" if is_weighted else ".assign(weight=1.0)",
        "polars_unweighted": "" if is_weighted else ".with_columns(weight=pl.lit(1.0))",
        "sql_weight": example.weight or "1.0",
        "pandas_correction": f' * (1 - rows["{probability}"].fillna(0))' if corrected else "",
        "polars_correction": f' * (1 - pl.col("{probability}").fill_null(0))' if corrected else "",
        "sql_correction": f"1 - coalesce({probability}, 0)" if corrected else "1",
        "sql_needed": " AND ".join(f'"{name}" IS NOT NULL' for name in example.needed),
        "pandas_groups": f'"{column}"' if example.time is None else f'rows["{example.time.name}"].astype(str).str[:4]',
    }


def _r(example: _Example) -> dict[str, str]:
    column = example.column.name
    forms = {
        Type.BOOLEAN: f'tolower(rows${column}) == "true"',
        Type.STRING: f'as.character(rows${column}) != "0"',
    }
    needed, shown = (" & ".join(f"!is.na(table${name})" for name in one) for one in (example.needed, example.shown))
    probability = "rows$inclusion_probability"
    return {
        "r_needed": needed,
        "r_shown": shown,
        "r_value": forms.get(example.column.type, f"rows${column} > 0"),
        "r_weight": "rep(1, nrow(rows))" if example.weight is None else f"rows${example.weight}",
        "r_correction": f" * (1 - ifelse(is.na({probability}), 0, {probability}))" if example.has_probability else "",
        "r_groups": f"rows${column}" if example.time is None else f"substr(rows${example.time.name}, 1, 4)",
    }


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
