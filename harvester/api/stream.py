"""Types of the catalogue: the kinds of entities, of paging and of order, and the entry itself."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from msgspec import UNSET

from harvester.api import records as r

DAY = 86_400.0


class Host(Enum):
    """Configured host that serves an endpoint."""

    API = "api"
    SITE = "site"


class Format(Enum):
    """Format of a response."""

    JSON = "JSON"
    COMMENT_PAGE = "HTML page of comments"
    PROFILE_PAGE = "HTML profile page"


class Paging(Enum):
    """Paging of an endpoint."""

    SINGLE = "one object"
    OFFSET = "limit and offset"
    DATE = "date cursor, inclusive"
    NUMBER = "page number"
    RANKING = "limit and offset, no guarantee"


class Order(Enum):
    """Declared order of a list; every page is checked against it."""

    NEWEST_FIRST = "newest first"
    OLDEST_FIRST = "oldest first"
    UNKNOWN = "unknown"


class Kind(Enum):
    """Kind of the entity that a visit reads."""

    USER = "user"
    PROJECT = "project"
    STUDIO = "studio"
    PROJECT_THREAD = "project thread"
    STUDIO_THREAD = "studio thread"
    QUERY = "ranking"
    SITE = "site"
    ACCOUNT = "own account"


@dataclass(frozen=True, slots=True)
class Lead:
    """Something met in a response: the column `met` of the rows of `table` names a thing of `kind`.

    `owner` is the column that holds the visited entity, so that the same fact can be read back from the
    warehouse; empty where no row holds it. `depth_cost` is what the step costs of a seed's depth: 0 for what the entity
    owns. With `signal`, the thing is due when that column of the row is above 0 and differs from what it was when
    last visited.
    """

    table: str
    owner: str
    target_column: str
    kind: Kind
    depth_cost: int = 1
    changed_if: str | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """Rows of the warehouse that a list holds, by which deletions are detected.

    The rows of `table` whose column `owner` is the visited entity, of these only those for which the SQL condition
    `only` (on `t`) holds; `item` is the column that tells them apart.
    """

    table: str
    owner: str
    item: str
    only: str = "true"
    verify_with: str | None = None
    """The stream that asks for one of the things itself."""
    verify_only: bool = False
    """True if only that stream can date a deletion: the list shows the item, but is not the item's own page."""
    sibling: str | None = None
    """A list of the same entity to which what vanished here may have gone: it is read again before it is dated."""
    dated: str | None = None
    """The column that holds since when a thing is in the list, where that is known."""
    confirms: bool = True
    """True if a full read shows that its items are still visible: a release keeps items that were confirmed lately."""
    number: Callable[[Any], int] | None = None
    """`item` of a record, where that is not its identity."""


