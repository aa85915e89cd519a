"""Commit pages: rows, their history, the entries that they make due and the checkpoint, in one transaction.

A page is stale when its lease was lost or when its visit expects another page next: a late or doubled page changes
nothing. Pages that wait at the same time share a transaction; where it fails, each page is committed by itself. Of a
page that fails by itself, the items that the database refuses are set aside, and the others are stored.

A replay stores the pages of several transactions in one: each page has the moment of its own then, by which it is
dated. Which transactions may share one, so that the tables are the same, is said in `harvester.crawl.replay_groups`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID
from zlib import crc32

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from harvester.api.catalogue import ANNOUNCED_BY, DETAIL, FOLLOWING, ONCE, OPT_IN, OWNER_COLUMN, PAGE_LIMIT, STREAMS
from harvester.api.decode import is_bad_response
from harvester.api.rows import Rows, Visit, normalise
from harvester.api.stream import Announcement, Kind, Paging, Stream
from harvester.crawl import host_roles
from harvester.crawl.deletions import (
    ASKED_BY,
    clear_missing,
    clear_missing_links,
    clear_missing_visited,
    detect_deletions,
    missed_reply,
    record_seen_items,
)
from harvester.crawl.set_aside import record_set_aside, without_refused
from harvester.crawl.source_store import store_sources
from harvester.erasure.remembered import load_rule
from harvester.erasure.rule import Rule
from harvester.frontier import activity, names
from harvester.frontier.leases import hold
from harvester.frontier.model import (
    LEASE_SECONDS,
    CommitResult,
    Committed,
    Counts,
    Lease,
    PageCommit,
    Rejected,
    Stale,
)
from harvester.frontier.rates import QUEUE_NUMBERS
from harvester.frontier.visit_ends import finish_visits
from harvester.sampling.outcomes import record_outcomes
from harvester.warehouse import staging
from harvester.warehouse.annotations import History, kept
from harvester.warehouse.bodies import BodyStore, InDatabase
from harvester.warehouse.clock import set_clock
from harvester.warehouse.connection import Connection
from harvester.warehouse.contention import retry_contention
from harvester.warehouse.planner import plan_by_key
from harvester.warehouse.sqlstates import Cause, cause_of
from harvester.warehouse.staging import TransactionMoment
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import WRITTEN
from harvester.warehouse.upsert import OWN_COLUMNS

_SQL = statements(__package__, "commit")
_Due = tuple[int | None, int, int | None, datetime | None]
"""Owner, depth and signal of a frontier entry that is made due; the time, where that is not the session's."""

_REPLAN_EVERY = 200
"""Transactions after which statements are planned again: a plan made while a table was empty scans it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A transaction that stored pages: its time, the time of its last statement, and the pages as stored."""

    began_at: datetime
    ended_at: datetime
    pages: Sequence[PageCommit]


@dataclass(slots=True)
class BatchResult:
    """The result of each page of a batch, in order, and the counts of written rows.

    `stored` has the transactions that stored archived pages.
    """

    results: list[CommitResult]
    counts: Counts
    stored: list[Stored] = field(default_factory=list)


def transaction_times(connection: Connection) -> tuple[datetime, datetime]:
    """Return the time of a transaction that is about to end, and that of its last statement, for an archive.

    The first of two transactions that write the same row keeps it locked until after this, so that their order is that
    of these times.
    """
    row = connection.execute("SELECT crawl.clock(), clock_timestamp()").fetchone()
    assert row is not None
    return row[0], row[1]


class _ApartError(Exception):
    """Transactions cannot be made again in one."""


@dataclass(frozen=True, slots=True)
class ReplayPosition:
    """Position of a replay in archives (see `crawl.replays`): the number of their transactions so far."""

    archives: str
    transactions: int


