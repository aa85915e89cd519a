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
    "jsonl.gz": (
        "read_json('{}', lines=True, dtype=False)",
        "read_ndjson('{}', infer_schema_length=None)",
        "read_json('{}')",
    ),
}
"""Calls that read a file in pandas, Polars and DuckDB, by format; the best format first."""


_ERRORS = {
    "pandas_error": """n = len(rows)
error = ((part**2{correction}).sum() * n / (n - 1 or float("nan"))) ** 0.5""",
    "polars_error": """n = len(rows)
error = (rows.select((part**2{correction}).sum()).item() * n / (n - 1 or float("nan"))) ** 0.5""",
    "sql_error": "1 AS remaining, count(*) AS n, 0 AS part, sum(power(part, 2) * correction) AS square",
    "r_error": "error <- sqrt(sum(part^2{correction}) * nrow(rows) / (nrow(rows) - 1))",
}
"""Code, by language, that computes the error where rows were drawn independently."""
_ERRORS_OF_DESIGN = {
    "pandas_error": """parts = rows.assign(part=part, square=part**2, remaining=1 - rows["inclusion_probability"])
strata = parts.groupby("stratum").agg({{"part": "sum", "square": "sum", "remaining": "first"}})
n = draws.set_index("stratum")["n"].loc[strata.index]
error = (strata["remaining"] * n / (n - 1) * (strata["square"] - strata["part"] ** 2 / n)).sum() ** 0.5""",
    "polars_error": """parts = rows.with_columns(pl.col("stratum").cast(pl.String), part=part, square=part**2)
strata = parts.group_by("stratum").agg(
    pl.col("part", "square").sum(), remaining=1 - pl.col("inclusion_probability").first()
).join(pl.DataFrame(draws.to_dict("list")), on="stratum")
n, remaining, of_stratum = pl.col("n"), pl.col("remaining"), pl.col("square") - pl.col("part") ** 2 / pl.col("n")
error = strata.select((remaining * n / (n - 1) * of_stratum).sum()).item() ** 0.5""",
    "sql_error": "min(correction) AS remaining, min(n) AS n, sum(part) AS part, sum(power(part, 2)) AS square",
    "r_error": """strata <- function(value) tapply(value, rows$stratum, sum)
n <- draws[names(strata(part))]
remaining <- 1 - tapply(rows$inclusion_probability, rows$stratum, min)
error <- sqrt(sum(remaining * n / (n - 1) * (strata(part^2) - strata(part)^2 / n)))""",
}
"""Code, by language, that computes the error where ids were drawn by stratum (docs/sampling.md)."""


@dataclass(frozen=True, slots=True)
class _Example:
    """A share to estimate: that of the rows of a table for which a column is true, or not zero.

    `draws` are the draws by stratum that were visited, hits and misses, where the error is that of the sample's design.
    """

    table: Resource
    column: Field
    weight: str | None
    has_probability: bool
    time: Field | None
    draws: dict[str, int]

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
        draws = _draws(release, table) if has_probability and "stratum" in names else {}
        return _Example(table, column, weight, has_probability, _time(table), draws)
    return None


def _design(release: Release, table: Resource) -> int | None:
    """Return the number of the design that drew a table."""
    found: int | None = release.parameters.get("designs", {}).get(table.name.removesuffix("s"))
    return found


def _draws(release: Release, table: Resource) -> dict[str, int]:
    """Return the visited draws of a table by stratum; empty where one of them is too few for an error."""
    strata = [one for one in release.design.get("strata", ()) if one["design_id"] == _design(release, table)]
    found = {str(one["stratum"]): one["visited"] for one in strata}
    return found if min(found.values(), default=0) > 1 else {}


def _weights(release: Release, table: Resource) -> tuple[str, ...]:
    """Return the columns that may weigh the rows of a table: of the sample if it was drawn by one, else of `open`."""
    is_drawn = _design(release, table) is not None
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
        "error": _error(release, example),
        "weight": example.weight or "weight",
        "plotted": plotted,
        "plot_title": f"{table} by {plotted}{label}",
    }


