"""Draw the plots of `docs/benchmarks.md`; a module of its own, since matplotlib takes long to import."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.report import median

mpl.use("svg")
from matplotlib import pyplot as plt

ASSETS = Path(__file__).parents[1] / "docs" / "assets"
# The same file for the same figures, with text as text.
mpl.rcParams |= {"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
COLOUR, OTHER = "#3f51b5", "#9fa8da"


def save(name: str) -> None:
    plt.tight_layout()
    plt.savefig(ASSETS / f"benchmarks-{name}.svg", metadata={"Date": None})
    plt.close()


def draw_pipeline(found: dict[str, Any]) -> None:
    """Draw the rows a second of each program, each round as a dot, and the CPU of 100,000 rows."""
    programs = list(found["figures"])
    _, places = plt.subplots(1, 2, figsize=(9, 2.6), sharey=True)
    rates = {name: [one["rows"] / one["crawl"] for one in runs] for name, runs in found["figures"].items()}
    costs = {
        name: median([100_000 * one["cpu"] / one["rows"] for one in runs]) for name, runs in found["figures"].items()
    }
    colours = [COLOUR, *[OTHER] * (len(programs) - 1)]
    for place, values, title in (
        (places[0], {name: median(found) for name, found in rates.items()}, "rows per second"),
        (places[1], costs, "CPU seconds per 100,000 rows"),
    ):
        bars = place.barh(programs, list(values.values()), color=colours)
        place.bar_label(bars, fmt="{:,.0f}", padding=3)
        place.set_title(title, fontsize=10)
        place.margins(x=0.2)
        place.spines[["top", "right"]].set_visible(False)
    for name, values in rates.items():
        places[0].plot(values, [name] * len(values), "|", color="black", markersize=8)
    places[0].invert_yaxis()
    save("pipeline")


def draw_growth(found: dict[str, Any]) -> None:
    """Draw ingest and leases by size, relative to the smallest size."""
    sizes = [one["rows"] for one in found["figures"].values()]
    _, places = plt.subplots(1, 2, figsize=(9, 2.6))
    rates = [median(one["ingest"]) for one in found["figures"].values()]
    places[0].plot(sizes, rates, "o-", color=COLOUR)
    places[0].set_title("new comments per second", fontsize=10)
    for purpose in next(iter(found["figures"].values()))["leases"]:
        waits = [median(one["leases"][purpose]) for one in found["figures"].values()]
        places[1].plot(sizes, waits, "o-", label=purpose)
    places[1].set_title("lease of 100 entries, ms", fontsize=10)
    places[1].legend(frameon=False)
    for place in places:
        place.set_xscale("log")
        place.set_ylim(bottom=0)
        place.set_xlabel("rows in the warehouse")
        place.spines[["top", "right"]].set_visible(False)
    save("growth")


DRAWN = {"pipeline": draw_pipeline, "growth": draw_growth}
