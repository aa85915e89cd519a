"""The frontier: what is in scope, what is due, who works on it. One row of `crawl.walks` for each list or object.

A lease is a token on the row. It ends with the visit, with its time, or with the session of the run that took it:
each run holds an advisory lock for as long as its connection lives, so what a killed worker had leased is free at
once, not after a time-out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import sql
from psycopg.types.json import Jsonb

from harvester import __version__
from harvester.api.catalogue import DETAIL, ONCE, OWNER_COLUMN, STREAMS
from harvester.api.stream import Kind, Lead
from harvester.config import Settings
from harvester.warehouse.commit import LEASE_SECONDS, Connection, Counts, Lease
from harvester.warehouse.normalise import Query, Visit

_ALIVE = 0x5C7A7C9
"""Class of the advisory locks that say which runs live."""
_LONGEST_PAUSE = 6 * 3600
"""Seconds after which a visit that keeps failing is tried again, at most."""


@dataclass(frozen=True, slots=True)
class Seed:
    """Something the operator puts in scope, with the hops from it that are walked too."""

    kind: Kind
    entity_id: int
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is left: due now, leased by runs that live, and failed for the time being."""

    due: int
    leased: int
    put_off: int


def begin_run(connection: Connection, settings: Settings, command: str) -> int:
    """Record a run and take the lock that says it lives."""
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO crawl.runs (command, version, api_url, contact, permission)"
            " VALUES (%s, %s, %s, %s, %s) RETURNING id",
            [command, __version__, settings.api_url, settings.contact, settings.permission],
        ).fetchone()
    assert row is not None
    connection.execute("SELECT pg_advisory_lock(%s, %s)", [_ALIVE, row[0]])
    connection.commit()
    return int(row[0])


def end_run(connection: Connection, run: int, outcome: str, requests: int, counts: Counts) -> None:
    """Give back what the run still leases and record how it ended."""
    with connection.transaction():
        _free(connection, run)
        _record(connection, run, requests, counts)
        connection.execute("UPDATE crawl.runs SET ended_at = now(), outcome = %s WHERE id = %s", [outcome, run])
    connection.execute("SELECT pg_advisory_unlock(%s, %s)", [_ALIVE, run])
    connection.commit()


def record_run(connection: Connection, run: int, requests: int, counts: Counts) -> None:
    """Write down how far a run is, so that a killed one leaves its figures."""
    with connection.transaction():
        _record(connection, run, requests, counts)


def _record(connection: Connection, run: int, requests: int, counts: Counts) -> None:
    connection.execute(
        "UPDATE crawl.runs SET requests = %s, counts = %s WHERE id = %s",
        [requests, Jsonb(counts.as_json()), run],
    )


def _free(connection: Connection, run: int) -> int:
    return connection.execute(
        "UPDATE crawl.walks SET lease_token = NULL, lease_run = NULL, lease_until = NULL WHERE lease_run = %s",
        [run],
    ).rowcount


def recover(connection: Connection, own: int) -> int:
    """Free the walks of runs that live no more, and return how many. `own` is the run of this very session, 0 if none.

    To the session that holds it a lock looks free, so its own run is left out.
    """
    freed = 0
    with connection.transaction():
        runs = connection.execute(
            "SELECT DISTINCT lease_run FROM crawl.walks WHERE lease_run <> %s ORDER BY 1", [own]
        ).fetchall()
        for (run,) in runs:
            dead = connection.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_ALIVE, run]).fetchone()
            if dead is not None and dead[0]:
                freed += _free(connection, run)
    return freed


def lease(
    connection: Connection,
    run: int,
    streams: Sequence[str],
    count: int,
    only: Sequence[int] | None = None,
    since: datetime | None = None,
) -> list[Lease]:
    """Take up to `count` due walks, the longest due first; with `only`, of these entities or on their pages.

    `since` is when the last walk that was leased had become due. What is due goes on from there as a rule, and the
    search for it need not pass by the places in the index of all that was done before.
    """
    values = {
        "streams": list(streams),
        "count": count,
        "run": run,
        "seconds": LEASE_SECONDS,
        "only": None if only is None else list(only),
        "since": since or datetime.min.replace(tzinfo=UTC),
    } | _STREAMS_OF
    with connection.transaction():
        rows = connection.execute(_LEASE, values).fetchall()
    if not rows and since is not None:
        return lease(connection, run, streams, count, only)
    leases = []
    for stream, entity, owner, username, host, asked, *rest in rows:
        query = None if asked is None else Query(*asked)
        visit = Visit(STREAMS[stream], entity, owner, username, host, query=query)
        leases.append(Lease(visit, *rest))
    return leases