def _error(release: Release, example: _Example) -> str:
    """Say what the error is one of, and what it leaves out."""
    independent = "The error is that of a weighted mean of rows drawn independently"
    drawn_by = _design(release, example.table)
    if example.draws:
        strata = [one for one in release.design["strata"] if one["design_id"] == drawn_by]
        drawn, visited = (sum(one[name] for one in strata) for name in ("drawn", "visited"))
        found = (
            "The error is that of the sample's design: ids were drawn by stratum, and `draws` tells how many of them"
            " were visited, those without a row included. `analytics.estimate` of the warehouse gives the same error,"
            " or a larger one if the share is 0 in a stratum."
        )
        if visited < drawn:
            found += f" {drawn - visited:,} of {drawn:,} draws were not visited, which this error leaves out."
        return found
    if example.weight is None or (release.profile is Profile.OPEN and example.weight == "weight"):
        return f"{independent}."
    names = {one["design_id"]: one["name"] for one in release.design.get("designs", ())}
    if names.get(drawn_by) == "walk":
        return f"{independent}. Steps of a random walk depend on each other: the true error is larger."
    return f"{independent}: it leaves out the strata of the sample. `analytics.estimate` of the warehouse uses them."


def _python(release: Release, example: _Example) -> dict[str, Any]:
    column, is_weighted = example.column.name, example.weight is not None
    kind = next(one for one in _READERS if any(file.format == one for file in example.table.files))
    path = next(file.path for file in example.table.files if file.format == kind)
    pandas, polars, duckdb = (one.format(path) for one in _READERS[kind])
    if example.draws:  # names of strata may be numbers
        pandas = pandas.replace("csv.gz')", "csv.gz', dtype={'stratum': str})")
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
        "sql_needed": " AND ".join(f'"{name}" IS NOT NULL' for name in example.needed),
        "pandas_groups": f'"{column}"' if example.time is None else f'rows["{example.time.name}"].astype(str).str[:4]',
        **_python_error(example),
    }


def _python_error(example: _Example) -> dict[str, str]:
    """Return the parts of the notebook that compute the error, and the draws that these use."""
    probability = "inclusion_probability"
    corrections = dict.fromkeys(("pandas_error", "polars_error"), "")
    if example.has_probability:
        corrections["pandas_error"] = f' * (1 - rows["{probability}"].fillna(0))'
        corrections["polars_error"] = f' * (1 - pl.col("{probability}").fill_null(0))'
    errors = _ERRORS_OF_DESIGN if example.draws else _ERRORS
    found = {name: errors[name].format(correction=corrections.get(name, "")) for name in (*corrections, "sql_error")}
    found["sql_correction"] = f"1 - coalesce({probability}, 0)" if example.has_probability else "1"
    found |= {"sql_stratum": "", "sql_strata": "", "draws": ""}
    if example.draws:
        found["sql_stratum"] = ", stratum::VARCHAR AS stratum"
        found["sql_strata"] = " JOIN draws USING (stratum) GROUP BY stratum"
        frame = {"stratum": list(example.draws), "n": list(example.draws.values())}
        found["draws"] = f"draws = pd.DataFrame({json.dumps(frame)})\n"
    return found


def _r(example: _Example) -> dict[str, str]:
    column = example.column.name
    forms = {
        Type.BOOLEAN: f'tolower(rows${column}) == "true"',
        Type.STRING: f'as.character(rows${column}) != "0"',
    }
    needed, shown = (" & ".join(f"!is.na(table${name})" for name in one) for one in (example.needed, example.shown))
    probability = "rows$inclusion_probability"
    correction = f" * (1 - ifelse(is.na({probability}), 0, {probability}))" if example.has_probability else ""
    errors = _ERRORS_OF_DESIGN if example.draws else _ERRORS
    draws = ", ".join(f"{json.dumps(name)} = {visited}" for name, visited in example.draws.items())
    return {
        "r_needed": needed,
        "r_shown": shown,
        "r_value": forms.get(example.column.type, f"rows${column} > 0"),
        "r_weight": "rep(1, nrow(rows))" if example.weight is None else f"rows${example.weight}",
        "r_error": errors["r_error"].format(correction=correction),
        "r_read": ', colClasses = c(stratum = "character")' if example.draws else "",
        "r_draws": f"draws <- c({draws})\n" if example.draws else "",
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
