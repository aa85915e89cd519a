"""Types of the catalogue: the kinds of entities, of paging and of order, and the entry itself."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from msgspec import UNSET

from harvester.api import records as r
from harvester.api.gone_reason import GoneReason

DAY = 86_400.0


class Host(Enum):
    """Configured host that serves an endpoint."""

    API = "api"
    SITE = "site"
    PROJECTS = "projects"


class Format(Enum):
    """Format of a response."""

    JSON = "JSON"
    COMMENT_PAGE = "HTML page of comments"
    PROFILE_PAGE = "HTML profile page"
    USER_ACTIVITY = "HTML list of a user's activity"
    SOURCE = "source of a project"


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
    """A link in a response: `target_column` of the rows of `table` names an entity of `kind`.

    Attributes:
        owner: The column with the visited entity, by which the link can be read from the warehouse; empty if no row has
            it.
        depth_cost: The depth of a seed that following the link costs: 0 for entities that the visited one owns.
        changed_if: A column of the row: the entity is due if it is above 0 and differs from its value at the last
        visit.
    """

    table: str
    owner: str
    target_column: str
    kind: Kind
    depth_cost: int = 1
    changed_if: str | None = None


@dataclass(frozen=True, slots=True)
class Announcement:
    """A sign in a response that lists or objects have something new.

    Rows of `table` carry it: events of some `types`, each at its time `created_at`, or a `counter`, whose value differs
    from the one at the last announcement.

    Attributes:
        table: Empty for a counter that is a field of the served record and is not stored.
        streams: The lists and objects that become due, of those in scope.
        target_column: The column with the entity whose lists they are; empty for the visited entity.
        types: Values of the column `type`.
        counter: The column of the counter.
        below: The value from which on the counter does not count any more.
        is_complete: True if every new item of the list shows. Such a list is visited for the announcements, by the
            share of its items that they are seen to miss, and in full as often as any other.
    """

    streams: tuple[str, ...]
    table: str
    target_column: str = ""
    types: tuple[str, ...] = ()
    counter: str | None = None
    below: int | None = None
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class Holding:
    """Rows of the warehouse that a list holds, by which deletions are detected.

    These are the rows of `table` whose column `owner` is the visited entity and for which the SQL condition `only` (on
    `t`) holds; `item` is the column with the ids of the items.
    """

    table: str
    owner: str
    item: str
    only: str = "true"
    verify_with: str | None = None
    """The stream that reads one of the items itself."""
    verify_only: bool = False
    """True if only that stream can date a deletion: the list shows the item, but is not the item's own page."""
    sibling: str | None = None
    """A list of the same entity to which a missing item may have moved, which is read before the item is marked as
    gone."""
    dated: str | None = None
    """The column with the time since when an item is in the list, if that is known."""
    confirms: bool = True
    """True if a full read shows that its items are still visible: a release keeps items that were confirmed lately."""
    number: Callable[[Any], int] | None = None
    """`item` of a record, where that is not its identity."""


def identity(record: Any) -> int:
    """Return the field `id` of a record."""
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
    """Number of empty pages in a row at which a list ends; 0 if a short page is its end."""
    empty_is_404: bool = False
    """True if the site answers 404 in places where the list is empty."""
    reorders: bool = False
    """True if an item can move to the head while the list is read."""
    lookback: int = 0
    """Distance below the certified high-water key that a later visit reads on, in units of the key (late entrants)."""
    max_offset: int | None = None
    """The last page number or the first offset that is never served; None where no such bound is known."""
    revisit: float = 180 * DAY
    """Longest time in seconds until a list is read in full again, or an object is visited again."""
    item_weight: float = 0.0
    """Weight of a new item in the schedule of visits, relative to a comment. With 0 there are no scheduled visits, only
    those by `revisit`."""
    rate: float = 0.0
    """New items a day of one list, before anything was observed; of an object, the share of days with a change."""
    members: Holding | None = None
    """Rows that hold its items; None for a list by which no deletion is detected."""
    links: tuple[Lead, ...] = ()
    enqueues: tuple[str, ...] = ()
    """Streams of the same entity that become due once this object was seen."""
    announces: tuple[Announcement, ...] = ()
    """Signs in its responses that other lists have something new."""
    follows: str | None = None
    """The stream of the same entity whose response it needs. A visit of that one comes first, and makes this one due if
    it shows the entity new or changed. None for a stream that stands alone."""
    setting: str = ""
    """The setting without which it is not visited; empty for most."""
    gone: GoneReason | None = None
    """Consequence for the entity when this object is not found; None for no consequence."""
    enqueues_gone: tuple[str, ...] = ()
    """Streams of the same entity that become due when it is not found."""
    weak: tuple[str, ...] = ()
    """Tables in which it fills only columns that no better response has served, since it answers from an index that
    lags."""
    answers_for: Callable[[Any], Any] | None = None
    """The id of the visited entity as a record shows it; None where no record shows one."""
    names: Callable[[Any], Any] | None = None
    """The name of the visited user in a record, which must be the requested one; None if no record shows it."""
    owner_name: Callable[[Any], Any] | None = None
    """The present name of a project's author in a record; None if no record shows it."""
    says_free: Callable[[Any], bool] | None = None
    """Returns whether a record shows that no account has the requested name; None if no record can."""
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
        """Return whether a user is requested by name, so that the present holder of the name answers."""
        return self.kind is Kind.USER and "{username}" in self.path

    @property
    def is_by_owner_name(self) -> bool:
        """Return whether the address of a project contains its author's name; under another name it is not found."""
        return self.kind in (Kind.PROJECT, Kind.PROJECT_THREAD) and "{username}" in self.path

    def answers_for_another(self, entity: int, records: Sequence[Any]) -> bool:
        """Return whether the records name their entity, and none of them names this entity."""
        shown = self._shown(records)
        return bool(shown) and entity not in shown

    def answers_for_it(self, entity: int, records: Sequence[Any]) -> bool:
        """Return whether a record names this entity as its own."""
        return entity in self._shown(records)

    def answers_by_another_name(self, username: str | None, records: Sequence[Any]) -> bool:
        """Return whether the records show a user with another name than the requested one; case is ignored."""
        if self.names is None or username is None:
            return False
        shown = _taken(self.names, records)
        return any(isinstance(name, str) and name.lower() != username.lower() for name in shown)

    def shown_owner_name(self, records: Sequence[Any]) -> str | None:
        """Return the name of a project's author that the records show; None if they show none."""
        return next((name for name in _taken(self.owner_name, records) if isinstance(name, str)), None)

    def finds_name_free(self, records: Sequence[Any]) -> bool:
        """Return whether the records show that the requested name is free."""
        return self.says_free is not None and any(map(self.says_free, records))

    def _shown(self, records: Sequence[Any]) -> set[int]:
        """Return the ids that records show."""
        return _taken(self.answers_for, records) - {None, UNSET}

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


def _taken(get: Callable[[Any], Any] | None, records: Sequence[Any]) -> set[Any]:
    """Return what a function takes from records: nothing of a part that was not served, and nothing without it."""
    found: set[Any] = set()
    if get is not None:
        for record in records:
            with suppress(AttributeError):
                found.add(get(record))
    return found


@dataclass(frozen=True, slots=True)
class UnreadEndpoint:
    """An endpoint that no stream reads, with the reason."""

    endpoint: str
    reason: str
