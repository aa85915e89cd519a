"""Forecast the effect of a request rate for `harvester plan`, from fitted arrival rates or published totals."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg.types.json import Jsonb

from harvester.api.catalogue import ANNOUNCED_BY, ONCE, OPT_IN, STREAMS, left_out
from harvester.api.stream import DAY, Kind
from harvester.errors import UsageError
from harvester.frontier import rates
from harvester.frontier.announcements import PRIOR_SHARE, read_announcements
from harvester.frontier.fitting import PARAMETERS
from harvester.frontier.leases import AHEAD_SECONDS
from harvester.frontier.request_rate import read_rate
from harvester.frontier.revisit import PAGE, Group, delay_of, min_gain_for, outlook
from harvester.monitoring.source_cost import read_source_costs
from harvester.warehouse.access import connect
from harvester.warehouse.schema import check_schema
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from collections.abc import Set as AbstractSet

    from harvester.config import Settings
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "plan")

PUBLISHED = {Kind.USER: 135_078_559, Kind.PROJECT: 164_307_034, Kind.STUDIO: 34_866_300}
"""Users, shared projects and studios of 2024-07-14 (the site's statistics page)."""
ANSWERED = 0.27
"""Share of comments that ever get a reply, each of which makes a thread due (sample of the site's wiki).

Of what is in scope it is measured: the visits to threads so far, for each comment of the lists that were read. This one
counts beside them as `_PSEUDO_COMMENTS` would, so that it is all there is before the first crawl.
"""
_PSEUDO_COMMENTS = 20
_DEFAULT_RATE = 5.0
"""Requests per second of a plan where the rate is unlimited."""
_PARTS = 16
"""Parts into which a gamma distribution of rates is cut."""
_ROUGH = 0.5
"""Share of the requests for scheduled visits from which a forecast is rough, if visits that must be made take it.

In simulated crawls of 400 lists that come and go (`tests/frontier/test_plan.py`, four seeds or more each) the delay was
0.91 to 1.04 times the forecast below it, and 0.78 to 1.01 times above it: lists that are gone and not known to be
so are counted, and a little more or less that must be read changes the forecast by much.
"""
_BORN_DAYS = 30
"""Days over which new users, projects and studios are counted, for their number a day."""
_STEPS = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""Multiples of a rate whose delays are forecast beside it."""
_GAIN_STEPS = (10.0, 1.0, 0.1, 0.01)
"""Multiples of the operator's minimum gain whose delays are forecast."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The lists to plan for: scheduled ones in groups, the others as requests a day, and those never visited."""

    groups: list[Group]
    fixed: dict[str, tuple[int, float]]
    """Number of frontier entries and days between two visits, by stream."""
    new: int
    source: str
    born: float = 0.0
    """Requests a day for new lists and objects: first visits, and the second look at lists."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The requests of a day by purpose, once all entries have had their first visit."""

    total: float
    discovery: float
    recheck: float
    scheduled: float
    revisit: float
    """Days after which a list is read in full, by the share for audits."""


def divide(scope: Scope, shares: Mapping[str, float], rate: float) -> Budget:
    """Divide the requests of a day as crawls do: re-checks take their share, discovery what it needs of its share.

    Requests that discovery and audits do not need go to scheduled visits.
    """
    total, whole = rate * DAY, sum(shares.values())
    discovery = min(total * shares["discovery"] / whole, scope.born)
    recheck = total * shares.get("recheck", 0) / whole
    audit = total * shares.get("audit", 0) / whole
    pages = sum(group.lists * group.full for group in scope.groups)
    longest = max((group.revisit for group in scope.groups), default=1.0)
    revisit = max(longest - AHEAD_SECONDS / DAY, min(longest, pages / audit if audit else longest))
    return Budget(total, discovery, recheck, total - discovery - recheck, revisit)


def read_plan(settings: Settings, rate: float | None = None, sample: int | None = None) -> dict[str, Any]:
    """Forecast the effect of a request rate, as `--json` prints it; `sample`: a number of projects, for their sources.

    Raises:
        UsageError: a rate that is no positive number.
        WarehouseError: the database is unusable.
    """
    if rate is not None and not 0 < rate < float("inf"):
        raise UsageError("--rate: requests per second, above 0")
    with connect(settings, autocommit=True) as connection:
        check_schema(connection)
        if rate is None:
            held = read_rate(connection)
            rate = (settings.rate if held is None else held) or _DEFAULT_RATE
        scope = read_scope(connection, left_out(settings))
        costs = read_source_costs(
            connection, rate, whole_site=PUBLISHED[Kind.PROJECT], is_read=settings.sources, sample=sample
        )
    return forecast(scope, settings.shares, rate, settings.min_gain) | {"sources": costs}


def forecast(scope: Scope, shares: Mapping[str, float], rate: float, least_min_gain: float) -> dict[str, Any]:
    """Forecast the effect of a request rate on known lists; `least_min_gain` is the operator's."""
    budget = divide(scope, shares, rate)
    share = budget.scheduled / budget.total
    required = _required(scope, budget)
    bought = _bought(scope, budget, least_min_gain)
    discovery = shares["discovery"] / sum(shares.values())
    least = outlook([replace(group, revisit=1.0) for group in scope.groups], float("inf"))
    return {
        "rate": rate,
        "source": scope.source,
        "share_scheduled": share,
        "least_min_gain": least_min_gain,
        **bought,
        "required": required,
        "is_rough": required > _ROUGH * budget.scheduled,
        "rate_not_rough": required / (_ROUGH * share) / DAY,
        "new": {
            "entries": scope.new,
            "days": scope.new / (budget.total * discovery),
            "requests_a_day": scope.born,
        },
        "fresh_within_a_day": {
            "rate": (least.requests + _fixed_requests(scope)) / DAY,
            "rate_with_shares": (least.requests + _fixed_requests(scope)) / DAY / share,
        },
        "by_rate": [
            {"rate": one} | _delay(_bought(scope, divide(scope, shares, one), least_min_gain))
            for one in _rates_to_show(rate, bought["total"]["requests"] / share / DAY)
        ],
        "by_min_gain": [
            {"min_gain": step * least_min_gain} | _delay(_bought(scope, budget, step * least_min_gain))
            for step in _GAIN_STEPS
        ],
    }


def _rates_to_show(rate: float, used: float) -> list[float]:
    """Return the rate asked for, and rates around the one that is used of it: beyond that nothing gets faster."""
    around = [step * min(rate, used) for step in _STEPS]
    return sorted({rate, *(one for one in around if not math.isclose(one, rate))})


def _delay(bought: dict[str, Any]) -> dict[str, float]:
    return {"delay_days": bought["total"]["delay_days"], "requests_a_day": bought["total"]["requests"]}


def _fixed_requests(scope: Scope) -> float:
    return sum(count / days for count, days in scope.fixed.values())


def _required(scope: Scope, budget: Budget) -> float:
    """Return the requests a day of visits that must be made: lists that are due, threads, daily pages."""
    groups = [replace(group, revisit=min(group.revisit, budget.revisit)) for group in scope.groups]
    return outlook(groups, float("inf")).requests + _fixed_requests(scope)


def _bought(scope: Scope, budget: Budget, least_min_gain: float) -> dict[str, Any]:
    """Return the outlook by stream at the `min_gain` that the budget allows, or the operator's if that is higher."""
    all_groups = [replace(group, revisit=min(group.revisit, budget.revisit)) for group in scope.groups]
    min_gain = max(least_min_gain, min_gain_for(all_groups, budget.scheduled - _fixed_requests(scope)))
    streams = []
    for name in dict.fromkeys(group.stream for group in all_groups):
        groups = [group for group in all_groups if group.stream == name]
        streams.append(_row(name, groups, min_gain) | {"delay_days": delay_of(name, all_groups, min_gain)})
    streams += [
        {"stream": name, "lists": count, "visits": count / days, "requests": count / days}
        for name, (count, days) in scope.fixed.items()
    ]
    return {
        "min_gain": min_gain if min_gain != float("inf") else None,
        "enough": min_gain <= least_min_gain,
        "streams": streams,
        "total": _row("all", all_groups, min_gain) | {"requests": sum(one["requests"] for one in streams)},
    }


def _row(name: str, groups: list[Group], min_gain: float) -> dict[str, Any]:
    found = outlook(groups, min_gain)
    return {
        "stream": name,
        "lists": sum(group.lists for group in groups),
        "items": sum(group.lists * group.rate for group in groups),
        "visits": found.visits,
        "requests": found.requests,
        "delay_days": found.delay,
        "fresh": found.fresh,
    }


def read_scope(connection: Connection, without: Collection[str] = OPT_IN) -> Scope:
    """Read the lists in scope with their known arrival rates; the whole site if nothing is in scope.

    `without`: streams that are not visited.
    """
    counted = connection.execute(_SQL["counted"]).fetchall()
    streams = STREAMS.keys() - without
    known = {stream: (count, new) for stream, count, new, _, _ in counted if stream in streams and count}
    visits = {stream: number for stream, _, _, number, _ in counted}
    items = {stream: number for stream, *_, number in counted}
    answered = {
        comments: (visits.get(threads, 0) + _PSEUDO_COMMENTS * ANSWERED) / (items.get(comments, 0) + _PSEUDO_COMMENTS)
        for threads, comments in _THREADS.items()
    }
    if not known:
        return _whole_site(streams)
    scheduled = Jsonb([one for one in PARAMETERS if one["stream"] in streams])
    values = {"streams": scheduled, "classes": rates.CLASSES, "shape": rates.SHAPE, "page": PAGE}
    told: defaultdict[tuple[str, int], list[tuple[str, float]]] = defaultdict(list)
    for announcer, class_, stream, a_day in connection.execute(_SQL["told"], values).fetchall():
        told[announcer, class_].append((stream, a_day))
    groups = [
        Group(
            *(stream, count, rates.priority_of(class_), rate, STREAMS[stream].revisit / DAY, cost, full, announced),
            told=tuple((name, a_day / count) for name, a_day in told[stream, class_]),
        )
        for stream, class_, count, rate, cost, full, announced in connection.execute(_SQL["classes"], values).fetchall()
    ]
    shares = {row["stream"]: row["share"] for row in read_announcements(connection)}
    priors = {
        stream: (shape, rate)
        for stream, shape, rate in connection.execute(
            "SELECT stream, shape, rate FROM crawl.priors WHERE stratum = -1"
        ).fetchall()
    }
    for stream, (_, new) in known.items():
        if new and STREAMS[stream].item_weight:
            groups += _by_prior(stream, new, priors, shares)
    fixed = {
        name: (known[name][0], stream.revisit / DAY)
        for name, stream in STREAMS.items()
        if name in known and not stream.item_weight and not stream.is_thread and stream.revisit < ONCE
    }
    born = sum(
        count * (2 if STREAMS[stream].item_weight else 1)
        for stream, count in connection.execute(_SQL["born"], _OF_KINDS | {"days": _BORN_DAYS}).fetchall()
        if stream in streams
    )
    fitted = "rates of " + ("visits so far" if priors else "published totals and of what first visits showed")
    return Scope(
        groups, fixed | _threads(groups, answered), sum(new for _, new in known.values()), fitted, born / _BORN_DAYS
    )


def _whole_site(streams: AbstractSet[str]) -> Scope:
    shares = {name: PRIOR_SHARE for name, by in ANNOUNCED_BY.items() if by in streams}
    groups: list[Group] = []
    fixed = {}
    for name, stream in STREAMS.items():
        count = PUBLISHED.get(stream.kind)
        if count is None or name not in streams:
            continue
        if stream.item_weight:
            groups += _by_prior(name, count, {}, shares)
        elif not stream.is_thread and stream.revisit < ONCE:
            fixed[name] = (count, stream.revisit / DAY)
    source = "nothing is in scope: the whole site, by its published totals of July 2024"
    scheduled = sum(group.lists for group in groups) + sum(count for count, _ in fixed.values())
    return Scope(groups, fixed | _threads(groups, {}), scheduled, source)


def _by_prior(
    stream: str, lists: int, priors: Mapping[str, tuple[float, float]], shares: Mapping[str, float]
) -> list[Group]:
    """Return lists whose rates follow the prior, with the same number in each part of it.

    `shares` are the shares of new items that are announced, of the streams of which any are.
    """
    shape, rate = priors.get(stream, (rates.SHAPE, STREAMS[stream].rate))
    told = tuple(
        (name, share * priors.get(name, (rates.SHAPE, STREAMS[name].rate))[1])
        for name, share in sorted(shares.items())
        if ANNOUNCED_BY.get(name) == stream
    )
    announced = shares.get(stream, 0.0)
    value = sum(STREAMS[name].item_weight * items for name, items in told)
    drawn = np.sort(np.random.default_rng(0).gamma(shape, rate / shape, 1000 * _PARTS))
    parts = drawn.reshape(_PARTS, -1).mean(axis=1)
    counts = [lists // _PARTS + (part < lists % _PARTS) for part in range(_PARTS)]
    weight, revisit = STREAMS[stream].item_weight, STREAMS[stream].revisit / DAY
    return [
        Group(
            *(stream, count, max(weight * float(part) * (1 - announced) + value, 1e-9), float(part), revisit),
            announced=announced,
            told=told,
        )
        for part, count in zip(parts, counts, strict=True)
        if count
    ]


def _threads(groups: list[Group], answered: Mapping[str, float]) -> dict[str, tuple[int, float]]:
    """Return the visits of threads, one for each comment that gets replies; `answered`: their share by stream."""
    fixed = {}
    for name, comments in _THREADS.items():
        items = sum(group.lists * group.rate for group in groups if group.stream == comments)
        a_day = answered.get(comments, ANSWERED) * items
        if a_day:
            fixed[name] = (max(1, round(a_day)), max(1, round(a_day)) / a_day)
    return fixed


_THREADS = {"project_replies": "project_comments", "studio_replies": "studio_comments"}
_OF_KINDS = {
    kind.value: [stream.name for stream in STREAMS.values() if stream.kind is kind]
    for kind in (Kind.USER, Kind.PROJECT, Kind.STUDIO)
}