def identity(record: Any) -> int:
    """Return the id that most things are served with."""
    return int(record.id)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """One endpoint.

    `path` takes `username` and `id` (of the entity), `owner` (of a thread's page) and `name`s of a ranking.
    `documented` is the endpoint as the API reference writes it, empty for one that it does not list.
    """

    name: str
    spider: str
    kind: Kind
    path: str
    record: type[r.Record]
    writes: dict[str, tuple[str, ...]]
    host: Host = Host.API
    format: Format = Format.JSON
    paging: Paging = Paging.OFFSET
    order: Order = Order.UNKNOWN
    identity: Callable[[Any], int] = identity
    key: Callable[[Any], int] | None = None
    """The sort key of an item, a whole number; None where the list shows none."""
    key_name: str = "-"
    unpack: Callable[[Any], Any] | None = None
    """Makes a list of items of an object that holds several lists."""
    stop_after_empty_pages: int = 1
    """Pages in a row that must bring nothing before the list has ended; 0 where a short page is its end."""
    reorders: bool = False
    """True if an item can move to the head while the list is read."""
    lookback: int = 0
    """Distance below the certified high-water key that a later visit reads on, in units of the key (late entrants)."""
    max_offset: int | None = None
    """The last page number or the first offset that is never served; None where no such bound is known."""
    revisit: float = 180 * DAY
    """Seconds after which a list is read in full again, or an object asked for again, at the latest."""
    item_weight: float = 0.0
    """Weight of a new item in the schedule of visits, relative to a comment. With 0 the only visits are those that
    `revisit` asks for."""
    rate: float = 0.0
    """New items a day of one list, before anything was observed; of an object, the share of days with a change."""
    members: Holding | None = None
    """Rows that hold its items; None for a list by which no deletion is detected."""
    links: tuple[Lead, ...] = ()
    enqueues: tuple[str, ...] = ()
    """Streams of the same entity that become due once this object was seen."""
    gone: str | None = None
    """Consequence for the entity when this object is not found; None for no consequence."""
    enqueues_gone: tuple[str, ...] = ()
    """Streams of the same entity that become due when it is not found."""
    weak: tuple[str, ...] = ()
    """Tables in which it fills only what no better response has said: it answers from an index that lags."""
    answers_for: Callable[[Any], Any] | None = None
    """The id of the visited entity as a record shows it; None where no record shows one."""
    names: Callable[[Any], Any] | None = None
    """The name of the visited user as a record shows it, which is the one that was asked for; None where none does."""
    says_free: Callable[[Any], bool] | None = None
    """Tells from a record that no account has the name that was asked for; None where no record can."""
    confirms: tuple[str, ...] | None = None
    """Tables whose rows this response proves to be present at the site; None: all that it writes but users and those of
    which it is a weak source."""
    placeholder_fields: tuple[str, ...] = ()
    """Paths of served fields that hold placeholders here or are never stored, with `[]` for a list's items."""
    documented: str = ""
    notes: tuple[str, ...] = ()
    """Facts that the reference does not state, each with its source."""

    @property
    def is_thread(self) -> bool:
        """Return whether this stream reads the replies of one comment."""
        return self.kind in (Kind.PROJECT_THREAD, Kind.STUDIO_THREAD) and self.paging is Paging.OFFSET

    @property
    def is_by_name(self) -> bool:
        """Return whether a user is asked for by name: the present holder of the name answers."""
        return self.kind is Kind.USER and "{username}" in self.path

    @property
    def is_by_owner_name(self) -> bool:
        """Return whether the address of a project holds its author's name: under another name it is not found."""
        return self.kind in (Kind.PROJECT, Kind.PROJECT_THREAD) and "{username}" in self.path

    def answers_for_another(self, entity: int, records: Sequence[Any]) -> bool:
        """Return whether the records name their entity, and none of them names this entity."""
        shown = self._shown(records)
        return bool(shown) and entity not in shown

    def answers_for_it(self, entity: int, records: Sequence[Any]) -> bool:
        """Return whether a record names this entity as its own."""
        return entity in self._shown(records)

    def answers_by_another_name(self, username: str | None, records: Sequence[Any]) -> bool:
        """Return whether the records show a user who is not called as was asked for; case is not looked at."""
        if self.names is None or username is None:
            return False
        shown = set()
        for record in records:
            with suppress(AttributeError):
                shown.add(self.names(record))
        return any(isinstance(name, str) and name.lower() != username.lower() for name in shown)

    def finds_name_free(self, records: Sequence[Any]) -> bool:
        """Return whether the records say that the name that was asked for is free."""
        return self.says_free is not None and any(map(self.says_free, records))

    def _shown(self, records: Sequence[Any]) -> set[int]:
        """Return the ids that records show; a part of a record that was not served shows none."""
        shown: set[Any] = set()
        if self.answers_for is not None:
            for record in records:
                with suppress(AttributeError):
                    shown.add(self.answers_for(record))
        return shown - {None, UNSET}

    @property
    def table(self) -> str:
        """Return the table whose rows the records of this stream are: the rankings, or else the last that it writes."""
        return "rankings" if "rankings" in self.writes else next(reversed(self.writes))

    @property
    def is_own(self) -> bool:
        """Return whether this stream reads the operator's own account, with its token."""
        return self.kind is Kind.ACCOUNT

    def held(self, record: Any) -> int:
        """Return the key of an item of this list in the warehouse."""
        number = self.identity if self.members is None or self.members.number is None else self.members.number
        return number(record)

    def proves(self, table: str) -> bool:
        """Return whether a row of `table` in this response proves that the item exists, rather than only names it."""
        return table != "users" and table not in self.weak if self.confirms is None else table in self.confirms


@dataclass(frozen=True, slots=True)
class UnreadEndpoint:
    """An endpoint that is read by no stream, and why."""

    endpoint: str
    reason: str
