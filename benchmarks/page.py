"""Make `docs/benchmarks.md` and its plots from the stored results: `python -m benchmarks page`.

The text of the page is `benchmarks/page.md`, in which `{{NAME}}` is replaced by a table.
"""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.report import RESULTS

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
NOT_YET = "Not measured yet."
PLOTS = {
    "pipeline": "Rows per second, and CPU per 100,000 rows, of four programs",
    "growth": "New comments per second, and the time of a lease, by size",
}
"""Benchmarks with a plot, and its description."""


def table(name: str, found: dict[str, Any]) -> str:
    """Return a table in Markdown with its notes, below its plot if it has one."""
    plot = [f"![{PLOTS[name]}](assets/benchmarks-{name}.svg)", ""] if name in PLOTS else []
    head = [found["columns"], ["---", *("---:" for _ in found["columns"][1:])]]
    lines = ["| " + " | ".join(cells) + " |" for cells in [*head, *found["rows"]]]
    versions = ", ".join(found["versions"])
    about = f"Measured {found['measured']} by `{found['command']}` on {found['machine']}; {versions}."
    return "\n".join([*plot, *lines, "", *found["notes"], "", about])


def page(kept: dict[str, Any]) -> str:
    """Return the page with the results of each benchmark."""
    tables = {name: table(name, found) for name, found in kept.items()}
    words = (HERE / "page.md").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda place: tables.get(place[1], NOT_YET), words)


def kept() -> dict[str, Any]:
    """Return the stored results by benchmark."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}


def main() -> None:
    from benchmarks.plots import DRAWN  # noqa: PLC0415  (matplotlib takes long to import)

    found = kept()
    for name in DRAWN.keys() & found.keys():
        DRAWN[name](found[name])
    (DOCS / "benchmarks.md").write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