class Writer:
    """Writer of pages over one connection, which has the staging table.

    `position` is stored with the next transaction, for a replay.
    """

    def __init__(
        self,
        connection: Connection,
        rule: Rule | None = None,
        *,
        follow: int | None = None,
        bodies: BodyStore | None = None,
        without: Collection[str] = OPT_IN,
    ) -> None:
        """Make a writer.

        Args:
            connection: to the warehouse.
            rule: the rule of erasures; None: that of the warehouse.
            follow: the run for which a page makes due what needs its response (`Stream.follows`).
            bodies: what holds the bodies of new sources; None: the database.
            without: streams that pages do not put in scope.
        """
        self.connection = connection
        self._bodies = bodies or InDatabase()
        self._follow = follow
        self._without = frozenset(without)
        self.rule = load_rule(connection, None) if rule is None else rule
        """The rule by which erased people are left out of every write."""
        self.position: ReplayPosition | None = None
        staging.prepare(connection)
        self._transactions = 0
        plan_by_key(connection)

    def commit(self, pages: Sequence[PageCommit]) -> BatchResult:
        """Store pages, as the module describes.

        Raises:
            psycopg.Error: the database failed for another reason than the data of a page.
        """
        try:
            kept = [_without_the_erased(self.connection, page, self.rule) for page in pages] if self.rule else pages
            return retry_contention(lambda: self._commit(kept))
        except _ApartError:
            pass
        except (psycopg.Error, RecursionError) as error:
            if not _is_of_data(error):
                raise
            if len(pages) == 1:
                return self._commit_in_part(pages[0], _reason(error))
        return self._commit_apart(pages)

    def _commit_apart(self, pages: Sequence[PageCommit]) -> BatchResult:
        """Store pages by themselves; pages of several moments by moment."""
        whole, position = BatchResult([], Counts()), self.position
        parts = [list(part) for _, part in groupby(pages, key=lambda page: page.moment)]
        by_moment = len(parts) > 1
        for part in parts if by_moment else [[page] for page in pages]:
            moment = part[0].moment
            if moment is not None:
                set_clock(self.connection, moment.at)
            self.position = position
            if position is not None and part[-1] is not pages[-1]:  # a replay has not come to the end of `pages` yet
                self.position = replace(position, transactions=moment.nth) if by_moment and moment else None
            stored = self.commit([replace(page, moment=None) for page in part])
            whole.results += stored.results
            whole.counts.merge(stored.counts)
            whole.stored += stored.stored
        return whole

    def store(self, rows: Iterable[Rows]) -> Counts:
        """Store rows that belong to no visit, in one transaction."""
        return retry_contention(lambda: self._store_alone(_ruled(self.connection, list(rows), self.rule)))

    def _commit_in_part(self, page: PageCommit, reason: str) -> BatchResult:
        """Store a page without the items that the database refuses.

        The whole page is rejected where most of its items are refused, or where none is left and the visited entity is
        not in the warehouse.
        """
        if not page.records:
            return BatchResult([Rejected(reason)], Counts())
        refused = retry_contention(lambda: self._refused(page))
        none_left = len(refused) == len(page.records)
        if (
            not refused
            or is_bad_response(len(refused) + len(page.aside), len(page.records) + len(page.aside))
            or (none_left and not self._is_known(page.lease.visit))
        ):
            return BatchResult([Rejected(reason)], Counts())
        return self.commit([without_refused(page, refused)])

    def _refused(self, page: PageCommit) -> dict[int, str]:
        """Find the records of a page that cannot be stored with the others, by halving; return the reasons by index."""
        refused: dict[int, str] = {}
        with self.connection.transaction(force_rollback=True):
            waiting = [list(range(len(page.records)))]
            while waiting:
                part = waiting.pop()
                reason = self._try(page, part)
                if reason is None:
                    continue
                if len(part) == 1:
                    refused[part[0]] = reason
                else:
                    half = len(part) // 2
                    waiting += [part[half:], part[:half]]
            # A record that refers to one which was stored after it can be stored now.
            again = True
            while again:
                usable = [index for index in refused if self._try(page, [index]) is None]
                again = bool(usable)
                for index in usable:
                    del refused[index]
        return refused

    def _try(self, page: PageCommit, part: Sequence[int]) -> str | None:
        """Try to store some records of a page; return the reason if the database refuses them."""
        visit = page.lease.visit
        try:
            with self.connection.transaction():
                rows = normalise(visit, [page.records[index] for index in part])
                self.connection.execute("SET CONSTRAINTS ALL DEFERRED")
                staging.clear(self.connection)
                self._store([(one, None) for one in _ruled(self.connection, rows, self.rule)], Counts())
                self.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except (psycopg.Error, RecursionError) as error:
            if not _is_of_data(error):
                raise
            return _reason(error)
        return None

    def _is_known(self, visit: Visit) -> bool:
        """Return whether the visited entity is in the warehouse, so that its items can refer to it."""
        table = STREAMS[DETAIL[visit.stream.kind]].table if visit.stream.kind in DETAIL else None
        if table is None:
            return True
        found = self.connection.execute(
            sql.SQL("SELECT EXISTS (SELECT FROM scratch.{} WHERE id = %s)").format(sql.Identifier(table)),
            [visit.entity_id],
        ).fetchone()
        return bool(found and found[0])

    def _store_alone(self, rows: list[Rows]) -> Counts:
        counts = Counts()
        with self.connection.transaction():
            _, renamed = self._store([(one, None) for one in rows], counts)
            names.follow(self.connection, renamed)
            self._store_position()
        return counts

    def _store_position(self) -> None:
        if self.position is not None:
            self.connection.execute(_SQL["store_position"], asdict(self.position))

    def _commit(self, pages: Sequence[PageCommit]) -> BatchResult:
        self._transactions += len({page.moment for page in pages})
        if self._transactions >= _REPLAN_EVERY:
            self._transactions = 0
            self.connection.execute("DISCARD PLANS")
        counts = Counts()
        with self.connection.transaction():
            depths = self._advance(pages)
            accepted = [page for page in pages if page.lease.token in depths]
            _note_ended(self.connection, accepted)
            accepted = host_roles.of_now(self.connection, accepted)
            changed, renamed = self._store([(rows, page.moment) for page in accepted for rows in page.rows], counts)
            changed["source.versions"] |= store_sources(self.connection, accepted, self.rule, counts, self._bodies)
            if renamed and accepted[0].moment is not None:
                raise _ApartError
            host_roles.correct(self.connection, accepted, changed["studios"])
            self._mark_gone(accepted, counts)
            clear_missing_visited(self.connection, accepted)
            record_outcomes(
                self.connection,
                [
                    (page.lease.visit.stream.name, page.lease.visit.entity_id, page.visit_result.gone)
                    for page in accepted
                    if page.visit_result is not None
                ],
            )
            record_seen_items(self.connection, accepted)
            record_set_aside(self.connection, accepted)
            clear_missing_links(self.connection, accepted)
            ended = self._finished_visits(accepted, changed, counts)
            following = _following(accepted, depths, self._without) if self._follow is not None else []
            due = _made_due(accepted, depths, self._without) + following
            told = _announced(accepted)
            with self.connection.pipeline() if ended or due or told else nullcontext():  # one round trip for all
                if ended:
                    finish_visits(self.connection, ended)
                if due:
                    self.connection.execute(_SQL["make_due"], {"entries": Jsonb(due), "resting": _RESTING})
                if told:
                    self.connection.execute(_SQL["announce"], {"told": Jsonb(told)})
            if self._follow is not None and following:
                hold(self.connection, self._follow, [(one["stream"], one["entity_id"]) for one in following])
            # Last, since it undoes what was recorded of lists that were read under another name.
            names.follow(self.connection, renamed)
            for page in accepted:
                if page.visit_result is not None and page.visit_result.lost:
                    names.lose(self.connection, page.lease.visit)
            stored = self._stored(accepted)
            self._store_position()
        return BatchResult([Committed() if page.lease.token in depths else Stale() for page in pages], counts, stored)

    def _stored(self, accepted: Sequence[PageCommit]) -> list[Stored]:
        """Return the times of a transaction that is about to end, for the archive of its pages."""
        archived = [page for page in accepted if page.archived is not None]
        return [Stored(*transaction_times(self.connection), archived)] if archived else []

    def _advance(self, pages: Sequence[PageCommit]) -> dict[UUID, int]:
        """Advance the checkpoints, and return by lease token the depth of each entry whose page is accepted."""
        rows = self.connection.execute(_SQL["advance"], {"pages": Jsonb(_checkpoints(pages)), "lease": LEASE_SECONDS})
        return dict(rows.fetchall())

    def _store(
        self, rows: Sequence[tuple[Rows, TransactionMoment | None]], counts: Counts
    ) -> tuple[dict[str, set[int]], list[int]]:
        """Write rows; return by table the ids of the known entities that changed, and the users who have a new name."""
        changed: dict[str, set[int]] = defaultdict(set)
        renamed: list[int] = []
        for written in staging.write(self.connection, rows):
            counts.add(written.table, written.inserted, written.updated, written.unchanged, written.gone)
            changed[written.table].update(written.changed)
            renamed += written.renamed
        return changed, renamed

    def _mark_gone(self, pages: Sequence[PageCommit], counts: Counts) -> None:
        for page in pages:
            visit = page.lease.visit
            if page.visit_result is not None and page.visit_result.gone:
                self._mark(visit, counts)

    def _mark(self, visit: Visit, counts: Counts) -> None:
        """Mark the visited entity as gone, and count it.

        A comment is not gone because the project or studio that it is on is.
        """
        if visit.stream.gone is None:
            return
        table = visit.stream.table
        place = OWNER_COLUMN.get(visit.stream.kind)
        # An entity that is requested only for a reason was last seen by the visit that gave the reason.
        last_seen_by = visit.stream.name if visit.stream.revisit < ONCE else DETAIL[visit.stream.kind]
        is_there = (
            sql.SQL(" AND EXISTS (SELECT FROM {} p WHERE p.id = t.{} AND p.gone_at IS NULL)").format(
                sql.Identifier("scratch", place.removesuffix("_id") + "s"), sql.Identifier(place)
            )
            if place
            else sql.SQL("")
        )
        or_replies = sql.SQL(" OR t.parent_id = %(id)s") if place else sql.SQL("")
        # That a name is free proves nothing about an account that has another name now.
        is_named = sql.SQL(" AND lower(t.username) = lower(%(username)s)") if visit.stream.is_by_name else sql.SQL("")
        marked = self.connection.execute(
            sql.SQL(_SQL["mark_gone"]).format(
                table=sql.Identifier("scratch", table),
                or_replies=or_replies,
                is_there=is_there,
                is_named=is_named,
                missed_reply=missed_reply(table),
            ),
            {
                "id": visit.entity_id,
                "owner": visit.owner_id,
                "reason": visit.stream.gone,
                "by": last_seen_by,
                "list": ASKED_BY.get(visit.stream.name),
                "username": visit.username,
            },
        )
        counts.add(table, gone=marked.rowcount)
        clear_missing(self.connection, visit)

    def _finished_visits(
        self, pages: Sequence[PageCommit], changed: dict[str, set[int]], counts: Counts
    ) -> list[dict[str, Any]]:
        """Detect the deletions of the ended visits, and return the values for their frontier entries."""
        ended = [page for page in pages if page.visit_result is not None]
        again = detect_deletions(self.connection, ended, counts)
        return [_finished_visit(*one, changed) for one in zip(ended, again, strict=True)]


