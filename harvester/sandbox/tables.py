"""Columns of users, projects, studios and comments.

Rows are numbered as they are made. Values that follow from an id and the seed (texts, flags) are not stored, but
computed when they are served.
"""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from harvester.sandbox import chance, text
from harvester.sandbox.details import modified_delay

if TYPE_CHECKING:
    from collections.abc import Iterable

Lists = dict[int, list[int]]
NOBODY = -1
EMPTY = 0
"""The random number that stands for no text."""
REPLIES_MAX = 25  # the site refuses more in one thread
MANAGERS_MAX = 40  # the host among them


def integers(values: Iterable[int] = ()) -> array[int]:
    """Return a growing column of 64-bit integers: a quarter of a list's memory at 10^5 users."""
    return array("q", values)


class Users:
    """All users. Rows are in the order of their ids, which is the order of registration."""

    def __init__(self, seed: int) -> None:
        self.id = integers()
        self.joined = integers()
        self.name: list[str] = []
        self.country = integers()  # index into `Countries.names`
        self.version = integers()  # how often the profile was edited
        self.earlier: dict[int, list[tuple[int, str]]] = {}  # names that were given up, and when
        self.by_name: dict[str, int] = {}  # in lower case: names are looked up without regard to case
        self.by_id: dict[int, int] = {}
        self.team: set[int] = set()
        self.badges: dict[int, tuple[int, int]] = {}  # members: label, avatar badge
        self.erased: dict[int, int] = {}  # under the GDPR, and when: all of them are gone too
        self.gone: set[int] = set()  # deleted or banned: unknown to the site's pages, known to the API
        self.featured: dict[int, tuple[int, int]] = {}  # row of the featured project, label (-1: the default one)
        self.nulls: set[tuple[int, str]] = set()  # rows with what is served of them as null
        self.written: dict[tuple[int, str], str] = {}  # rows with texts that a control request put there
        self.read_messages: Counter[int] = Counter()  # by how many the unread messages differ from the first number
        self._bio = chance.salt(seed, "bio")
        self._status = chance.salt(seed, "status")
        self._profile = chance.salt(seed, "profile")
        self._messages = chance.salt(seed, "messages")
        self._name = chance.salt(seed, "username")

    def __len__(self) -> int:
        return len(self.id)

    def _free_name(self, user_id: int) -> str:
        """Return a name that no user has."""
        attempt = 0
        name = text.username(chance.scramble(user_id ^ self._name))
        while name.lower() in self.by_name:
            attempt += 1
            name = text.username(chance.scramble((user_id ^ self._name) + attempt))
        return name

    def rename(self, row: int, when: int, name: str | None = None) -> str:
        """Give a user another name, which nobody may have. Returns the old one, which is free now."""
        old, new = self.name[row], name or self._free_name(self.id[row])
        if self.by_name[old.lower()] == row:
            del self.by_name[old.lower()]
        self.earlier.setdefault(row, []).append((when, old))
        self.name[row] = new
        self.by_name[new.lower()] = row
        return old

    def name_at(self, row: int, when: int) -> str:
        """Return the name of a user at a time, as what was written then has it."""
        return next((name for until, name in self.earlier.get(row, ()) if when < until), self.name[row])

    def add(self, user_id: int, joined: int, country: int, name: str | None = None) -> int:
        """Add a user with a new name, and return the row."""
        row = len(self.id)
        name = name or self._free_name(user_id)
        self.id.append(user_id)
        self.joined.append(joined)
        self.country.append(country)
        self.version.append(0)
        self.name.append(name)
        self.by_name[name.lower()] = row
        self.by_id[user_id] = row
        return row

    def _chance(self, row: int, salt: int) -> int:
        return chance.scramble((self.id[row] ^ salt) + (self.version[row] << 40))

    def write(self, row: int, name: str, written: str) -> None:
        """Let a user write their bio or status, which says this until the account is erased."""
        self.written[row, name] = written
        self.nulls.discard((row, name))

    def bio(self, row: int, *, former: bool = False) -> int | None:
        """Return the chance that stands for the bio, for `text.BIO`; None for null. `former`: before any erasure."""
        return self._text(row, "bio", self._bio, former=former)

    def status(self, row: int, *, former: bool = False) -> int | None:
        """Return the chance of the status, for `text.STATUS`; None for null. `former`: before any erasure."""
        return self._text(row, "status", self._status, former=former)

    def _text(self, row: int, name: str, salt: int, *, former: bool) -> int | None:
        if row in self.erased and not former:
            return EMPTY
        return None if (row, name) in self.nulls else self._chance(row, salt)

    def country_index(self, row: int, *, former: bool = False) -> int | None:
        """Return the index into `Countries.names`; None for null. `former`: before any erasure."""
        hidden = (row, "country") in self.nulls or (row in self.erased and not former)
        return None if hidden else self.country[row]

    def erase(self, row: int, when: int) -> str:
        """Erase an account under the GDPR, which leaves a made-up name and date, no texts and no country.

        Returns the old name, which is free now.
        """
        old = self.rename(row, when, f"gdpr{len(self.erased) + 1:07d}")
        self.erased[row] = when
        self.written = {place: written for place, written in self.written.items() if place[0] != row}
        self.gone.add(row)
        return old

    def has_page(self, row: int) -> bool:
        """Return whether the site's own page of an account answers; half of the erased accounts have one."""
        return row not in self.gone or (row in self.erased and self.id[row] % 2 == 0)

    def messages(self, row: int) -> int:
        """Return the number of unread messages, which is public."""
        return max(0, chance.scramble(self.id[row] ^ self._messages) % 90 - 40 + self.read_messages[row])

    def profile_id(self, row: int) -> int:
        """Return the profile's own number: the user's id for newer accounts, another one for old ones [documented]."""
        user_id = self.id[row]
        if user_id > 16_000_000:
            return user_id
        return max(1, user_id - 1 - chance.scramble(user_id ^ self._profile) % (user_id // 20 + 1))


class Projects:
    """All projects, shared or not. Rows are in the order of their ids, which is the order of creation."""

    def __init__(self, seed: int) -> None:
        self.id = integers()
        self.author = integers()
        self.created = integers()
        self.modified = integers()
        self.shared_at = integers()
        self.views = integers()
        self.loves = integers()
        self.parent = integers()  # row of the project it was remixed from
        self.root = integers()
        self.version = integers()
        self.is_shared = bytearray()
        self.nulls: set[tuple[int, str]] = set()  # rows with what is served of them as null
        self.by_id: dict[int, int] = {}
        self.frame_end = 0  # the last id of a dense community, as it begins
        self._salts = {name: chance.salt(seed, f"project {name}") for name in ("title", "text", "help", "flags")}

    def __len__(self) -> int:
        return len(self.id)

    def _chance(self, row: int, purpose: str, version: int | None) -> int:
        number = self.version[row] if version is None else version
        return chance.scramble((self.id[row] ^ self._salts[purpose]) + (number << 40))

    def title(self, row: int, version: int | None = None) -> int:
        """Return the chance that stands for the title, of now or of a version, for `text.PROJECT_TITLE`."""
        return self._chance(row, "title", version)

    def description(self, row: int, version: int | None = None) -> int | None:
        """Return the chance of the description, for `text.DESCRIPTION`; None for null, which no version is."""
        return None if version is None and (row, "description") in self.nulls else self._chance(row, "text", version)

    def instructions(self, row: int, version: int | None = None) -> int | None:
        """Return the chance that stands for the instructions, for `text.INSTRUCTIONS`; None for null."""
        return None if version is None and (row, "instructions") in self.nulls else self._chance(row, "help", version)

    def comments_allowed(self, row: int) -> bool:
        """Return whether comments are open; 4 in 100 are closed."""
        return chance.share(self.id[row], self._salts["flags"]) > 0.04


class Studios:
    """All studios, closed ones too. Rows are in the order of their ids."""

    def __init__(self, seed: int) -> None:
        self.id = integers()
        self.host = integers()
        self.created = integers()
        self.modified = integers()
        self.followers = integers()
        self.version = integers()
        self.is_open = bytearray()
        self.nulls: set[tuple[int, str]] = set()  # rows with what is served of them as null
        self.by_id: dict[int, int] = {}
        self._salts = {name: chance.salt(seed, f"studio {name}") for name in ("title", "text", "open", "flags")}

    def __len__(self) -> int:
        return len(self.id)

    def _chance(self, row: int, purpose: str, version: int | None) -> int:
        number = self.version[row] if version is None else version
        return chance.scramble((self.id[row] ^ self._salts[purpose]) + (number << 40))

    def title(self, row: int, version: int | None = None) -> int:
        """Return the chance that stands for the title, of now or of a version, for `text.STUDIO_TITLE`."""
        return self._chance(row, "title", version)

    def description(self, row: int, version: int | None = None) -> int | None:
        """Return the chance that stands for the description, for `text.STUDIO_DESCRIPTION`; None for null."""
        return None if version is None and (row, "description") in self.nulls else self._chance(row, "text", version)

    def shown_host(self, row: int) -> int | None:
        """Return the row of the host as a studio shows it; None for null. The list of managers still begins with it."""
        return None if (row, "host") in self.nulls else self.host[row]

    def open_to_all(self, row: int) -> bool:
        """Return whether anyone may add projects; 3 in 10 studios allow it."""
        return chance.share(self.id[row], self._salts["open"]) < 0.3

    def comments_allowed(self, row: int) -> bool:
        """Return whether comments are open; 5 in 100 are closed."""
        return chance.share(self.id[row], self._salts["flags"]) > 0.05


class Comments:
    """All comments of one kind. Each kind is a database of its own at the site: ids of two kinds may be equal.

    On profiles deleted comments keep their positions: the site shows that there was a comment.
    """

    def __init__(self, seed: int, kind: str) -> None:
        self.kind = kind
        self.keeps_deleted = kind == "profile"
        self.id = integers()
        self.owner = integers()  # row of the project or the studio
        self.author = integers()
        self.created = integers()
        self.parent = integers()  # row of the thread's first comment, or NOBODY
        self.commentee = integers()  # row of the user who is answered, or NOBODY
        self.is_deleted = bytearray()
        self.skew: dict[int, int] = {}  # threads whose served number of replies is off by this
        self.threads: Lists = {}  # owner -> first comments, by (created, id) ascending
        self.replies: Lists = {}  # thread -> replies, by (created, id) ascending
        self.total: Counter[int] = Counter()  # owner -> visible comments and replies
        self.by_id: dict[int, int] = {}
        self._content = chance.salt(seed, f"{kind} content")
        self._modified = chance.salt(seed, f"{kind} modified")

    def __len__(self) -> int:
        return len(self.id)

    def content(self, row: int) -> int:
        """Return the chance that stands for the text, for `text.comment_text`."""
        return chance.scramble(self.id[row] ^ self._content)

    def modified(self, row: int) -> int:
        """`datetime_modified` in seconds: later than created for a quarter, without any edit (recorded)."""
        return self.created[row] + modified_delay(chance.scramble(self.id[row] ^ self._modified))

    def reply_count(self, row: int) -> int:
        """Return the number of replies as served: above 0 if and only if there are some, else not reliable."""
        replies = self.shown_replies(row)
        if self.keeps_deleted:
            return replies
        return max(1, replies + self.skew.get(row, 0)) if replies else 0

    def shown_replies(self, row: int) -> int:
        """Return the number of replies that were not deleted."""
        return sum(not self.is_deleted[reply] for reply in self.replies.get(row, ()))

    def add(self, comment_id: int, owner: int, author: int, created: int, parent: int, commentee: int) -> int:
        """Insert a visible comment in the order of (created, id), and return the row."""
        row = len(self.id)
        self.id.append(comment_id)
        self.owner.append(owner)
        self.author.append(author)
        self.created.append(created)
        self.parent.append(parent)
        self.commentee.append(commentee)
        self.is_deleted.append(0)
        self.by_id[comment_id] = row
        siblings = self.threads.setdefault(owner, []) if parent < 0 else self.replies.setdefault(parent, [])
        position = len(siblings)
        while position and self.order(siblings[position - 1]) > (created, comment_id):
            position -= 1
        siblings.insert(position, row)
        self.total[owner] += 1
        return row

    def order(self, row: int) -> tuple[int, int]:
        """Return the key that lists are sorted by."""
        return self.created[row], self.id[row]

    def visible(self, owner: int) -> Iterable[int]:
        """Return the rows of all visible comments and replies of a project, a studio or a profile."""
        for thread in self.threads.get(owner, ()):
            if not self.is_deleted[thread]:
                yield thread
                yield from (row for row in self.replies.get(thread, ()) if not self.is_deleted[row])

    def delete(self, row: int) -> list[int]:
        """Remove a comment, with its replies. Returns the rows that went."""
        if self.keeps_deleted:
            gone = [row, *(reply for reply in self.replies.get(row, ()) if not self.is_deleted[reply])]
        else:
            gone = [row, *self.replies.pop(row, ())]
            siblings = self.threads[self.owner[row]] if self.parent[row] < 0 else self.replies[self.parent[row]]
            siblings.remove(row)
        for each in gone:
            self.is_deleted[each] = 1
        self.total[self.owner[row]] -= len(gone)
        return gone


class Event(NamedTuple):
    """One event: rows of users and projects. `title`: of the project at the time, None where it is as now."""

    created: int
    number: int
    type: str
    actor: int
    project: int = -1
    other: int = -1
    title: str | None = None
    flag: int = 0


class UserEvent(NamedTuple):
    """One event: what it is about is the row of a user, project or studio, as its words tell; `other` comes second."""

    created: int
    words: str
    target: int
    other: int = -1


class ProjectEntry(NamedTuple):
    """Values of a project in the index."""

    views: int
    loves: int
    favorites: int
    version: int
    modified: int
    shared_at: int


class StudioEntry(NamedTuple):
    """Values of a studio in the index."""

    followers: int
    version: int
    modified: int


class Index:
    """Indexed values by row; a row in neither `projects` nor `studios` is unknown to the index."""

    def __init__(self) -> None:
        self.projects: dict[int, ProjectEntry] = {}
        self.studios: dict[int, StudioEntry] = {}