def _named(*kinds: Kind) -> list[str]:
    return [stream.name for stream in STREAMS.values() if stream.kind in kinds]


_STREAMS_OF = {
    "of_users": _named(Kind.USER),
    "of_projects": _named(Kind.PROJECT, Kind.PROJECT_THREAD),
    "of_studios": _named(Kind.STUDIO),
    "of_queries": _named(Kind.QUERY),
}

_LEASE = """
WITH due AS (
    SELECT stream, entity_id FROM crawl.walks
    WHERE due_at BETWEEN %(since)s AND now() AND stream = ANY(%(streams)s)
        AND (lease_token IS NULL OR lease_until < now())
        AND (%(only)s::bigint[] IS NULL OR coalesce(owner_id, entity_id) = ANY(%(only)s))
    ORDER BY due_at LIMIT %(count)s FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE crawl.walks w SET
        lease_token = gen_random_uuid(),
        lease_run = %(run)s,
        lease_until = now() + make_interval(secs => %(seconds)s),
        begun_at = CASE WHEN w.state IS NULL THEN now() ELSE w.begun_at END,
        begun_depth = CASE WHEN w.state IS NULL THEN w.depth ELSE w.begun_depth END
    FROM due WHERE w.stream = due.stream AND w.entity_id = due.entity_id
    RETURNING w.*
)
SELECT t.stream, t.entity_id, t.owner_id, u.username, s.host_id,
    CASE WHEN q.id IS NOT NULL THEN jsonb_build_array(q.query, q.mode, q.language, q.pages) END,
    t.lease_token, t.position, t.signal, t.state,
    CASE WHEN t.incremental THEN t.certificate END, t.due_at
FROM taken t
LEFT JOIN scratch.projects p
    ON t.stream = ANY(%(of_projects)s) AND p.id = coalesce(t.owner_id, t.entity_id)
LEFT JOIN scratch.users u
    ON u.id = CASE WHEN t.stream = ANY(%(of_users)s) THEN t.entity_id ELSE p.author_id END
LEFT JOIN scratch.studios s ON t.stream = ANY(%(of_studios)s) AND s.id = t.entity_id
LEFT JOIN crawl.queries q ON t.stream = ANY(%(of_queries)s) AND q.id = t.entity_id
ORDER BY t.due_at, t.stream, t.entity_id
"""


def release(connection: Connection, leases: Sequence[Lease]) -> None:
    """Give back walks that were not finished; what they committed stays."""
    with connection.transaction():
        connection.execute(
            "UPDATE crawl.walks SET lease_token = NULL, lease_run = NULL, lease_until = NULL"
            " WHERE lease_token = ANY(%s)",
            [[one.token for one in leases]],
        )


def put_off(connection: Connection, lease_: Lease, reason: str) -> None:
    """Try a visit again later, the later the more often it failed; it goes on from its last committed page."""
    with connection.transaction():
        connection.execute(
            "UPDATE crawl.walks SET lease_token = NULL, lease_run = NULL, lease_until = NULL,"
            " failures = failures + 1, last_error = %s,"
            " due_at = now() + make_interval(secs => least(%s, 60 * 2 ^ least(failures, 20)))"
            " WHERE lease_token = %s",
            [reason, _LONGEST_PAUSE, lease_.token],
        )


def quarantine(connection: Connection, lease_: Lease, path: str, status: int | None, reason: str, body: bytes) -> None:
    """Keep a response that cannot be used, whole."""
    with connection.transaction():
        connection.execute(
            "INSERT INTO crawl.quarantine (stream, entity_id, path, status, reason, body)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [lease_.visit.stream.name, lease_.visit.entity_id, path, status, reason, body],
        )


def report_drift(
    connection: Connection, stream: str, place: str, change: str, example: str = "", count: int = 1
) -> bool:
    """Record where the source departs from what is declared; whether it is the first time."""
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO crawl.drift AS d (stream, field, change, example, count) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (stream, field, change)"
            " DO UPDATE SET count = d.count + excluded.count, last_seen_at = now()"
            " RETURNING xmax = 0",
            [stream, place, change, example, count],
        ).fetchone()
    return bool(row and row[0])


