"""The scope of the frontier: put entities in it, raise their depth, and make its entries due."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from psycopg import sql

from harvester.api.catalogue import ANNOUNCED_BY, DETAIL, ONCE, OPT_IN, OWNER_COLUMN, STREAMS
from harvester.api.rows import Query
from harvester.api.stream import Kind, Lead, Stream
from harvester.frontier.announcements import RELIABLE
from harvester.frontier.leases import with_free
from harvester.frontier.model import LEASE_SECONDS
from harvester.warehouse.connection import Connection
from harvester.warehouse.statements import statements

_SQL = statements(__package__, "scope")


@dataclass(frozen=True, slots=True)
class Seed:
    """An entity that the operator puts in scope, with the depth to which links from it are followed."""

    kind: Kind
    entity_id: int
    depth: int = 0


_REFRESH = with_free(_SQL["refresh"])


def seed(connection: Connection, seeds: Iterable[Seed]) -> tuple[int, int]:
    """Put entities in scope, or raise their depth; return how many are new and how many were known."""
    wanted = list(seeds)
    with connection.transaction():
        known = 0
        for one in wanted:
            row = connection.execute(_SQL["seed"], [one.kind.value, one.entity_id, one.depth]).fetchone()
            known += not (row and row[0])
            connection.execute(_SQL["deepen"], [DETAIL[one.kind], one.entity_id, one.depth])
    return len(wanted) - known, known


def seed_query(connection: Connection, stream: str, query: Query, depth: int) -> bool:
    """Put a ranking in scope, due now, or raise its depth; return whether it is new."""
    with connection.transaction():
        row = connection.execute(
            _SQL["seed_query"], [stream, query.query, query.mode, query.language, query.pages, depth]
        ).fetchone()
        assert row is not None
        connection.execute(_SQL["make_query_due"], [stream, row[0], row[1]])
    return bool(row[2])


def is_scope_empty(connection: Connection) -> bool:
    """Return whether nothing is in scope."""
    row = connection.execute("SELECT NOT EXISTS (SELECT FROM crawl.frontier)").fetchone()
    return row is not None and bool(row[0])


def open_site(connection: Connection) -> None:
    """Put the news and counts of the site in scope, if anything else is."""
    with connection.transaction():
        connection.execute(_SQL["open_site"], [["news", "project_count"]])


def open_allowed(connection: Connection, streams: Iterable[Stream]) -> int:
    """Put those of the streams in scope that need a setting, for each entity that was visited; return how many.

    They are put there by the visits of the entities, but for those that were made while the setting was off.
    """
    opened = 0
    with connection.transaction():
        for stream in streams:
            if stream.setting and stream.kind in DETAIL:
                # Below depth 0 an entity is read without its lists.
                after, is_list = stream.follows or DETAIL[stream.kind], stream.follows is None
                values = {"stream": stream.name, "after": after, "is_list": is_list}
                opened += connection.execute(_SQL["open_allowed"], values).rowcount
    return opened


def open_account(connection: Connection, account: int) -> None:
    """Put the operator's own account in scope: its lists, its projects, its studios, and the projects that it viewed.

    Certificates of another account's lists do not hold for this one: its lists are read in full.
    """
    with connection.transaction():
        connection.execute(_SQL["open_account"], {"account": account, "whole": _OWN_WHOLE})


_OWN_WHOLE = [stream.name for stream in STREAMS.values() if stream.kind is Kind.ACCOUNT and "{id}" not in stream.path]


def refresh(
    connection: Connection, streams: Sequence[str], *, full: bool = False, only: Sequence[int] | None = None
) -> int:
    """Make all entries in scope due now, or those of `only`; return how many.

    An incremental refresh leaves out threads, which the `reply_count` of their comments makes due. Without `only` it
    leaves out the lists too that are reliably announced (`announcements.RELIABLE`), but for a random part. A full one
    begins each visit again, unfinished ones too.
    """
    names = [name for name in streams if STREAMS[name].revisit < ONCE and (full or not STREAMS[name].is_thread)]
    with connection.transaction():
        return connection.execute(
            _REFRESH,
            {
                "full": full,
                "streams": names,
                "only": only,
                "seconds": LEASE_SECONDS,
                "by_announcements": not full and only is None,
                "announced": list(ANNOUNCED_BY),
                "reliable": RELIABLE,
            },
        ).rowcount


def propagate(connection: Connection, without: Collection[str] = OPT_IN) -> int:
    """Put in scope what the stored rows link to within the raised depths of entries, without a request.

    `without`: streams that are not visited. Returns how many entries came into scope or got a greater depth.
    """
    changed = 0
    with connection.transaction():
        while True:
            stale = connection.execute(_SQL["raised"]).fetchall()
            if not stale:
                return changed
            for name, entities in stale:
                stream = STREAMS[name]
                for opened in (one for one in stream.enqueues if one not in without):
                    changed += connection.execute(_SQL["open"], [opened, name, entities]).rowcount
                for lead in filter(lambda lead: lead.owner, stream.links):
                    changed += connection.execute(
                        _propagate(lead), [DETAIL[lead.kind], lead.depth_cost, name, entities]
                    ).rowcount
                connection.execute(
                    "UPDATE crawl.frontier SET propagated_depth = depth WHERE stream = %s AND entity_id = ANY(%s)",
                    [name, entities],
                )


def _propagate(lead: Lead) -> sql.Composed:
    """Return the statement that puts the entries in scope which the stored rows of a stream link to."""
    signal = sql.Identifier("l", lead.changed_if) if lead.changed_if else sql.SQL("NULL::int")
    owner = sql.Identifier("l", OWNER_COLUMN[lead.kind]) if lead.kind in OWNER_COLUMN else sql.SQL("NULL::bigint")
    return sql.SQL(_SQL["propagate"]).format(
        target=sql.Identifier("l", lead.target_column),
        owner=owner,
        signal=signal,
        table=sql.Identifier("scratch", lead.table),
        own=sql.Identifier("l", lead.owner),
        always=sql.Literal(not lead.changed_if),
        of_users=sql.Literal(lead.kind is Kind.USER),
    )
