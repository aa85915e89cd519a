"""Draw ids from a frame, the numbers from one id to another, in strata or as a panel."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from psycopg import sql

from harvester.api import id_dates
from harvester.choices import Allocation
from harvester.errors import UsageError
from harvester.sampling.designs import (
    ALONE,
    CERTAIN,
    MOST_STRATA,
    TABLES,
    Unit,
    add_design,
    add_strata,
    add_units,
    known_design,
    open_in_turn,
)
from harvester.sampling.drawing import SMALLEST, Pilot, Stratum, allocate, cut, draw
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harvester.erasure.rule import Rule
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "ids")

MOST = 10_000_000
_LARGEST_ID = 2**63 - 1
_LISTS = 3.0
"""Least number of requests for the lists of a hit."""
_DATES = {"project": id_dates.PROJECTS, "studio": id_dates.STUDIOS}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdPlan:
    """A draw of ids: their number, the frame and its strata.

    `up_to` None: the newest known id. `strata`: a number of parts, `by-year`, or the first ids of the parts after the
    first one; None for one part. `certain`: how many entities with the most known comments are taken with certainty.
    """

    count: int
    kind: str = "project"
    seed: int = 0
    depth: int = ALONE
    first: int = 1
    up_to: int | None = None
    strata: str | None = None
    allocation: Allocation = Allocation.PROPORTIONAL
    pilot: int | None = None
    certain: int = 0
    panel: bool = False
    groups: int = 0

    @property
    def name(self) -> str:
        """Return the kind of design."""
        if self.panel:
            return "panel"
        return "uniform" if self.strata is None and not self.certain else "stratified"


def draw_ids(connection: Connection, plan: IdPlan, rule: Rule | None = None) -> int:
    """Draw ids and put them in scope, in one transaction; return the number of the design."""
    _check_ids(plan)
    with connection.transaction():
        last = _newest(connection, plan)
        strata = _strata(plan, last)
        certain = _certain(connection, plan, last)
        if plan.count < SMALLEST * len(strata):
            raise UsageError(f"{plan.count} draws for {len(strata)} strata: at least {SMALLEST} each")
        sizes = {one.name: one.size - sum(one.first <= each <= one.last for each in certain) for one in strata}
        if plan.count > sum(sizes.values()):
            raise UsageError(f"{plan.count:,} draws from {sum(sizes.values()):,} ids")
        pilot = {} if plan.pilot is None else _pilot(connection, plan, strata)
        cost = 0.0 if plan.depth < 0 else _LISTS
        shares = allocate(strata, plan.count, plan.allocation, pilot, cost)
        shares = [min(share, sizes[one.name]) for share, one in zip(shares, strata, strict=True)]
        kept = {
            name: value
            for name, value in {
                "seed": plan.seed,
                "first": plan.first,
                "up_to": last,
                "frame": "given" if plan.up_to else f"up to the newest known {plan.kind}",
                "strata": plan.strata,
                "allocation": plan.allocation if plan.strata else None,
                "pilot": plan.pilot,
                "certain": plan.certain or None,
                "groups": plan.groups or None,
            }.items()
            if value is not None
        }
        design = add_design(connection, plan.name, plan.kind, kept, depth=plan.depth, complete=True)
        add_strata(connection, design, [(one.name, one.first, one.last, sizes[one.name]) for one in strata])
        units: list[Unit] = []
        for stratum, share in zip(strata, shares, strict=True):
            for each in draw(plan.seed, stratum, share, set(certain)):
                group = len(units) % plan.groups if plan.groups else None
                units.append(Unit(each, stratum.name, share / sizes[stratum.name], group))
        if certain:
            add_strata(connection, design, [(CERTAIN, None, None, len(certain))])
            units += [Unit(each, CERTAIN, 1.0) for each in certain]
        add_units(connection, design, plan.kind, units, rule)
        open_in_turn(connection, plan.kind, plan.depth, units, rule)
        if plan.panel:
            connection.execute("INSERT INTO crawl.waves (design_id, wave) VALUES (%s, 0)", [design])
    return design


def _check_ids(plan: IdPlan) -> None:
    if not 1 <= plan.count <= MOST:
        raise UsageError(f"{plan.count} draws: between 1 and {MOST:,}")
    if not (0 < plan.first <= _LARGEST_ID and (plan.up_to is None or 0 < plan.up_to <= _LARGEST_ID)):
        raise UsageError("--from and --up-to are ids: whole numbers above 0")
    if plan.allocation is Allocation.NEYMAN and plan.pilot is None:
        raise UsageError("--allocation neyman needs --pilot DESIGN, an earlier draw with the hit rates")
    if plan.allocation is not Allocation.PROPORTIONAL and plan.strata is None:
        raise UsageError(f"--allocation {plan.allocation} needs --strata, the parts to divide the draws among")
    if not 0 <= plan.certain <= MOST:
        raise UsageError(f"--certain {plan.certain}: between 0 and {MOST:,}")
    if plan.panel and (plan.strata is not None or plan.certain):
        raise UsageError("a panel is drawn from the whole frame: without strata, and nothing taken for certain")


def _newest(connection: Connection, plan: IdPlan) -> int:
    last = plan.up_to
    if last is None:
        row = connection.execute(f"SELECT max(id) FROM scratch.{TABLES[plan.kind]}").fetchone()
        if row is None or row[0] is None:
            raise UsageError(f"no {plan.kind} is known yet: give the last id of the frame with --up-to ID")
        last = int(row[0])
    if last < plan.first:
        raise UsageError(f"the frame ends at {last}, before it begins at {plan.first}")
    return last


def _strata(plan: IdPlan, last: int) -> list[Stratum]:
    text, first = plan.strata, plan.first
    if text is None:
        return [Stratum("all", first, last)]
    if text == "by-year":
        known = _DATES[plan.kind]
        starts = {year: start for year in id_dates.years(known) if (start := id_dates.first_id_of(year, known))}
        inside = {year: start for year, start in starts.items() if first < start <= last}
        earlier = max((year for year, start in starts.items() if start <= first), default=id_dates.years(known)[0])
        begins = [(str(earlier), first), *((str(year), start) for year, start in inside.items())]
        ends = [start - 1 for _, start in begins[1:]] + [last]
        return [Stratum(name, begin, end) for (name, begin), end in zip(begins, ends, strict=True)]
    parts = text.split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() for part in parts):
        raise UsageError(f"--strata {text!r}: a number of parts, by-year, or the first ids of the parts: ID,ID,...")
    numbers = [int(part) for part in parts]
    if len(numbers) == 1:
        if not 1 <= numbers[0] <= min(MOST_STRATA, last - first + 1):
            raise UsageError(f"--strata {numbers[0]}: between 1 and {min(MOST_STRATA, last - first + 1)} parts")
        return cut(first, last, numbers[0])
    edges = [first, *numbers, last + 1]
    if any(one >= other for one, other in pairwise(edges)) or len(edges) > MOST_STRATA:
        raise UsageError(f"--strata: ascending ids between {first} and {last}, {MOST_STRATA} at most")
    return [Stratum(f"{one}-{other - 1}", one, other - 1) for one, other in pairwise(edges)]


def _certain(connection: Connection, plan: IdPlan, last: int) -> list[int]:
    """Return the entities with the most comments in the warehouse, within the frame."""
    if not plan.certain:
        return []
    rows = connection.execute(
        sql.SQL(_SQL["most_commented"]).format(
            table=sql.Identifier("scratch", TABLES[plan.kind]),
            comments=sql.Identifier("scratch", f"{plan.kind}_comments"),
            owner=sql.Identifier("c", f"{plan.kind}_id"),
        ),
        [plan.first, last, plan.certain],
    ).fetchall()
    return [row[0] for row in rows]


def _pilot(connection: Connection, plan: IdPlan, strata: Sequence[Stratum]) -> dict[str, Pilot]:
    known_design(connection, plan.pilot, plan.kind)
    rows = connection.execute(
        _SQL["hits_by_stratum"],
        [[one.name for one in strata], [one.first for one in strata], [one.last for one in strata], plan.pilot],
    ).fetchall()
    if not sum(drawn for _, drawn, _ in rows):
        raise UsageError(f"design {plan.pilot} has no outcome in this frame yet: crawl first")
    return {name: Pilot(drawn, hits) for name, drawn, hits in rows}
