"""Erase people: remove them from all tables, record the rule that keeps them out, repeat or revoke erasures."""

from __future__ import annotations

import re
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from psycopg import sql

from harvester.api.names import fold, is_distinctive, spellings
from harvester.erasure.lakes import known_lakes
from harvester.erasure.remembered import (
    THIS_KEY,
    check_own,
    load_rule,
    pending_erasures,
    remember,
    remembered_hashes,
    replace_remembered,
)
from harvester.erasure.removal import ID_PATTERN, Erasure, Removal, stream_rows
from harvester.erasure.rule import OTHER_NAME, Rule
from harvester.errors import UsageError
from harvester.secret import keyed_hash, secret_key
from harvester.warehouse.annotations import NAME, PROJECT, STUDIO, USER
from harvester.warehouse.bodies import delete_unused
from harvester.warehouse.maintenance import forget_statistics
from harvester.warehouse.schema import keep_crawls_out
from harvester.warehouse.sql_parts import materialised
from harvester.warehouse.statements import statements
from harvester.warehouse.tables import (
    FIGURES,
    MADE,
    MENTIONED,
    OWNED,
    WRITTEN,
)
from harvester.warehouse.temporary import drop_left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "erase")

_KINDS = (USER, NAME, PROJECT, STUDIO)
_USERNAME = re.compile("[A-Za-z0-9_-]{1,60}")


def is_known(connection: Connection, name: str | None = None, *, user: int | None = None) -> bool:
    """Return whether the warehouse has an account of a name, now or before, or of an id.

    Raises:
        UsageError: as `erase`.
    """
    return _is_known(connection, whose(connection, name, user))


def erase(
    connection: Connection,
    home: Path,
    name: str | None = None,
    *,
    user: int | None = None,
    dry_run: bool = False,
    on_removed: Callable[[Erasure], None] = lambda _: None,
) -> Erasure:
    """Remove a person by name or by id, in one transaction, and record the rule that keeps them out from now on.

    With `dry_run` rows are counted and nothing is changed. `on_removed` is called at the end of the transaction.

    Raises:
        UsageError: a name that no account can have, or that several accounts had.
        WarehouseError: a crawl is at work, which could store the person again.
    """
    users = whose(connection, name, user)
    erasure = Erasure(users, known=_is_known(connection, users))
    with connection.transaction(force_rollback=dry_run):
        keep_crawls_out(connection)
        hashes = _remove(connection, home, name, erasure)
        erasure.refreshed = _figures(connection)
        if not dry_run:
            _forget_figures(connection, erasure)
            on_removed(erasure)
            remember(home, hashes)
    if not dry_run:
        drop_left(connection)  # a replay that was stopped may hold the person
        erasure.files = delete_unused(connection)  # no earlier: the transaction might have failed
        erasure.lakes = known_lakes(home)
    return erasure


def repeat(connection: Connection, home: Path) -> Erasure:
    """Repeat the erasures that are remembered beside the key and not in the warehouse, in one transaction.

    Such a warehouse is a new one, or was restored from a backup that is older than the erasure. A person is found by
    the hash of the id or, if no account has it, of the name; every text is searched for names and ids that the rules
    know.

    Raises:
        WarehouseError: a crawl is at work, or the warehouse leaves people out by another key.
        UsageError: the remembered hashes are of another key.
    """
    erasure = Erasure([])
    with connection.transaction():
        keep_crawls_out(connection)
        load_rule(connection, home)
        pending = pending_erasures(connection, home)
        if not pending:
            return erasure
        key = secret_key(home)
        check_own(key, pending)
        found = _hashed(connection, key, set().union(*pending))
        people = [_recognised(connection, group, found) for group in pending]
        united: dict[str, list[Any]] = {kind: sorted({*chain(*(one[kind] for one in people))}) for kind in _KINDS}
        erasure.users, erasure.known = united[USER], bool(united[USER] or united[PROJECT])
        kinds = [_hashes(connection, key, one) for one in people]
        rule = Rule(key, set().union(*pending, *kinds))
        Removal(connection, erasure, united, rule, is_whole=True).run()
        for number, (group, kind_of) in enumerate(zip(pending, kinds, strict=True)):
            rows = [(each, kind_of.get(each, "unknown"), number) for each in sorted(group | kind_of.keys())]
            connection.cursor().executemany(_SQL["insert_repeated"], rows)
        erasure.refreshed = _figures(connection)
        _forget_figures(connection, erasure)
        larger = [group | kind_of.keys() for group, kind_of in zip(pending, kinds, strict=True)]
        replace_remembered(home, [group for group in remembered_hashes(home) if group not in pending] + larger)
    drop_left(connection)
    erasure.files = delete_unused(connection)
    erasure.lakes = known_lakes(home)
    return erasure