def _note_ended(connection: Connection, pages: Sequence[PageCommit]) -> None:
    """Tell the rows of later moments which entities have answered, where pages have moments."""
    if all(page.moment is None for page in pages):
        return
    ended = [
        (page.lease.visit.stream.name, page.lease.visit.entity_id, page.moment, _is_complete(page))
        for page in pages
        if page.moment is not None and page.visit_result is not None
    ]
    staging.note_ended(connection, ended)


def _is_complete(page: PageCommit) -> bool:
    """Return whether a visit that ends with a page went through its whole list, or read all that is kept of its object.

    The answer about an object may lack a field, or be set aside: it does not show that nothing has changed.
    """
    if page.visit_result is None or not page.visit_result.whole:
        return False
    visit = page.lease.visit
    expected = OWN_COLUMNS.get(visit.stream.name)
    if not expected:
        return True
    shown = [rows for rows in page.rows if rows.table == visit.stream.table and "id" in rows.columns]
    return any(
        expected.issubset(rows.columns) and visit.entity_id in map(itemgetter(rows.columns.index("id")), rows.values)
        for rows in shown
    )


def _ruled(connection: Connection, rows: list[Rows], rule: Rule) -> list[Rows]:
    return rule.title_less(connection, rule.apply(rows))


def _without_the_erased(connection: Connection, page: PageCommit, rule: Rule) -> PageCommit:
    visit_result = page.visit_result
    if visit_result is not None:
        visit_result = replace(
            visit_result, certificate=rule.clean_state(page.lease.visit.stream, visit_result.certificate)
        )
    seen = rule.of_list(page.lease.visit.stream, page.seen)
    return replace(
        page,
        rows=_ruled(connection, page.rows, rule),
        state=rule.clean_state(page.lease.visit.stream, page.state),
        visit_result=visit_result,
        seen=seen,
        aside=[one for one in page.aside if not rule.is_named_in(one.body)],
    )


