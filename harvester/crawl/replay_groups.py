"""Choose the transactions of an archive that a replay stores in one transaction, with the same result.

Each page keeps the time of its transaction, and rows of one entity are written in the order of their pages. What a
transaction does beyond its own rows is done once for the whole group, at its end. Therefore a transaction is stored by
itself whose pages show that the visited entity is gone, that a name changed, that a member of a studio became its host,
or that something cannot be used, or that confirm what was missed before. A group ends before a transaction that

- begins another visit of an entity that the group has a page of: the visit depends on the state before it;
- visits a list or an object that a page of the group announces or may have made due by a counter;
- shows an item of a list that a page of the group has read, and did not show: a full read that misses the item is
  earlier than the response that shows it;
- shows a studio with another host than the group did, or its host as a member in another role;
- shows as gone a user whom the group visits: the user was last seen by that visit.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from harvester.api.catalogue import DETAIL, STREAMS
from harvester.api.stream import Kind, Paging
from harvester.crawl.host_roles import shown_hosts
from harvester.warehouse.statements import statements
from harvester.warehouse.upsert import NAME_UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harvester.api.rows import Rows
    from harvester.crawl.replay_steps import Decoded, ReplayStep
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "replay_groups")
LARGEST = 400
"""Number of pages after which a group ends."""
_MOST_NAMES = 100_000
"""Names that are remembered between groups."""
_OWNERS: dict[str, dict[str, str]] = defaultdict(dict)
for _stream in STREAMS.values():
    if _stream.members is not None:
        _OWNERS[_stream.members.table][_stream.members.owner] = _stream.members.item


class Groups:
    """Transactions in groups; `names` of the users of the warehouse are read over a connection."""

    def __init__(self, connection: Connection, *, largest: int = LARGEST) -> None:
        self._connection = connection
        self._largest = largest
        self._names: dict[int, str | None] = {}
        """The name of each known user in lower case; None if they have none."""
        self._waiting: set[int] = set()
        """Users whose visits wait for their name."""
        self._doubtful: set[tuple[str, int]] = set(connection.execute(_SQL["open_visits"]).fetchall())
        """Visits under way of which an item was missed before, as their first page says; all that a stop cut off."""

    def divide(self, steps: Iterable[ReplayStep]) -> Iterator[list[ReplayStep]]:
        """Yield the groups of transactions; each must be stored before the next one is asked for."""
        waiting: list[ReplayStep] = []
        size = 0
        for step in steps:
            waiting.append(step)
            size += len(step.pages)
            if size >= self._largest:
                yield from self._cut(waiting)
                waiting, size = [], 0
        yield from self._cut(waiting)

    def _cut(self, steps: Sequence[ReplayStep]) -> Iterator[list[ReplayStep]]:
        """Divide some transactions into groups."""
        self._read_names({user for step in steps for user, _ in _names(step.pages)} - self._names.keys())
        members = self._read_hosts(steps)
        group: list[ReplayStep] = []
        shown = _Shown()
        for step in steps:
            shows_host = any(pair in members for page in step.pages for pair in shown_hosts(page.rows or ()))
            is_alone = self._is_alone(step) or shows_host
            members.update(pair for page in step.pages for pair in _plain_members(page.rows or ()))
            if group and (is_alone or shown.conflicts(step)):
                yield group
                group, shown = [], _Shown()
            if is_alone:
                yield [step]
                # What it has changed of the names.
                self._read_names(
                    {user for user, _ in _names(step.pages)} | {page.response.visit.entity_id for page in step.pages}
                )
            else:
                group.append(step)
                shown.add(step)
        if group:
            yield group

    def _is_alone(self, step: ReplayStep) -> bool:
        """Return whether a transaction is stored by itself; else remember the names that it shows."""
        doubtful = [page for page in step.pages if self._is_doubtful(page)]
        if doubtful or len(step.pages) > self._largest or any(map(_is_special, step.pages)):
            return True
        for user, name in _names(step.pages):
            known = self._names.get(user)
            if known is None:
                if user in self._waiting:
                    return True
                self._names[user] = name
            elif known != name:
                return True
        return False

    def _is_doubtful(self, page: Decoded) -> bool:
        """Return whether a page is one of a visit that confirms what was missed before; its first page tells."""
        part, visit = page.response.part, page.response.visit
        key = (visit.stream.name, visit.entity_id)
        if part is not None and part.first:
            (self._doubtful.add if part.has_missing_items else self._doubtful.discard)(key)
        return key in self._doubtful

    def _read_hosts(self, steps: Sequence[ReplayStep]) -> set[tuple[int, int]]:
        """Return the studios that steps show with a host, and that host, whom the warehouse knows in another role."""
        shown = {
            pair
            for step in steps
            for page in step.pages
            for pair in shown_hosts(page.rows or ())
            if pair[1] is not None
        }
        if not shown:
            return set()
        studios, users = map(list, zip(*shown, strict=True))
        return set(self._connection.execute(_SQL["read_hosts"], {"studios": studios, "users": users}).fetchall())

    def _read_names(self, users: set[int]) -> None:
        """Read the names of users."""
        if len(self._names) > _MOST_NAMES:
            self._names.clear()
            self._waiting.clear()
        self._waiting -= users
        self._names |= dict.fromkeys(users)
        if users:
            found = self._connection.execute(_SQL["read_names"], {"users": list(users), "waits": NAME_UNKNOWN})
            for user, name, waits in found:
                self._names[user] = name
                if waits:
                    self._waiting.add(user)


class _Shown:
    """Facts that the pages of a group have shown, as far as later pages may depend on them."""

    def __init__(self) -> None:
        self._entries: set[tuple[str, int]] = set()
        self._announced: set[tuple[str, int]] = set()
        self._hosts: dict[int, Any] = {}
        self._lists: dict[tuple[str, str, int], set[int]] = {}
        """The items that were shown of a list, by table, column of the owner, and owner."""

    def add(self, step: ReplayStep) -> None:
        """Add the pages of a transaction."""
        for page in step.pages:
            visit = page.response.visit
            stream, members = visit.stream, visit.stream.members
            self._entries.add((stream.name, visit.entity_id))
            self._hosts.update(shown_hosts(page.rows or ()))
            for link in stream.links:
                if link.changed_if is not None:
                    self._announced.update(
                        (DETAIL[link.kind], number)
                        for number in _column(page.rows or (), link.table, link.target_column)
                    )
            for announcement in stream.announces:
                target = announcement.target_column
                told = _column(page.rows or (), announcement.table, target) if target else (visit.entity_id,)
                self._announced.update((name, number) for number in told for name in announcement.streams)
            if members is not None and stream.paging is not Paging.SINGLE:
                items = self._lists.setdefault((members.table, members.owner, visit.entity_id), set())
                items.update(_column(page.rows or (), members.table, members.item))

    def conflicts(self, step: ReplayStep) -> bool:
        """Return whether a transaction depends on one of the pages."""
        for page in step.pages:
            part, visit = page.response.part, page.response.visit
            key = (visit.stream.name, visit.entity_id)
            if part is not None and part.first and (key in self._entries or key in self._announced):
                return True
            if any(self._hosts.get(studio, host) != host for studio, host in shown_hosts(page.rows or ())):
                return True
            if any(self._hosts.get(studio) == user for studio, user in _plain_members(page.rows or ())):
                return True
            if any((DETAIL[Kind.USER], user) in self._entries for user in _gone_users(page.rows or ())):
                return True
            members = visit.stream.members
            own = None if members is None else (members.table, members.owner, visit.entity_id)
            if self._lists and any(self._shows_missing(rows, own) for rows in page.rows or ()):
                return True
        return False

    def _shows_missing(self, rows: Rows, own: tuple[str, str, int] | None) -> bool:
        """Return whether rows have an item of a list, other than their `own`, that a page of it did not show."""
        for owner, item in _OWNERS.get(rows.table, {}).items():
            if owner not in rows.columns or item not in rows.columns:
                continue
            of, what = rows.columns.index(owner), rows.columns.index(item)
            is_comment = rows.table.endswith("_comments")
            parent = rows.columns.index("parent_id") if is_comment and "parent_id" in rows.columns else None
            for row in rows.values:
                if row[of] is None or (owner != "parent_id" and parent is not None and row[parent] is not None):
                    continue  # a reply is no item of the list of comments
                place = (rows.table, owner, row[of])
                items = self._lists.get(place)
                if items is not None and row[what] not in items and place != own:
                    return True
        return False


def _is_special(page: Decoded) -> bool:
    """Return whether the transaction of a page is stored by itself."""
    part, visit = page.response.part, page.response.visit
    if part is None or part.alone or not page.is_usable or page.aside or page.refused:
        return True
    stream = visit.stream
    if page.rows is None or (page.records is None and (stream.gone is not None or stream.enqueues_gone)):
        return True
    if stream.is_by_name and (
        stream.answers_for_another(visit.entity_id, page.records or ()) or stream.finds_name_free(page.records or ())
    ):
        return True
    return any(rows.weak for rows in page.rows)


def _names(pages: Iterable[Decoded]) -> Iterator[tuple[int, str]]:
    """Yield the id and the name, in lower case, of each user whom pages show with a name."""
    for page in pages:
        for rows in page.rows or ():
            if rows.table == "users" and "username" in rows.columns:
                of, what = rows.columns.index("id"), rows.columns.index("username")
                for row in rows.values:
                    if row[what] is not None:
                        yield row[of], row[what].lower()


def _plain_members(pages: Iterable[Rows]) -> Iterator[tuple[int, int]]:
    """Yield the studio and the user of each member whom rows show in another role than host."""
    for rows in pages:
        if rows.table == "studio_members":
            studio, user = rows.columns.index("studio_id"), rows.columns.index("user_id")
            role = rows.columns.index("role") if "role" in rows.columns else None
            yield from ((row[studio], row[user]) for row in rows.values if role is None or row[role] != "host")


def _gone_users(pages: Iterable[Rows]) -> Iterator[int]:
    """Yield the id of each user whom rows show as gone."""
    for rows in pages:
        if rows.table == "users" and "gone_reason" in rows.columns:
            yield from _column([rows], "users", "id")


def _column(pages: Iterable[Rows], table: str, column: str) -> Iterator[int]:
    for rows in pages:
        if rows.table == table and column in rows.columns:
            what = rows.columns.index(column)
            yield from (row[what] for row in rows.values)