def _forget_figures(connection: Connection, erasure: Erasure) -> None:
    """Refresh the materialised views and statistics that were computed from changed tables."""
    for view in erasure.refreshed:
        connection.execute("SELECT crawl.refresh_figures(%s)", [view.removeprefix("analytics.")])
    forget_statistics(connection, erasure.touched)


def _figures(connection: Connection) -> list[str]:
    """Return the materialised views to refresh; an empty one holds nobody, and filling it could take long."""
    views = [f"analytics.{name}" for name in materialised() if name in FIGURES]
    return [view for view in views if _values(connection, f"SELECT 1 FROM {view} LIMIT 1")]


def whose(connection: Connection, name: str | None, user: int | None) -> list[int]:
    """Return the ids of the person who is named; empty where no account has or had the name.

    Raises:
        UsageError: as `erase`.
    """
    if (name is None) == (user is None):
        raise UsageError("say who it is by a name or by --id")
    if name is not None:
        return _of_name(connection, name)
    if user is None or not 0 < user < 2**63:
        raise UsageError(f"{user} is no id of a user")
    return [user]


def revoke(connection: Connection, home: Path, name: str | None = None, *, user: int | None = None) -> int:
    """Delete the rules of erasures by this name or id; return how many hashes they had.

    The person may be harvested again, which is the only way in which erased rows come back.

    Raises:
        UsageError: there is no such rule.
        WarehouseError: a crawl is at work, which holds the rule.
    """
    if (name is None) == (user is None):
        raise UsageError("say who it is by a name or by --id")
    own = keyed_hash(secret_key(home), *((USER, user) if name is None else (NAME, name.lower())))
    with connection.transaction():
        keep_crawls_out(connection)
        hashes = {each for (each,) in connection.execute(_SQL["revoke"], [THIS_KEY, own])}
        remembered = remembered_hashes(home)
        theirs = hashes.union(*(erasure for erasure in remembered if own in erasure))
        if not theirs:
            raise UsageError("no rule was made by that name or id: see `harvester erase list`")
        replace_remembered(home, [erasure - hashes for erasure in remembered if own not in erasure])
    return len(theirs)


def _of_name(connection: Connection, name: str) -> list[int]:
    """Return the users who have a name now, else those who had it."""
    if not _USERNAME.fullmatch(name):
        raise UsageError(f"{name!r} is no username: letters, digits, _ and - only; another one goes by --id")
    users = _values(connection, _SQL["users_of_name"], name=name.lower())
    if len(users) > 1:
        raise UsageError(f"several accounts had the name: say which by --id, one of {', '.join(map(str, users))}")
    return users


def _is_known(connection: Connection, users: list[int]) -> bool:
    return bool(_values(connection, "SELECT id FROM scratch.users WHERE id = ANY(%(users)s)", users=users))


def _values(connection: Connection, query: str, **values: Any) -> list[Any]:
    """Run a query of one column."""
    return [value for (value,) in connection.execute(query, values).fetchall()]


def _remove(connection: Connection, home: Path, name: str | None, erasure: Erasure) -> list[str]:
    load_rule(connection, home)
    key = secret_key(home)
    # A name belongs to the user who has it now, not to those who had it before.
    names = _values(connection, _SQL["names_of_users"], users=erasure.users)
    known = _theirs(connection, erasure.users, sorted({*names, *([] if name is None else [name.lower()])}))
    hashes = _hashes(connection, key, known)
    Removal(connection, erasure, known, Rule(key, hashes)).run()
    connection.cursor().executemany(
        "INSERT INTO crawl.erasures (hash, kind) VALUES (%s, %s) ON CONFLICT DO NOTHING", sorted(hashes.items())
    )
    return sorted(hashes)