def _finished_visit(page: PageCommit, again: bool, changed: dict[str, set[int]]) -> dict[str, Any]:
    """Return the values that the end of a visit gives to its frontier entry."""
    visit, visit_result = page.lease.visit, page.visit_result
    assert visit_result is not None
    stream = visit.stream
    fresh = visit_result.fresh
    if stream.paging is Paging.SINGLE:
        fresh = int(visit.entity_id in changed.get(stream.table, ()))
    return {
        "stream": stream.name,
        "entity_id": visit.entity_id,
        "kind": stream.kind.value,
        "certificate": visit_result.certificate,
        "whole": visit_result.whole,
        "complete": _is_complete(page),
        "again": again,
        "gone": visit_result.gone,
        "proven": visit_result.proven,
        "listed": stream.paging is not Paging.SINGLE,
        "fresh": fresh,
        "found": visit_result.found,
        # Pages of new items are read in any case: a visit costs the other pages. A full read shows no cost.
        "cost": None if page.lease.full else max(1.0, visit_result.pages - fresh / PAGE_LIMIT),
        "revisit": stream.revisit,
        "item_weight": stream.item_weight,
        "rate": stream.rate,
        "spider": QUEUE_NUMBERS.get(stream.spider, 0),
        "announced_by": ANNOUNCED_BY.get(stream.name),
        "announces": stream.name in ANNOUNCED_BY.values(),
        "siblings": activity.siblings(stream),
    } | ({} if page.at is None else {"at": page.at.isoformat()})