def backlog(connection: Connection, streams: Sequence[str]) -> Backlog:
    """Count what is left for some streams."""
    with connection.transaction():
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE due_at <= now() AND lease_token IS NULL),"
            " count(*) FILTER (WHERE lease_token IS NOT NULL),"
            " count(*) FILTER (WHERE failures > 0)"
            " FROM crawl.walks WHERE stream = ANY(%s)"
            " AND (due_at <= now() OR lease_token IS NOT NULL OR failures > 0)",
            [list(streams)],
        ).fetchone()
    assert row is not None
    return Backlog(*row)


def seed(connection: Connection, seeds: Iterable[Seed]) -> tuple[int, int]:
    """Put entities in scope, or deepen what is; return how many are new and how many were known."""
    wanted = list(seeds)
    with connection.transaction():
        known = 0
        for one in wanted:
            row = connection.execute(
                "INSERT INTO crawl.seeds AS s (kind, entity_id, depth) VALUES (%s, %s, %s)"
                " ON CONFLICT (kind, entity_id) DO UPDATE SET depth = greatest(s.depth, excluded.depth)"
                " RETURNING xmax = 0",
                [one.kind.value, one.entity_id, one.depth],
            ).fetchone()
            known += not (row and row[0])
            connection.execute(
                "INSERT INTO crawl.walks AS w (stream, entity_id, depth, due_at) VALUES (%s, %s, %s, now())"
                " ON CONFLICT (stream, entity_id) DO UPDATE SET depth = greatest(w.depth, excluded.depth)",
                [DETAIL[one.kind], one.entity_id, one.depth],
            )
    return len(wanted) - known, known


def seed_query(connection: Connection, stream: str, query: Query, depth: int) -> bool:
    """Put a ranking in scope, due now, or deepen what is; return whether it is new."""
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO crawl.queries AS q (stream, query, mode, language, pages, depth)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (stream, query, mode, language)"
            " DO UPDATE SET pages = excluded.pages, depth = greatest(q.depth, excluded.depth)"
            " RETURNING id, depth, xmax = 0",
            [stream, query.query, query.mode, query.language, query.pages, depth],
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO crawl.walks AS w (stream, entity_id, depth, due_at) VALUES (%s, %s, %s, now())"
            " ON CONFLICT (stream, entity_id) DO UPDATE SET depth = excluded.depth, due_at = now()",
            [stream, row[0], row[1]],
        )
    return bool(row[2])


def open_site(connection: Connection) -> None:
    """Put what the site says of itself in scope, once anything else is."""
    with connection.transaction():
        connection.execute(
            "INSERT INTO crawl.walks (stream, entity_id, due_at) SELECT s, 0, now() FROM unnest(%s::text[]) s"
            " WHERE EXISTS (SELECT FROM crawl.seeds) OR EXISTS (SELECT FROM crawl.queries)"
            " ON CONFLICT (stream, entity_id) DO NOTHING",
            [["news", "project_count"]],
        )


def open_account(connection: Connection, account: int) -> None:
    """Put the operator's own account in scope: its lists, its projects, its studios, and what it viewed.

    What another account proved of the same lists says nothing of this one's: they are read anew.
    """
    with connection.transaction():
        connection.execute(_OPEN_ACCOUNT, {"account": account, "whole": _OWN_WHOLE})


_OWN_WHOLE = [stream.name for stream in STREAMS.values() if stream.kind is Kind.ACCOUNT and "{id}" not in stream.path]
_OPEN_ACCOUNT = """
INSERT INTO crawl.walks AS w (stream, entity_id, owner_id, due_at)
SELECT stream, entity_id, %(account)s, now() FROM (
    SELECT s AS stream, 0 AS entity_id FROM unnest(%(whole)s::text[]) s
    UNION ALL SELECT 'account_visibility', id FROM scratch.projects WHERE author_id = %(account)s
    UNION ALL SELECT 'account_role', studio_id FROM scratch.studio_members WHERE user_id = %(account)s
    UNION ALL
    SELECT s, p.id FROM account.projects p, unnest(ARRAY['account_love', 'account_favorite']) s
    WHERE p.account_id = %(account)s AND p.list = 'account_viewed'
) AS found
ON CONFLICT (stream, entity_id) DO UPDATE SET
    owner_id = excluded.owner_id, due_at = now(), state = NULL, certificate = NULL
WHERE w.owner_id IS DISTINCT FROM excluded.owner_id
"""