def _theirs(connection: Connection, users: list[int], names: list[str]) -> dict[str, list[Any]]:
    """Return the ids and names of a person, and the ids of their projects and studios, by kind."""
    told = partial(_values, connection, users=users)
    return {
        USER: users,
        NAME: names,
        PROJECT: told(
            _SQL["projects"],
            names=names,
            id=ID_PATTERN,
        ),
        STUDIO: told("SELECT id FROM scratch.studios WHERE host_id = ANY(%(users)s)"),
    }


def _hashes(connection: Connection, key: bytes, known: dict[str, list[Any]]) -> dict[str, str]:
    """Return the hashes that recognise a person later, each with its kind."""
    users, names = known[USER], known[NAME]
    read = set(map(fold, names)) - {""}
    read -= set(_values(connection, _SQL["names_of_others_alike"], users=users, read=sorted(read)))
    hashes = {keyed_hash(key, THIS_KEY, ""): THIS_KEY}
    kept = known | {NAME: sorted({*names, *read}), OTHER_NAME: _alike(connection, users, read)}
    for kind, values in kept.items():
        hashes |= {keyed_hash(key, kind, value): kind for value in values}
    return hashes


def _hashed(connection: Connection, key: bytes, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """Return the ids and names in the warehouse whose hashes are wanted, by kind and hash."""
    found: dict[str, dict[str, Any]] = {kind: {} for kind in _KINDS}
    for kind, columns in _columns_by_kind().items():
        for table, column in columns:
            value = sql.SQL("lower({})" if kind == NAME else "{}").format(sql.Identifier(column))
            query = sql.SQL("SELECT DISTINCT {value} FROM {table} WHERE {column} IS NOT NULL").format(
                value=value, table=sql.Identifier(*table.split(".")), column=sql.Identifier(column)
            )
            for (each,) in stream_rows(connection, query):
                hashed = keyed_hash(key, kind, each)
                if hashed in wanted:
                    found[kind][hashed] = each
    return found


def _columns_by_kind() -> dict[str, list[tuple[str, str]]]:
    """Return the columns that hold ids or names of each kind: (table, column)."""
    columns: dict[str, set[tuple[str, str]]] = {kind: set() for kind in _KINDS}
    for tables in (OWNED, MENTIONED, MADE):
        for table, named in tables.items():
            for column, kind in named.items():
                columns[kind].add((WRITTEN[table].fullname, column))
    columns[STUDIO].add(("scratch.studios", "id"))
    columns[NAME] |= {("history.user_revisions", "username"), ("crawl.queries", "query")}
    for column in ("entity_id", "owner_id"):
        for kind in (USER, PROJECT, STUDIO):
            columns[kind].add(("crawl.frontier", column))
    for kind in (USER, PROJECT, STUDIO):
        columns[kind] |= {("crawl.seeds", "entity_id"), ("crawl.draws", "entity_id")}
    return {kind: sorted(places) for kind, places in columns.items()}


def _recognised(connection: Connection, group: set[str], found: dict[str, dict[str, Any]]) -> dict[str, list[Any]]:
    """Return ids and names of the person whom the hashes of an erasure recognise, by kind."""
    theirs = {kind: sorted(values[each] for each in values.keys() & group) for kind, values in found.items()}
    # The name may have been another account's when the backup was made: the id decides which names are the person's.
    if theirs[USER]:
        theirs[NAME] = _values(connection, _SQL["names_of_users"], users=theirs[USER])
    else:
        theirs[USER] = _values(
            connection,
            "SELECT id FROM scratch.users WHERE lower(username) = ANY(%(names)s) ORDER BY 1",
            names=theirs[NAME],
        )
    known = _theirs(connection, theirs[USER], theirs[NAME])
    return {kind: sorted({*values, *theirs[kind]}) for kind, values in known.items()}


def _alike(connection: Connection, users: list[int], names: Iterable[str]) -> list[str]:
    """Return the names of other people that could be read as a plural or a variant of one of the (folded) `names`."""
    distinctive = {name for name in names if is_distinctive(name)}
    others = _values(
        connection,
        _SQL["names_of_others"],
        users=users,
        names=sorted(distinctive),
    )
    return sorted(
        {fold(other) for other in others if any(name in distinctive for name, _, _ in spellings(fold(other)))}
    )