def _checkpoints(pages: Iterable[PageCommit]) -> list[dict[str, Any]]:
    """Return the values that pages give to their frontier entries, by lease, in the order of the entries."""
    values: dict[UUID, dict[str, Any]] = {}
    for page in pages:
        visit, token = page.lease.visit, page.lease.token
        before = values.get(token)
        values[token] = {
            "stream": visit.stream.name,
            "entity_id": visit.entity_id,
            "token": str(token),
            "position": page.lease.position if before is None else before["position"],
            "pages": 1 if before is None else before["pages"] + 1,
            "items": page.items if before is None else before["items"] + page.items,
            "state": page.state,
        }
    return sorted(values.values(), key=itemgetter("stream", "entity_id"))


def _made_due(pages: Sequence[PageCommit], depths: dict[UUID, int], without: Collection[str]) -> list[dict[str, Any]]:
    """Return the frontier entries that pages make due, but for those of the streams `without`."""
    due: dict[tuple[str, int], _Due] = {}
    for page in pages:
        depth = depths[page.lease.token]
        visit = page.lease.visit
        if page.visit_result is not None and not page.visit_result.lost:
            # Below depth 0 an entity is read without its lists.
            opens = visit.stream.enqueues if depth >= 0 else ()
            for stream in visit.stream.enqueues_gone if page.visit_result.gone else opens:
                if stream not in without:
                    _raise(due, (stream, visit.entity_id), (visit.owner_id, depth, None, page.at))
        for stream, entity, owner, left, signal in _met(visit.stream, page.rows, depth):
            _raise(due, (stream, entity), (owner, left, signal, page.at))
    return _entries(due)


def _announced(pages: Sequence[PageCommit]) -> list[dict[str, Any]]:
    """Return the lists and objects of which pages announce something new, each with the counter that does so.

    `since` is when the visit that announces it was due, `at` the time of its page in a replay.
    """
    told: dict[tuple[str, int], dict[str, Any]] = {}
    for page in pages:
        since, at = page.lease.due_at, page.at
        for announcement in page.lease.visit.stream.announces:
            for entity, counter in _told(announcement, page):
                for stream in announcement.streams:
                    entry = told.setdefault((stream, entity), {"stream": stream, "entity_id": entity, "counter": None})
                    if counter is not None:
                        entry |= {"counter": counter, "since": since and since.isoformat()}
                    entry["at"] = at and at.isoformat()
    return [entry for _, entry in sorted(told.items(), key=itemgetter(0))]


def _told(announcement: Announcement, page: PageCommit) -> Iterator[tuple[int, int | None]]:
    """Yield the entities whose lists a page announces, each with its counter or, for a new event, None."""
    if not announcement.table and announcement.counter is not None:
        for record in page.records:
            yield page.lease.visit.entity_id, getattr(record, announcement.counter)
    for rows in page.rows:
        if rows.table == announcement.table:
            yield from _told_in(rows, announcement, page.lease)


