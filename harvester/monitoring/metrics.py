"""Figures for Prometheus, all out of the warehouse: one exporter speaks for all workers, wherever they run.

Free space is that of the machine of the exporter, where the embedded server keeps its data.
"""

import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from harvester import http_server
from harvester.api.catalogue import STREAMS
from harvester.config import Settings
from harvester.errors import WarehouseError
from harvester.monitoring.status import read_status
from harvester.warehouse.access import connect
from harvester.warehouse.annotations import about
from harvester.warehouse.connection import Connection
from harvester.warehouse.locks import ALIVE
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import runs

_SQL = statements(__package__, "metrics")

_SIZE = "SELECT pg_database_size(current_database())"
OUTCOMES = about(runs.c.outcome).choices
_CRAWLS = 20
"""Crawls of which the interval is taken."""


class Warehouse(Collector):
    """Reads the figures at each scrape. With `patient`, a warehouse that is away is a figure too, and no error."""

    def __init__(self, settings: Settings, *, patient: bool) -> None:
        self._settings = settings
        self._patient = patient

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        try:
            found = list(self._figures())
        except (WarehouseError, psycopg.Error):
            if not self._patient:
                raise
            found = []
        yield _gauge("up", "Whether the warehouse can be read.", [], [(bool(found),)])
        yield from self._disks()
        yield from found

    def _disks(self) -> Iterator[Metric]:
        folders = {"home": self._settings.home, "archive": self._settings.archive}
        disks = {name: shutil.disk_usage(path) for name, path in folders.items() if path is not None and path.is_dir()}
        for figure, text in (("free", "Bytes that may be written yet to the disk of a folder."),
                             ("size", "Bytes of that disk.")):  # fmt: skip
            rows = [(name, disk.free if figure == "free" else disk.total) for name, disk in disks.items()]
            if rows:
                yield _gauge(f"disk_{figure}_bytes", text, ["place"], rows)

    def _figures(self) -> Iterator[Metric]:
        facts = read_status(self._settings, compares=False)
        with connect(self._settings, autocommit=True) as connection:
            yield _counter("responses", "Responses of the source; status - where none came.", ["stream", "status"],
                           connection.execute(_SQL["responses"]).fetchall())  # fmt: skip
            yield _counter("rows_written", "Rows by table, and what became of them.", ["table", "outcome"],
                           connection.execute(_SQL["rows"]).fetchall())  # fmt: skip
            yield _counter(
                "runs", "Runs that are over, by outcome.", ["outcome"], connection.execute(_SQL["runs"]).fetchall()
            )
            taken, breaker_trips, closed, ahead = connection.execute(_SQL["budget"]).fetchone() or (0, 0, 0, 0)
            yield from _crawls(connection)
            yield _gauge("database_bytes", "Size of the warehouse.", [], connection.execute(_SIZE).fetchall())
        yield _gauge("rows", "Rows present.", ["table"], facts["rows"].items())
        yield from _requests(facts["erasure_requests"])
        for name, key, text in (
            ("frontier_entries", "in_scope", "Lists and objects in scope."),
            ("frontier_due", "due", "Visits that are due now."),
            ("frontier_paying", "pays", "Visits that pay now, beside those that are due."),
            ("frontier_failing", "failing", "Lists and objects whose last visit failed."),
            ("frontier_uncertified", "uncertified", "Lists read without proof that nothing was skipped."),
            ("on_time_ratio", "on_time", "Share of visits that are not late."),
            ("unseen_items_expected", "expected_unseen", "New items that are to be expected by now."),
        ):
            rows = [(one["stream"], one[key]) for one in facts["streams"] if one[key] is not None]
            yield _gauge(name, text, ["stream"], rows)
        # Streams without any are 0: what is not there cannot be seen to grow.
        quarantine = dict.fromkeys(STREAMS, 0) | facts["quarantine"]
        yield _gauge("quarantine", "Responses that were set aside.", ["stream"], quarantine.items())
        drift: dict[str, int] = {}
        for one in facts["drift"]:
            drift[one["stream"]] = drift.get(one["stream"], 0) + 1
        yield _gauge("drift", "Ways in which the source departs from what is declared.", ["stream"], drift.items())
        yield _counter("budget_slots", "Requests that the budget allowed.", [], [(taken or 0,)])
        yield _gauge(
            "budget_rate", "Requests per second that are allowed; 0: no limit.", [], [(facts["budget"]["rate"],)]
        )
        yield _gauge("budget_closed_seconds", "Seconds for which no request may be sent.", [], [(closed or 0,)])
        yield _gauge("budget_ahead_seconds", "Seconds until the next free place.", [], [(ahead or 0,)])
        yield _gauge("breaker_trips", "Pauses in a row because nothing answered.", [], [(breaker_trips or 0,)])


def _requests(requests: list[dict[str, Any]]) -> Iterator[Metric]:
    """Yield the number of requests for erasure that wait, and the first of their deadlines."""
    waiting = [one["due_at"] for one in requests if one["state"] != "carried out"]
    yield _gauge("erasure_requests", "Requests for erasure that are not carried out.", [], [(len(waiting),)])
    if waiting:
        text = "When the first of them must be answered."
        yield _gauge("erasure_due_timestamp_seconds", text, [], [(min(waiting).timestamp(),)])


def _crawls(connection: Connection) -> Iterator[Metric]:
    """Yield when a crawl last worked, how far apart crawls begin, and how the last one ended that is over."""
    row = connection.execute(_SQL["crawls"], {"alive": ALIVE, "crawls": _CRAWLS}).fetchone()
    worked_at, interval, outcome = row or (None, None, None)
    if worked_at is not None:
        text = "When a crawl last worked; now while one does."
        yield _gauge("last_crawl_timestamp_seconds", text, [], [(worked_at,)])
    if interval is not None:
        text = "Seconds between the beginnings of crawls, which nine in ten of the last keep to."
        yield _gauge("crawl_interval_seconds", text, [], [(interval,)])
    if outcome is not None:
        rows = [(name, name == outcome) for name in OUTCOMES]
        yield _gauge("last_crawl_outcome", "1: so the last crawl ended.", ["outcome"], rows)


def exposition(settings: Settings) -> bytes:
    """Return all metrics in the text format of Prometheus."""
    return generate_latest(registry(settings, patient=False))


def serve(settings: Settings, *, address: str, port: int, names: Sequence[str] = ()) -> None:
    """Answer scrapes until SIGINT, SIGTERM or SIGHUP; prints `ready URL` once it does.

    Raises:
        UsageError: the address or the port cannot be used.
    """
    found = registry(settings)
    kind = http_server.PageKind("/metrics", CONTENT_TYPE_LATEST)
    app = http_server.Application(lambda: generate_latest(found).decode(), kind, (address, *names))
    with http_server.listen(address, port) as listener:
        http_server.serve(app, listener, kind.path)


def registry(settings: Settings, *, patient: bool = True) -> CollectorRegistry:
    """Return a registry with the warehouse's metrics and nothing else."""
    made = CollectorRegistry(auto_describe=False)
    made.register(Warehouse(settings, patient=patient))
    return made


def _gauge(name: str, text: str, labels: list[str], rows: Any) -> Metric:
    return _filled(GaugeMetricFamily(f"harvester_{name}", text, labels=labels), rows)


def _counter(name: str, text: str, labels: list[str], rows: Any) -> Metric:
    return _filled(CounterMetricFamily(f"harvester_{name}", text, labels=labels), rows)


def _filled(family: Any, rows: Any) -> Metric:
    for *labels, value in rows:
        family.add_metric([str(label) for label in labels], float(value))
    assert isinstance(family, Metric)
    return family