def refresh(
    connection: Connection, streams: Sequence[str], *, full: bool = False, only: Sequence[int] | None = None
) -> int:
    """Make everything in scope due now, threads only where it is `full`; return how many visits that are.

    Threads are left out of an incremental refresh: their comment's `reply_count` tells when to read them. A full one
    begins each walk anew, one that was left in its middle too.
    """
    names = [name for name in streams if STREAMS[name].revisit < ONCE and (full or not STREAMS[name].is_thread)]
    with connection.transaction():
        return connection.execute(
            "UPDATE crawl.walks SET due_at = now(), incremental = incremental AND NOT %s,"
            " state = CASE WHEN NOT %s THEN state END"
            " WHERE stream = ANY(%s) AND lease_token IS NULL"
            " AND (%s::bigint[] IS NULL OR coalesce(owner_id, entity_id) = ANY(%s))",
            [full, full, names, only, only],
        ).rowcount


def spread(connection: Connection) -> int:
    """Carry a raised depth on to what was met before it was raised, out of the warehouse and without a request.

    Returns how many walks came into scope or were raised.
    """
    changed = 0
    with connection.transaction():
        while True:
            stale = connection.execute(
                "SELECT stream, array_agg(entity_id) FROM crawl.walks"
                " WHERE depth > spread_depth AND visits > 0 GROUP BY stream"
            ).fetchall()
            if not stale:
                return changed
            for name, entities in stale:
                stream = STREAMS[name]
                for opened in stream.opens:
                    changed += connection.execute(_OPEN, [opened, name, entities]).rowcount
                for lead in filter(lambda lead: lead.owner, stream.leads):
                    changed += connection.execute(_spread(lead), [DETAIL[lead.kind], lead.hop, name, entities]).rowcount
                connection.execute(
                    "UPDATE crawl.walks SET spread_depth = depth WHERE stream = %s AND entity_id = ANY(%s)",
                    [name, entities],
                )


_RAISE = " ON CONFLICT (stream, entity_id) DO UPDATE SET depth = excluded.depth WHERE excluded.depth > w.depth"
_OPEN = (
    "INSERT INTO crawl.walks AS w (stream, entity_id, depth, due_at)"
    " SELECT %s, v.entity_id, v.depth, now() FROM crawl.walks v"
    " WHERE v.stream = %s AND v.entity_id = ANY(%s) AND v.gone_at IS NULL" + _RAISE
)


def _spread(lead: Lead) -> sql.Composed:
    """The walks that a stream's own rows in the warehouse lead to, at the depth its walks have now."""
    signal = sql.Identifier("l", lead.signal) if lead.signal else sql.SQL("NULL::int")
    owner = sql.Identifier("l", OWNER_COLUMN[lead.kind]) if lead.kind in OWNER_COLUMN else sql.SQL("NULL::bigint")
    return sql.SQL(
        "INSERT INTO crawl.walks AS w (stream, entity_id, owner_id, depth, signal, due_at)"
        " SELECT x.stream, l.{met}, max({owner}), max(v.depth - x.hop), max({signal}), now()"
        " FROM (SELECT %s::text AS stream, %s::int AS hop) x, crawl.walks v"
        " JOIN scratch.{table} l ON l.{own} = v.entity_id"
        " WHERE v.stream = %s AND v.entity_id = ANY(%s) AND v.depth >= x.hop AND l.gone_at IS NULL"
        " AND l.{met} IS NOT NULL{known}{raised}"
        " GROUP BY 1, 2 ORDER BY 1, 2" + _RAISE
    ).format(
        met=sql.Identifier(lead.met),
        owner=owner,
        signal=signal,
        table=sql.Identifier(lead.table),
        own=sql.Identifier(lead.owner),
        known=sql.SQL(" AND EXISTS (SELECT FROM scratch.users u WHERE u.id = l.{} AND u.username IS NOT NULL)").format(
            sql.Identifier(lead.met)
        )
        if lead.kind is Kind.USER
        else sql.SQL(""),
        raised=sql.SQL(" AND {} > 0").format(signal) if lead.signal else sql.SQL(""),
    )