def _told_in(rows: Rows, announcement: Announcement, lease: Lease) -> Iterator[tuple[int, int | None]]:
    """Yield the entities whose lists rows announce, as `_told` does.

    Events are new if they are later than the certificate of the visit before; the first visit announces none.
    """
    place = {column: number for number, column in enumerate(rows.columns)}
    target = place.get(announcement.target_column)
    last = (lease.certificate or {}).get("key")
    for values in rows.values:
        entity = lease.visit.entity_id if target is None else values[target]
        if entity is None:
            continue
        if announcement.counter is not None:
            counter = values[place[announcement.counter]] if announcement.counter in place else None
            if counter is not None and (announcement.below is None or counter < announcement.below):
                yield entity, counter & 0x7FFF_FFFF
        elif values[place["type"]] in announcement.types and last is not None:
            happened_at = values[place["created_at"]]
            if happened_at is not None and happened_at.timestamp() >= last + 1:
                yield entity, None


def _following(pages: Sequence[PageCommit], depths: dict[UUID, int], without: Collection[str]) -> list[dict[str, Any]]:
    """Return the frontier entries that need the responses of pages, due where these show something new.

    Those of the streams `without` are left out.
    """
    return _entries(
        {
            (stream, page.lease.visit.entity_id): (None, depths[page.lease.token], _fingerprint(page), page.at)
            for page in pages
            if page.visit_result is not None and not page.visit_result.gone
            for stream in FOLLOWING.get(page.lease.visit.stream.name, ())
            if stream not in without
        }
    )


def _entries(due: dict[tuple[str, int], _Due]) -> list[dict[str, Any]]:
    return [
        {"stream": stream, "entity_id": entity, "owner_id": owner, "depth": depth, "signal": signal}
        | ({} if at is None else {"at": at.isoformat()})
        for (stream, entity), (owner, depth, signal, at) in sorted(due.items(), key=itemgetter(0))
    ]


def _fingerprint(page: PageCommit) -> int:
    """Return a number that differs where a page shows something else of its entity than before, counters apart."""
    table = page.lease.visit.stream.table
    counters = kept(WRITTEN[table], History.STATS)
    shown = [
        (column, str(value))
        for rows in page.rows
        if rows.table == table
        for row in rows.values
        for column, value in zip(rows.columns, row, strict=True)
        if column != "extra" and column not in counters
    ]
    return crc32(repr(sorted(shown)).encode()) & 0x7FFF_FFFF


def _raise(due: dict[tuple[str, int], _Due], key: tuple[str, int], found: _Due) -> None:
    known = due.get(key)
    if known is None or found[1] > known[1] or found[2] != known[2]:
        due[key] = found


def _met(stream: Stream, pages: Iterable[Rows], depth: int) -> Iterable[tuple[str, int, int | None, int, int | None]]:
    """Yield the entries that rows link to within a depth: (stream, entity, owner, remaining depth, signal)."""
    for rows in pages:
        for lead in stream.links:
            left = depth - lead.depth_cost
            if left < 0 or lead.table != rows.table or lead.target_column not in rows.columns:
                continue
            met = rows.columns.index(lead.target_column)
            target = DETAIL[lead.kind]
            if lead.changed_if is None:
                for values in rows.values:
                    if values[met] is not None:
                        yield target, values[met], None, left, None
                continue
            signal = rows.columns.index(lead.changed_if)
            owner = rows.columns.index(OWNER_COLUMN[lead.kind])
            for values in rows.values:
                if values[signal]:
                    yield target, values[met], values[owner], left, values[signal]


def _is_of_data(error: psycopg.Error | RecursionError) -> bool:
    return isinstance(error, RecursionError) or cause_of(error) is Cause.DATA


def _reason(error: psycopg.Error | RecursionError) -> str:
    """Name the error and the column of a refused row; the database's message is left out, as it may quote a user."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    diag = error.diag
    place = ".".join(filter(None, (diag.table_name, diag.column_name or diag.constraint_name)))
    return f"{type(error).__name__}: {place or 'refused'}"


_RESTING = [stream.name for stream in STREAMS.values() if stream.kind in (Kind.PROJECT, Kind.STUDIO)]
"""Streams of entities that are visited again as soon as one that was gone is met."""
