"""Print the dashboard of Grafana, `harvester/deploy/templates/monitoring/dashboard.json`: see `make docs`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TypeVar

from grafana_foundation_sdk.builders import dashboard, stat, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    BigValueTextMode,
    LegendDisplayMode,
    LegendPlacement,
)
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef, Threshold, ThresholdsMode

Builder = TypeVar("Builder", stat.Panel, timeseries.Panel)
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """One panel: its queries by the name of their line, `{{label}}` for one that has several."""

    title: str
    description: str
    queries: dict[str, str]
    unit: str = "short"
    limits: dict[float, str] = field(default_factory=dict)
    """Colours of a figure, by the value from which they hold."""


FIGURES = [
    Panel(
        "Since the last crawl",
        "0 while a crawl is at work.",
        {"age": "time() - harvester_last_crawl_timestamp_seconds"},
        "s",
    ),
    Panel(
        "Last crawl",
        "How the last crawl ended that is over.",
        {"{{outcome}}": "harvester_last_crawl_outcome == 1"},
    ),
    Panel("Visits due", "In all streams.", {"due": "sum(harvester_frontier_due)"}),
    Panel(
        "On time",
        "Share of visits that are not late, over all streams by their size.",
        {"on time": "sum(harvester_on_time_ratio * harvester_frontier_entries) / sum(harvester_frontier_entries)"},
        "percentunit",
        {0.0: "orange", 0.9: "green"},
    ),
    Panel(
        "Set aside",
        "Responses that could not be used: `harvester quarantine list`.",
        {"responses": "sum(harvester_quarantine)"},
        limits={0.0: "green", 1.0: "orange"},
    ),
    Panel(
        "Disk left",
        "Of the fullest disk that the harvester writes to.",
        {"left": "min(harvester_disk_free_bytes / harvester_disk_size_bytes)"},
        "percentunit",
        {0.0: "red", 0.1: "orange", 0.2: "green"},
    ),
]
CHARTS = [
    Panel(
        "Requests",
        "Sent, and allowed by the rate of the warehouse.",
        {"sent": f"rate(harvester_budget_slots_total{RATE})", "allowed": "harvester_budget_rate"},
        "reqps",
    ),
    Panel(
        "Responses",
        "By status; - where none came.",
        {"{{status}}": f"sum by (status) (rate(harvester_responses_total{RATE}))"},
        "reqps",
    ),
    Panel("Visits due", "By stream.", {"{{stream}}": "harvester_frontier_due"}),
    Panel(
        "Late",
        "Share of visits that are late, by stream.",
        {"{{stream}}": "1 - harvester_on_time_ratio"},
        "percentunit",
    ),
    Panel("Rows", "Present, by table.", {"{{table}}": "harvester_rows > 0"}),
    Panel(
        "Rows written",
        "By what became of them.",
        {"{{outcome}}": f"sum by (outcome) (rate(harvester_rows_written_total{RATE}))"},
        "wps",
    ),
    Panel(
        "Trouble",
        "Lists and objects whose last visit failed, responses set aside, deviations of the source from what is"
        " declared, and pauses in a row because nothing answered.",
        {
            "failing": "sum(harvester_frontier_failing)",
            "set aside": "sum(harvester_quarantine)",
            "deviations": "sum(harvester_drift)",
            "pauses": "harvester_breaker_trips",
        },
    ),
    Panel("Crawls", "By outcome, since the oldest that is kept.", {"{{outcome}}": "harvester_runs_total"}),
    Panel(
        "New items not read yet",
        "To be expected in lists by now, by stream.",
        {"{{stream}}": "harvester_unseen_items_expected"},
    ),
    Panel(
        "Disk",
        "Size of the database, and bytes left where the harvester writes.",
        {"database": "harvester_database_bytes", "left: {{place}}": "harvester_disk_free_bytes"},
        "bytes",
    ),
]


def build() -> str:
    """Return the dashboard as JSON."""
    made = (
        dashboard.Dashboard("scratch-harvester")
        .uid("scratch-harvester")
        .description("Crawls, backlog, budget and warehouse of a scratch-harvester.")
        .tags(["scratch-harvester"])
        .timezone("utc")
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Source").type("prometheus"))
    )
    for panel in FIGURES:
        made.with_panel(_figure(panel))
    for panel in CHARTS:
        made.with_panel(_chart(panel))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _figure(panel: Panel) -> stat.Panel:
    built = stat.Panel().span(4).height(4).graph_mode(BigValueGraphMode.NONE)
    built.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    if panel.limits:
        steps = [Threshold(value=value or None, color=color) for value, color in panel.limits.items()]
        built.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    if any("{{" in name for name in panel.queries):
        built.text_mode(BigValueTextMode.NAME)
    return _filled(built, panel, now=True)


def _chart(panel: Panel) -> timeseries.Panel:
    legend = VizLegendOptions().show_legend(show_legend=True).display_mode(LegendDisplayMode.LIST)
    built = timeseries.Panel().span(12).height(8).min(0).fill_opacity(10)
    return _filled(built.legend(legend.placement(LegendPlacement.BOTTOM)), panel)


def _filled(built: Builder, panel: Panel, *, now: bool = False) -> Builder:
    """Give a panel its texts and queries: of the values of now, or of all times."""
    built.title(panel.title).description(panel.description).unit(panel.unit).datasource(SOURCE)
    for number, (name, query) in enumerate(panel.queries.items()):
        target = Dataquery().expr(query).legend_format(name).ref_id(chr(ord("A") + number)).datasource(SOURCE)
        built.with_target(target.instant() if now else target.range())
    return built


if __name__ == "__main__":
    sys.stdout.write(build())
