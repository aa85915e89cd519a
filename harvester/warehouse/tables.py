"""The schema of the warehouse: the one definition, commented table by table and column by column.

The data dictionary is made from these comments, Alembic compares the database with this metadata, and the writer
takes names and types of columns from it. Six schemas: `scratch` (the site as it is now), `history` (what it was
before) and `crawl` (the operator's); `analytics`, figures that are too heavy to be worked out at each look; `account`,
what the operator's own account is shown, for nobody else; and `source`, what projects are made of.
"""

from dataclasses import fields
from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from harvester.api.gone_reason import GoneReason
from harvester.choices import RankingMode, RequestChannel, RequestOutcome
from harvester.warehouse import treatments
from harvester.warehouse.annotations import (
    NAME,
    PROJECT,
    USER,
    About,
    History,
    Person,
    about,
    containers,
    kept,
    named_by,
    soft_references,
)

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

_ABOUT = tuple(field.name for field in fields(About))
LONGEST_KEY = 200
"""Characters of an id, a type or a name that is part of a key. A text of any length is in no B-tree: where one is
looked up, or part of a key, the index holds its hash."""
_KINDS = ("user", "project", "studio")
_ROLES = ("host", "manager", "curator")
_OUTCOMES = ("hit", "not found", "gone", "not public")
LONGEST_PATH = 600
"""Characters of the path of a folder with sources."""
LONGEST_RANKING = 600
"""Characters of the name of a ranking, which holds what is searched for."""


def _column(name: str, type_: Any, comment: str, *args: Any, **kw: Any) -> Column[Any]:
    """Make a column; those of the arguments that `About` has are its annotation.

    Closed choices are listed in its comment, and the database refuses any other value.
    """
    said = About(**{field: kw.pop(field) for field in _ABOUT if field in kw})
    if said.choices:
        comment += f" Values: {', '.join(filter(None, said.choices))}."
        values = ", ".join(f"'{value}'" for value in said.choices)
        args = (*args, CheckConstraint(f"{name} IN ({values})", name=name))
    return Column(name, type_, *args, comment=comment, info={"about": said}, **kw)


def _big(name: str, comment: str, *args: Any, **kw: Any) -> Column[Any]:
    return _column(name, BigInteger, comment, *args, **kw)


def _int(name: str, comment: str, **kw: Any) -> Column[Any]:
    return _column(name, Integer, comment, **kw)


def _text(name: str, comment: str, *args: Any, **kw: Any) -> Column[Any]:
    return _column(name, Text, comment, *args, **kw)


def _key_text(name: str, comment: str, *, longest: int = LONGEST_KEY, **kw: Any) -> Column[Any]:
    """Make a column of text that a B-tree holds: an entry of one has room for 2,704 bytes."""
    limit = CheckConstraint(f"length({name}) <= {longest}", name=f"{name}_length")
    return _column(name, Text, comment, limit, nullable=False, **kw)


def _bool(name: str, comment: str, **kw: Any) -> Column[Any]:
    return _column(name, Boolean, comment, **kw)


def _time(name: str, comment: str, **kw: Any) -> Column[Any]:
    return _column(name, DateTime(timezone=True), comment, **kw)


def _json(name: str, comment: str, **kw: Any) -> Column[Any]:
    return _column(name, JSONB, comment, **kw)


def _from_index() -> Column[Any]:
    return _column(
        "from_index",
        ARRAY(Text),
        "Columns whose value is the one of the site's index (explore, search, front page), which may lag by"
        " months; empty as soon as better responses have told them all.",
        nullable=False,
        server_default=text("'{}'"),
        release=treatments.keep("how little of a thing was read says nothing of the community"),
    )


def _life(
    released: treatments.Life = treatments.ENTITY, reasons: tuple[GoneReason, ...] = ()
) -> tuple[Column[Any], ...]:
    """Return the columns that every row of `scratch` ends with; `reasons`: why one can be gone, if that is closed."""
    return (
        _time(
            "first_seen_at",
            "When the row was first stored.",
            nullable=False,
            server_default=text("now()"),
            release=released.first_seen_at,
        ),
        _time("gone_at", "When it was shown to be absent from the site; null while present.", release=released.gone_at),
        _time(
            "last_seen_at",
            "When it was last known to be present: it vanished between this and gone_at.",
            release=released.last_seen_at,
        ),
        _text(
            "gone_reason",
            "What its absence means, as far as the site tells; null while present.",
            choices=reasons,
            release=released.gone_reason,
        ),
        _json(
            "extra",
            "Served fields that have no column here, by their served name.",
            nullable=False,
            server_default=text("'{}'"),
            release=released.extra,
        ),
    )


def _table(schema: str, name: str, comment: str, *parts: Any, **kw: Any) -> Table:
    return Table(name, metadata, *parts, schema=schema, comment=comment, **kw)


# scratch ------------------------------------------------------------------------------------------------------------

users = _table(
    "scratch",
    "users",
    "Accounts. Each account that was met has a row; a column is null until a response with authority over it was read.",
    _big(
        "id",
        "The user's id at the site.",
        primary_key=True,
        autoincrement=False,
        person=Person.OWNER,
        release=treatments.own_id("user"),
    ),
    _text(
        "username",
        "The name as shown; looked up without regard to case. Null while only the id is known.",
        person=Person.OWNER,
        names=NAME,
        history=History.REVISIONS,
        release=treatments.internal_only("names a person"),
    ),
    _time("joined_at", "When the account was registered.", history=History.NONE, release=treatments.generalize()),
    _bool(
        "scratch_team",
        "Whether the account belongs to the Scratch Team.",
        history=History.REVISIONS,
        release=treatments.keep("so few that each is known"),
    ),
    _text(
        "country",
        "The country, as declared by the person; first entries of the site's list are inflated.",
        person=Person.NOBODY,
        history=History.REVISIONS,
        release=treatments.generalize(),
    ),
    _text(
        "status",
        "The profile's text `What I'm working on`.",
        person=Person.TEXT,
        history=History.REVISIONS,
        release=treatments.free_text(),
    ),
    _text(
        "bio",
        "The profile's text `About me`.",
        person=Person.TEXT,
        history=History.REVISIONS,
        release=treatments.free_text(),
    ),
    _big(
        "profile_id",
        "The id of the profile, which is not the user's id.",
        person=Person.NOBODY,
        history=History.NONE,
        release=treatments.internal_only("a second id of the person at the site"),
    ),
    _big(
        "featured_project_id",
        "The project shown on the profile. Soft reference to projects.",
        refers="scratch.projects",
        person=Person.MENTION,
        history=History.REVISIONS,
        release=treatments.reference("project", treatments.AUTHOR),
    ),
    _text(
        "featured_label",
        "The label over the featured project.",
        person=Person.TEXT,
        history=History.REVISIONS,
        release=treatments.free_text(),
    ),
    _from_index(),
    *_life(reasons=(GoneReason.NOT_FOUND, GoneReason.DELETED_OR_BANNED, GoneReason.ERASED)),
    Index("users_lower_username_idx", text("lower(username)"), postgresql_using="hash"),
)

projects = _table(
    "scratch",
    "projects",
    "Projects that are or were shared.",
    _big(
        "id",
        "The project's id at the site.",
        primary_key=True,
        autoincrement=False,
        person=Person.OWNER,
        release=treatments.own_id("project"),
    ),
    _big(
        "author_id",
        "Who shared it.",
        ForeignKey("scratch.users.id"),
        person=Person.OWNER,
        history=History.NONE,
        release=treatments.reference("user", treatments.AUTHOR, needed=True),
    ),
    _text("title", "The title.", person=Person.TEXT, history=History.REVISIONS, release=treatments.free_text()),
    _text(
        "description",
        "The text `Notes and Credits`.",
        person=Person.TEXT,
        history=History.REVISIONS,
        release=treatments.free_text(),
    ),
    _text(
        "instructions",
        "The text `Instructions`.",
        person=Person.TEXT,
        history=History.REVISIONS,
        release=treatments.free_text(),
    ),
    _text(
        "visibility",
        "Visibility as the site states it, such as visible.",
        person=Person.NOBODY,
        history=History.REVISIONS,
        release=treatments.keep(treatments.SAME),
    ),
    _bool(
        "public", "Whether the project is public.", history=History.REVISIONS, release=treatments.keep(treatments.SAME)
    ),
    _bool(
        "comments_allowed",
        "Whether its author lets others comment.",
        history=History.REVISIONS,
        release=treatments.keep("rarely false"),
    ),
    _bool(
        "is_published", "Whether it is published.", history=History.REVISIONS, release=treatments.keep(treatments.SAME)
    ),
    _time("created_at", "When it was created.", history=History.NONE, release=treatments.generalize()),
    _time(
        "modified_at",
        "When it was last saved; the site has touched many at once, so no sign of change.",
        history=History.NONE,
        release=treatments.keep("a second exact time"),
    ),
    _time(
        "shared_at",
        "When it was last shared; null for one that never was.",
        history=History.REVISIONS,
        release=treatments.keep("a second exact time"),
    ),
    _int("views", "Views.", history=History.STATS, release=treatments.generalize()),
    _int("loves", "Loves.", history=History.STATS, release=treatments.generalize()),
    _int("favorites", "Favorites.", history=History.STATS, release=treatments.generalize()),
    _int(
        "remixes",
        "Remixes, as the project's own page states them; lists serve 0 and are not believed.",
        history=History.STATS,
        release=treatments.generalize(),
    ),
    _big(
        "parent_id",
        "The project it was remixed from. Soft reference: the parent may be unshared.",
        refers="scratch.projects",
        person=Person.MENTION,
        history=History.NONE,
        release=treatments.reference("project", treatments.TREE),
    ),
    _big(
        "root_id",
        "The first project of its tree of remixes. Soft reference.",
        refers="scratch.projects",
        person=Person.MENTION,
        history=History.NONE,
        release=treatments.reference("project", treatments.TREE),
    ),
    _from_index(),
    *_life(reasons=(GoneReason.UNSHARED_OR_DELETED,)),
    Index(None, "author_id"),
    Index(None, "parent_id"),
    # Trees are found by their root too. Only remixes enter it, which are few.
    Index(None, "root_id", postgresql_where=text("root_id IS NOT NULL")),
)

studios = _table(
    "scratch",
    "studios",
    "Studios.",
    _big(
        "id",
        "The studio's id at the site.",
        primary_key=True,
        autoincrement=False,
        person=Person.NOBODY,
        release=treatments.own_id("studio"),
    ),
    _big(
        "host_id",
        "Who hosts it. Soft reference to users: only the id is served.",
        refers="scratch.users",
        person=Person.AUTHOR,
        history=History.REVISIONS,
        release=treatments.reference("user", treatments.AUTHOR),
    ),
    _text("title", "The title.", person=Person.TEXT, history=History.REVISIONS, release=treatments.free_text()),
    _text(
        "description", "The description.", person=Person.TEXT, history=History.REVISIONS, release=treatments.free_text()
    ),
    _text(
        "visibility",
        "Visibility as the site states it.",
        person=Person.NOBODY,
        history=History.REVISIONS,
        release=treatments.keep(treatments.SAME),
    ),
    _bool(
        "public", "Whether the studio is public.", history=History.REVISIONS, release=treatments.keep(treatments.SAME)
    ),
    _bool(
        "open_to_all", "Whether anyone may add projects.", history=History.REVISIONS, release=treatments.generalize()
    ),
    _bool(
        "comments_allowed",
        "Whether commenting is open.",
        history=History.REVISIONS,
        release=treatments.keep("rarely false"),
    ),
    _time("created_at", "When it was created.", history=History.NONE, release=treatments.generalize()),
    _time(
        "modified_at", "When it was last changed.", history=History.NONE, release=treatments.keep("a second exact time")
    ),
    _int(
        "comment_count",
        "Comments as the site states them: 100 means 100 or more.",
        history=History.STATS,
        release=treatments.generalize(),
    ),
    _int("follower_count", "Followers, exact.", history=History.STATS, release=treatments.generalize()),
    _int(
        "manager_count",
        "Managers, the host included; 40 at most.",
        history=History.STATS,
        release=treatments.keep("members are people"),
    ),
    _int(
        "project_count",
        "Projects as the site states them: 100 means 100 or more, unshared ones may count.",
        history=History.STATS,
        release=treatments.generalize(),
    ),
    _from_index(),
    *_life(reasons=(GoneReason.CLOSED_OR_DELETED,)),
)


def _comment_references(name: str, **parent: Any) -> tuple[Column[Any], ...]:
    return (
        _big(
            "parent_id",
            "The comment it replies to; null at the top of a thread.",
            ForeignKey(f"scratch.{name}.id", **parent),
            person=Person.NOBODY,
            history=History.NONE,
            release=treatments.reference(name.removesuffix("s"), treatments.TREE),
        ),
        _big(
            "author_id",
            "Who wrote it.",
            ForeignKey("scratch.users.id"),
            person=Person.AUTHOR,
            history=History.NONE,
            release=treatments.reference("user", treatments.AUTHOR, needed=True),
        ),
        _big(
            "commentee_id",
            "Whom a reply addresses; may be null. Soft reference to users.",
            refers="scratch.users",
            person=Person.MENTION,
            history=History.NONE,
            release=treatments.reference("user", treatments.AUTHOR),
        ),
    )


def _comment_content() -> tuple[Column[Any], ...]:
    return (
        _text(
            "content",
            "The text as a reader sees it; an emoji stands as :name:.",
            person=Person.TEXT,
            history=History.REVISIONS,
            release=treatments.free_text(),
        ),
        _text(
            "content_raw",
            "The text as served, where it differs from what a reader sees.",
            person=Person.TEXT,
            history=History.REVISIONS,
            release=treatments.RAW_TEXT,
        ),
        _time(
            "created_at", "When it was written, to the second.", history=History.NONE, release=treatments.generalize()
        ),
        _time(
            "modified_at",
            "When the site last touched it; a second after its creation in one of four.",
            history=History.NONE,
            release=treatments.keep("an exact time, mostly that of the creation"),
        ),
        _text(
            "visibility",
            "Visibility as the site states it.",
            person=Person.NOBODY,
            history=History.REVISIONS,
            release=treatments.keep(treatments.SAME),
        ),
        _int(
            "reply_count",
            "Replies as the site states them: above 0 if there are any, else not exact.",
            history=History.NONE,
            release=treatments.keep("replies can be counted"),
        ),
    )


def _comments(name: str, comment: str, place: Column[Any], *reasons: GoneReason, **parent: Any) -> Table:
    return _table(
        "scratch",
        name,
        comment,
        _big(
            "id",
            "The comment's id; ids of the three kinds collide.",
            primary_key=True,
            autoincrement=False,
            person=Person.NOBODY,
            release=treatments.own_id(name.removesuffix("s")),
        ),
        place,
        *_comment_references(name, **parent),
        *_comment_content(),
        *_life(reasons=reasons),
        Index(None, place.name, "created_at"),
        Index(None, "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index(None, "author_id"),
    )


project_comments = _comments(
    "project_comments",
    "Comments on projects, with their replies.",
    _big(
        "project_id",
        "The project it stands on.",
        ForeignKey("scratch.projects.id"),
        nullable=False,
        person=Person.OWNER,
        history=History.NONE,
        container=True,
        release=treatments.reference("project", treatments.PLACE, needed=True),
    ),
    GoneReason.DELETED,
)
studio_comments = _comments(
    "studio_comments",
    "Comments in studios, with their replies.",
    _big(
        "studio_id",
        "The studio it stands in.",
        ForeignKey("scratch.studios.id"),
        nullable=False,
        person=Person.NOBODY,
        history=History.NONE,
        container=True,
        release=treatments.reference("studio", treatments.PLACE, needed=True),
    ),
    GoneReason.DELETED,
)
profile_comments = _comments(
    "profile_comments",
    "Comments on profiles, with their replies.",
    _big(
        "user_id",
        "The user whose profile it stands on.",
        ForeignKey("scratch.users.id"),
        nullable=False,
        person=Person.OWNER,
        history=History.NONE,
        container=True,
        release=treatments.reference("user", treatments.PLACE, needed=True),
    ),
    GoneReason.DELETED,
    GoneReason.REMOVED,
    # A removed comment and its replies arrive on one page, in two statements.
    deferrable=True,
    initially="DEFERRED",
)

follows = _table(
    "scratch",
    "follows",
    "Who follows whom. The site serves no dates.",
    _big(
        "follower_id",
        "Who follows.",
        ForeignKey("scratch.users.id"),
        person=Person.OWNER,
        release=treatments.reference("user", treatments.DEGREES, needed=True),
    ),
    _big(
        "followee_id",
        "Who is followed.",
        ForeignKey("scratch.users.id"),
        person=Person.OWNER,
        release=treatments.reference("user", treatments.DEGREES, needed=True),
    ),
    *_life(treatments.EDGE, (GoneReason.NO_LONGER_LISTED,)),
    PrimaryKeyConstraint("follower_id", "followee_id"),
    Index(None, "followee_id"),
)

favorites = _table(
    "scratch",
    "favorites",
    "Which projects a user marked as favorite. The site serves no dates.",
    _big(
        "user_id",
        "Whose favorite it is.",
        ForeignKey("scratch.users.id"),
        person=Person.OWNER,
        release=treatments.reference("user", treatments.DEGREES, needed=True),
    ),
    _big(
        "project_id",
        "The project.",
        ForeignKey("scratch.projects.id"),
        person=Person.OWNER,
        container=True,
        release=treatments.reference("project", treatments.DEGREES, needed=True),
    ),
    *_life(treatments.EDGE, (GoneReason.NO_LONGER_LISTED,)),
    PrimaryKeyConstraint("user_id", "project_id"),
    Index(None, "project_id"),
)

studio_projects = _table(
    "scratch",
    "studio_projects",
    "Which projects are in which studio.",
    _big(
        "studio_id",
        "The studio.",
        ForeignKey("scratch.studios.id"),
        person=Person.NOBODY,
        container=True,
        release=treatments.reference("studio", treatments.DEGREES, needed=True),
    ),
    _big(
        "project_id",
        "The project.",
        ForeignKey("scratch.projects.id"),
        person=Person.OWNER,
        container=True,
        release=treatments.reference("project", treatments.DEGREES, needed=True),
    ),
    _big(
        "added_by_id",
        "Who added it; null until the studio's own list was read. Soft reference to users.",
        refers="scratch.users",
        person=Person.MENTION,
        release=treatments.reference("user", treatments.DEGREES),
    ),
    *_life(treatments.EDGE, (GoneReason.NO_LONGER_LISTED,)),
    PrimaryKeyConstraint("studio_id", "project_id"),
    Index(None, "project_id"),
)

studio_members = _table(
    "scratch",
    "studio_members",
    "Who runs a studio. Each member has one role, the highest.",
    _big(
        "studio_id",
        "The studio.",
        ForeignKey("scratch.studios.id"),
        person=Person.NOBODY,
        container=True,
        release=treatments.reference("studio", treatments.DEGREES, needed=True),
    ),
    _big(
        "user_id",
        "The member.",
        ForeignKey("scratch.users.id"),
        person=Person.OWNER,
        release=treatments.reference("user", treatments.DEGREES, needed=True),
    ),
    _text(
        "role",
        "The highest role; null while known from the member's own list alone.",
        choices=_ROLES,
        person=Person.NOBODY,
        history=History.REVISIONS,
        release=treatments.keep(treatments.DEGREES),
    ),
    *_life(treatments.EDGE, (GoneReason.NO_LONGER_LISTED,)),
    PrimaryKeyConstraint("studio_id", "user_id"),
    Index(None, "user_id"),
)

studio_activity = _table(
    "scratch",
    "studio_activity",
    "What happened in a studio.",
    _big(
        "studio_id",
        "The studio.",
        ForeignKey("scratch.studios.id"),
        person=Person.NOBODY,
        container=True,
        release=treatments.reference("studio", treatments.AUTHOR, needed=True),
    ),
    _key_text("id", "The event's id as served: type-number.", person=Person.NOBODY, release=treatments.own_id("event")),
    _text(
        "type",
        "The kind of event: addprojecttostudio, removeprojectstudio, updatestudio, becomecurator, removecuratorstudio,"
        " becomeownerstudio (a manager now), becomehoststudio; others may come.",
        person=Person.NOBODY,
        release=treatments.keep(treatments.AUTHOR),
    ),
    _big(
        "actor_id",
        "Who acted. Soft reference to users.",
        refers="scratch.users",
        person=Person.OWNER,
        release=treatments.reference("user", treatments.AUTHOR, needed=True),
    ),
    _text(
        "actor_username",
        "The name of who acted, as served.",
        person=Person.OWNER,
        names=NAME,
        release=treatments.internal_only("names a person"),
    ),
    _time("created_at", "When it happened, to the second.", release=treatments.keep(treatments.AUTHOR)),
    _big(
        "project_id",
        "The project concerned. Soft reference.",
        refers="scratch.projects",
        person=Person.OWNER,
        release=treatments.reference("project", treatments.AUTHOR),
    ),
    _text("project_title", "Its title at the time.", person=Person.TEXT, release=treatments.free_text()),
    _text(
        "username",
        "The other person concerned: the inviter of a new curator, or who was removed.",
        person=Person.OWNER,
        names=NAME,
        release=treatments.USERNAME,
    ),
    _text("recipient_username", "Who was promoted.", person=Person.OWNER, names=NAME, release=treatments.USERNAME),
    *_life(treatments.EDGE),
    PrimaryKeyConstraint("studio_id", "id"),
    Index(None, "studio_id", "created_at"),
)

_HASHED_HEADLINE = "hashtextextended(headline, 0)"
news = _table(
    "scratch",
    "news",
    "The site's announcements. Ids are used again for other items, so the headline is part of the key.",
    _key_text(
        "id",
        "The id as served; beyond 64-bit floats, so kept as text.",
        person=Person.NOBODY,
        release=treatments.internal_only("the site's own announcements, with links: nothing of the community"),
    ),
    _text(
        "headline",
        "The headline.",
        nullable=False,
        person=Person.NOBODY,
        release=treatments.internal_only("the site's own announcements, with links: nothing of the community"),
    ),
    _text(
        "url",
        "Where it leads.",
        person=Person.NOBODY,
        release=treatments.internal_only("the site's own announcements, with links: nothing of the community"),
    ),
    _text(
        "image",
        "The picture.",
        person=Person.NOBODY,
        release=treatments.internal_only("the site's own announcements, with links: nothing of the community"),
    ),
    _text(
        "copy",
        "The text.",
        person=Person.NOBODY,
        release=treatments.internal_only("the site's own announcements, with links: nothing of the community"),
    ),
    _time(
        "stamp",
        "The time as served, which is years off.",
        release=treatments.internal_only("the site's own announcements, with links: nothing of the community"),
    ),
    *_life(treatments.ANNOUNCEMENT),
    Index("news_id_headline_key", "id", text(_HASHED_HEADLINE), unique=True),
    info={"key": ("id", "headline"), "unique": f"id, {_HASHED_HEADLINE}"},
)

# history ------------------------------------------------------------------------------------------------------------


def _superseded(name: str, comment: str, of: Table, where: History) -> Table:
    """Make a table of superseded versions of the columns of `of` that are kept there."""
    thing = f"{name.split('_', maxsplit=1)[0]}_id"
    return _table(
        "history",
        name,
        comment,
        _big(thing, f"The id in {of.fullname}.", nullable=False, refers=of.fullname),
        *_interval(),
        *(_column(c, of.c[c].type, str(of.c[c].comment), refers=about(of.c[c]).refers) for c in kept(of, where)),
        PrimaryKeyConstraint(thing, "valid_to"),
        info={"of": (of,)},
    )


def _interval() -> tuple[Column[Any], Column[Any], Column[Any]]:
    return (
        _time("valid_from", "When this version was first seen.", nullable=False),
        _time(
            "last_seen_at",
            "When the values that the next version has changed were last seen as they are here: the change was made"
            " after that and by valid_to.",
            nullable=False,
        ),
        _time("valid_to", "When it was first seen superseded.", nullable=False),
    )


user_revisions = _superseded(
    "user_revisions",
    "Earlier names, countries and profile texts of users. The version in force is in scratch.users.",
    users,
    History.REVISIONS,
)
project_revisions = _superseded(
    "project_revisions",
    "Earlier texts and settings of projects. The version in force is in scratch.projects.",
    projects,
    History.REVISIONS,
)
project_stats = _superseded(
    "project_stats",
    "Earlier counters of projects. Those in force are in scratch.projects.",
    projects,
    History.STATS,
)
studio_revisions = _superseded(
    "studio_revisions",
    "Earlier texts and settings of studios. The version in force is in scratch.studios.",
    studios,
    History.REVISIONS,
)
studio_stats = _superseded(
    "studio_stats",
    "Earlier counters of studios. Those in force are in scratch.studios.",
    studios,
    History.STATS,
)
comment_revisions = _table(
    "history",
    "comment_revisions",
    "Earlier texts and visibilities of comments. The version in force is in scratch.",
    _text("kind", "Where the comment stands.", choices=("project", "studio", "profile"), nullable=False),
    _big("comment_id", "The id in the table of that kind.", nullable=False),
    *_interval(),
    _text("content", "The text as a reader saw it."),
    _text("content_raw", "The text as served, where it differed."),
    _text("visibility", "Visibility as the site stated it."),
    PrimaryKeyConstraint("kind", "comment_id", "valid_to"),
    info={"of": (project_comments, studio_comments, profile_comments)},
)
member_revisions = _table(
    "history",
    "member_revisions",
    "Earlier roles in studios. The role in force is in scratch.studio_members.",
    _big("studio_id", "The studio.", nullable=False, refers="scratch.studios"),
    _big("user_id", "The member.", nullable=False, refers="scratch.users"),
    *_interval(),
    _text("role", "The role.", choices=_ROLES),
    PrimaryKeyConstraint("studio_id", "user_id", "valid_to"),
    info={"of": (studio_members,)},
)
absences = _table(
    "history",
    "absences",
    "Absences that ended: things that were gone and came back. One that lasts is in the row itself.",
    _text("kind", "The table in scratch.", nullable=False),
    _big("thing_id", "The first column of the row's key.", nullable=False),
    _big("other_id", "The second column of the key of an edge, else 0.", nullable=False, server_default=text("0")),
    _time("gone_at", "When it was shown to be absent.", nullable=False),
    _time("last_seen_at", "When it was last known to be present before."),
    _time("returned_at", "When it was seen again.", nullable=False),
    _text("gone_reason", "What the absence meant.", choices=tuple(GoneReason)),
    PrimaryKeyConstraint("kind", "thing_id", "other_id", "gone_at"),
)
rankings = _table(
    "history",
    "rankings",
    "Ranking entries (explore, search, front page), which hold no list to be complete of, with what the index"
    " that answers says of the thing: it may lag by months behind the thing's own page.",
    _key_text(
        "ranking",
        "Which ranking, with its query, mode and language; or a row of the front page.",
        longest=LONGEST_RANKING,
        person=Person.NOBODY,
    ),
    _time("seen_at", "When the reading of the ranking began.", nullable=False),
    _int("position", "The position, from 0.", nullable=False),
    _text("kind", "What stood there.", choices=("project", "studio"), nullable=False, person=Person.NOBODY),
    _big(
        "thing_id",
        "Its id. Soft reference to projects or studios.",
        nullable=False,
        person=Person.OWNER,
        names=PROJECT,
    ),
    _int("views", "Views of a project, as the index says."),
    _int("loves", "Loves of a project, as the index says."),
    _int("favorites", "Favorites of a project, as the index says."),
    _time("created_at", "When it was created, as the index says."),
    _time("modified_at", "When it was last saved, as the index says."),
    _time("shared_at", "When a project was last shared, as the index says."),
    _json("extra", "Texts and what else stood there, by its served name.", nullable=False, server_default=text("'{}'")),
    PrimaryKeyConstraint("ranking", "seen_at", "position"),
    Index(None, "kind", "thing_id"),
)
site_counts = _table(
    "history",
    "site_counts",
    "What the site states of itself.",
    _text("name", "What is counted: projects, unshared ones included.", nullable=False, person=Person.NOBODY),
    _time("seen_at", "When.", nullable=False),
    _big("count", "The number.", nullable=False, person=Person.NOBODY),
    PrimaryKeyConstraint("name", "seen_at"),
)
site_health = _table(
    "history",
    "site_health",
    "What the API said of its own servers, at the start of each run.",
    _time("seen_at", "When.", primary_key=True),
    _text("trouble", "What is wrong; null while all is well.", person=Person.NOBODY),
    _text("version", "The version of the API.", person=Person.NOBODY),
    Column("uptime", Double, comment="Seconds since its server started."),
    _json("extra", "Load, database pools and cache, as served.", nullable=False, server_default=text("'{}'")),
)
message_counts = _table(
    "history",
    "message_counts",
    "How many unread messages a user has, which the site shows to everybody.",
    _big("user_id", "The user.", ForeignKey("scratch.users.id"), nullable=False, person=Person.OWNER),
    _time("seen_at", "When.", nullable=False),
    _big("count", "The number.", nullable=False, person=Person.NOBODY),
    PrimaryKeyConstraint("user_id", "seen_at"),
)

# crawl --------------------------------------------------------------------------------------------------------------

runs = _table(
    "crawl",
    "runs",
    "One row per run of a crawl.",
    _big("id", "The run.", Identity(always=True), primary_key=True),
    _time("started_at", "When it began.", nullable=False, server_default=text("now()")),
    _time("ended_at", "When it ended, or was found to live no more; null while it runs."),
    _text("command", "What was asked for.", nullable=False),
    _text("version", "The version of the harvester.", nullable=False),
    _text("api_url", "The API that was read.", nullable=False),
    _text("contact", "The contact that was stated to the site."),
    _text("permission", "What entitled the operator, as stated."),
    _text("user_agent", "The User-Agent of its requests."),
    Column("rate", Double, comment="Requests per second that the warehouse allowed when it began; 0: unlimited."),
    _json("shares", "The shares of the request budget, by purpose, that it kept to."),
    _text(
        "outcome",
        "How it ended; null while it runs.",
        choices=("done", "degraded", "bounded", "interrupted", "failed", "killed"),
    ),
    _big("requests", "Requests sent.", nullable=False, server_default=text("0")),
    _json(
        "counts",
        "Rows inserted, updated, unchanged and found to be gone, by table.",
        nullable=False,
        server_default=text("'{}'"),
    ),
    _json(
        "requests_by_purpose",
        "Requests by what they were for: see the shares of the budget.",
        nullable=False,
        server_default=text("'{}'"),
    ),
    _json(
        "responses",
        "Responses by stream and status; - where none came.",
        nullable=False,
        server_default=text("'{}'"),
    ),
    _json("findings", "What is wrong with the run, in words; empty where nothing is.", server_default=text("'[]'")),
    _big(
        "parent_run_id",
        "The run of the command that started this one as a worker of its own; null elsewhere.",
        refers="crawl.runs",
    ),
)
Index(None, runs.c.ended_at)

deleted_runs = _table(
    "crawl",
    "deleted_runs",
    "Sums over the runs whose records were deleted: what is counted over all runs never falls.",
    _text("kind", "What is counted.", choices=("response", "row", "run"), nullable=False),
    _text("name", "The stream of a response, the table of a row, the outcome of a run.", nullable=False),
    _text("detail", "The status of a response, what became of a row; empty for a run.", nullable=False),
    _big("count", "How many.", nullable=False),
    PrimaryKeyConstraint("kind", "name", "detail"),
)

replays = _table(
    "crawl",
    "replays",
    "The replay of archives that filled the warehouse, if one did: how far it has come, stored with the rows.",
    _text("hash", "A digest of the names and sizes of the archives.", nullable=False),
    _big("transactions", "Transactions of the archives that are stored.", nullable=False, server_default=text("0")),
    _time("ended_at", "When the replay was complete."),
    PrimaryKeyConstraint("hash"),
)

frontier = _table(
    "crawl",
    "frontier",
    "The frontier and the checkpoints: one row for each list or object in scope.",
    _text("stream", "The stream of the catalogue.", nullable=False),
    _big("entity_id", "The user, project, studio or comment that is visited.", nullable=False),
    _big(
        "owner_id",
        "For replies: the project or studio on whose page the thread stands. Of the own account: its user id.",
    ),
    Column(
        "depth",
        SmallInteger,
        comment="Hops from here that are visited too, as seeded; -1: it alone, without its lists.",
        nullable=False,
        server_default=text("0"),
    ),
    Column(
        "propagated_depth",
        SmallInteger,
        comment="The depth with which what this visit met was put in scope; -1 before its first visit.",
        nullable=False,
        server_default=text("-1"),
    ),
    Column("started_depth", SmallInteger, comment="The depth when the visit under way began."),
    _time(
        "due_at",
        "When a visit must take place at the latest: at once, for a second look, or to read the list in full again.",
        nullable=False,
    ),
    _int("signal", "The counter that last announced something new, such as a comment's reply_count for its replies."),
    _time("announced_at", "When another list or object announced something new; null once it was visited after that."),
    _bool(
        "incremental",
        "Whether the next visit may go on from the certificate.",
        nullable=False,
        server_default=text("true"),
    ),
    Column(
        "lease_token", UUID, comment="The token with which pages may be committed; null while the entry is not leased."
    ),
    _big("lease_run", "The run that holds the lease.", refers="crawl.runs"),
    _time("lease_until", "When the lease may be taken over at the latest."),
    _int(
        "position",
        "Pages committed since the entry was made: a page that expects another number is refused.",
        nullable=False,
        server_default=text("0"),
    ),
    _json("state", "The paginator between two pages; null while none is under way."),
    _json("certificate", "What the last complete visit proved, from where the next one goes on."),
    _time("certified_from", "When the visit behind the certificate began."),
    _time("certified_at", "When it ended."),
    _time("started_at", "When the visit under way began."),
    _int("visits", "Visits completed.", nullable=False, server_default=text("0")),
    _big("items", "Items that its pages held, all visits together.", nullable=False, server_default=text("0")),
    _int("failures", "Visits in a row that failed.", nullable=False, server_default=text("0")),
    _text("last_error", "Why the last one failed."),
    _time("gone_at", "When the entity answered 404."),
    _time("visited_at", "When the last completed visit began."),
    _time(
        "proven_at",
        "Of what is asked for by a user's name: until when what was stored of it rests on a name that was shown to be"
        " the account's.",
    ),
    _time(
        "last_full_read_at",
        "When the last visit began that went through the whole list, or read all that is kept of the object.",
    ),
    _int("item_count", "Items that the list held then, and new ones since."),
    Column(
        "new_items_decayed",
        REAL,
        comment="New items seen since the first visit, earlier ones faded (`harvester.frontier.rates`).",
        nullable=False,
        server_default=text("0"),
    ),
    Column(
        "exposure",
        REAL,
        comment="Days observed since the first visit, faded alike.",
        nullable=False,
        server_default=text("0"),
    ),
    Column(
        "missed_items",
        REAL,
        comment="Of a list that another one announces: new items that visits found which nothing announced, faded,"
        " less those that were to be expected since what announces them was read last.",
    ),
    Column(
        "expected_items",
        REAL,
        comment="New items that were to be expected at the same visits until then, by the rate of the list.",
    ),
    Column(
        "recent_items",
        REAL,
        comment="New items of the last days, faded until `visited_at` (`harvester.frontier.activity`).",
    ),
    Column(
        "recent_expected",
        REAL,
        comment="New items that were to be expected in these days by the rate of the list, faded alike.",
    ),
    Column(
        "cost",
        REAL,
        comment="Pages of the last incremental visit, without those that new items fill; null: there was none yet.",
    ),
    Column(
        "stratum", SmallInteger, comment="Age of the entity and how much goes on there, as classes: see crawl.priors."
    ),
    Column(
        "queue",
        SmallInteger,
        comment="The spider (times 32) and the class of its rate: first in, first out. Null: not scheduled.",
    ),
    PrimaryKeyConstraint("stream", "entity_id"),
    # HOT updates: the checkpoint is rewritten with every page.
    postgresql_with={"fillfactor": 70},
)
Index("frontier_new_idx", frontier.c.due_at, postgresql_where=text("visits = 0"))
Index("frontier_due_idx", frontier.c.due_at, postgresql_where=text("visits > 0"))
Index("frontier_queue_idx", frontier.c.queue, frontier.c.visited_at, postgresql_where=text("queue IS NOT NULL"))
Index("frontier_failing_idx", frontier.c.stream, postgresql_where=text("failures > 0"))
Index("frontier_unpropagated_idx", frontier.c.stream, postgresql_where=text("depth > propagated_depth AND visits > 0"))

seen_items = _table(
    "crawl",
    "seen_items",
    "What a visit of a whole list has shown so far; empty once it ended.",
    _text("stream", "The stream.", nullable=False),
    _big("entity_id", "Whose list it is.", nullable=False),
    _big("item_id", "The item.", nullable=False),
    PrimaryKeyConstraint("stream", "entity_id", "item_id"),
)
name_changes = _table(
    "crawl",
    "name_changes",
    "Accounts whose name was seen to be another one, or another account's.",
    _big("user_id", "The account.", nullable=False),
    _time("noticed_at", "When that was noticed.", nullable=False),
    _time("found_at", "When its present name was met; null while its visits by name wait for that."),
    _int("retracted", "Rows taken back that its lists had stored since its name was proven last.", nullable=False),
    PrimaryKeyConstraint("user_id", "noticed_at"),
)
missing_items = _table(
    "crawl",
    "missing_items",
    "What one visit of a whole list did not show: gone if another visit, or asking for it, agrees.",
    _text("stream", "The stream.", nullable=False),
    _big("entity_id", "Whose list it is.", nullable=False),
    _big("item_id", "The item.", nullable=False),
    _time("last_seen_at", "When it was last known to be present.", nullable=False),
    _time("missed_at", "When that visit ended.", nullable=False),
    PrimaryKeyConstraint("stream", "entity_id", "item_id"),
)
priors = _table(
    "crawl",
    "priors",
    "How many new items lists of a kind get: a gamma distribution of rates, fitted to what visits found.",
    _text("stream", "The stream.", nullable=False),
    Column("stratum", SmallInteger, comment="Class of the entity's age (times 8) and activity; -1 for all together."),
    Column("shape", Double, comment="The shape of the gamma distribution.", nullable=False),
    Column("rate", Double, comment="Its mean, in items per list and day.", nullable=False),
    Column("classed_rate", Double, comment="The mean when its lists were last put into classes.", nullable=False),
    _big("lists", "Lists that it was fitted to.", nullable=False),
    _time("fitted_at", "When.", nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("stream", "stratum"),
)
announcements = _table(
    "crawl",
    "announcements",
    "Lists whose new items another list or object announces, and the share that it was seen to announce.",
    _text("stream", "The list.", primary_key=True),
    _text("announced_by", "What announces it.", nullable=False),
    Column("missed", Double, comment="The sum of missed_items of crawl.frontier.", nullable=False),
    Column("expected", Double, comment="The sum of expected_items.", nullable=False),
    Column(
        "share",
        Double,
        comment="The share of new items that is taken to be announced; null: what announces them is not crawled.",
    ),
    Column("classed_share", Double, comment="The share when the lists were last put into classes."),
    _time("fitted_at", "When.", nullable=False, server_default=text("now()")),
)
forecasts = _table(
    "crawl",
    "forecasts",
    "Weekly forecasts of how long new items wait until they are found, and what was observed in the week after.",
    _time("made_at", "When it was made.", primary_key=True),
    Column(
        "requests_a_day", Double, comment="Requests a day in the week before, for which it is made.", nullable=False
    ),
    _json("predicted", "The mean delay in days, by stream.", nullable=False),
    _json("observed", "By stream the new items that were found in the week, and the days that they waited together."),
)
reply_decay = _table(
    "crawl",
    "reply_decay",
    "How the replies that a comment gets thin out with its age, fitted to what is held.",
    Column("age_days", Double, primary_key=True, autoincrement=False, comment="The age from which this holds."),
    _big("replies", "Replies that came at this age.", nullable=False),
    Column("exposure", Double, comment="Days that comments were observed at this age, together.", nullable=False),
    Column("hazard", Double, comment="Replies per comment and day at this age.", nullable=False),
    _time("fitted_at", "When.", nullable=False, server_default=text("now()")),
)

quarantine = _table(
    "crawl",
    "quarantine",
    "Responses that could not be used, whole, and items of lists that could not.",
    _big("id", "The case.", Identity(always=True), primary_key=True),
    _time(
        "first_seen_at",
        "When it came first; of an item, when the visit began that showed it first.",
        nullable=False,
        server_default=text("now()"),
    ),
    _time("seen_at", "When it came last.", nullable=False, server_default=text("now()")),
    _text("stream", "The stream.", nullable=False),
    _big("entity_id", "The entity that was visited.", nullable=False),
    _text("path", "What was asked for, path and query.", nullable=False),
    _int("status", "The HTTP status."),
    _text("reason", "Why the response or the item could not be used.", nullable=False),
    Column("body", LargeBinary, comment="The response as it came, the last one; of an item, the item alone."),
    _int("count", "How often it came.", nullable=False, server_default=text("1")),
    _big(
        "item_id",
        "Of one item of a list: what its list knows it by, or a number below 0 made of its bytes; null: a response.",
    ),
    _int("position", "Of one item: its position on the page that was asked for, from 0."),
    Index(
        "quarantine_stream_entity_id_path_idx",
        "stream",
        "entity_id",
        text("hashtextextended(path, 0)"),  # a name in a path may be of any length
        unique=True,
        postgresql_where=text("item_id IS NULL"),
    ),
    Index(None, "stream", "entity_id", "item_id", unique=True, postgresql_where=text("item_id IS NOT NULL")),
)

rate_limit = _table(
    "crawl",
    "rate_limit",
    "One row: the request budget that all workers share (generic cell rate algorithm).",
    Column("id", SmallInteger, primary_key=True, autoincrement=False, comment="Always 1."),
    _time("next_at", "When the next request may be sent.", nullable=False, server_default=text("now()")),
    _time("closed_until", "No request is sent before: the site asked for a pause."),
    _text("closed_reason", "Why."),
    _int(
        "breaker_trips",
        "Pauses in a row, each longer, because nothing answered any more; 0 while the site answers.",
        nullable=False,
        server_default=text("0"),
    ),
    _time("probing_until", "One request is on its way to see whether the site answers again; others wait until then."),
    _big("taken", "Places handed out so far.", nullable=False, server_default=text("0")),
    Column(
        "rate",
        Double,
        nullable=False,
        comment="Requests per second over all workers; 0: unlimited. That of the first run, until it is changed.",
    ),
    CheckConstraint("id = 1", name="one_row"),
    CheckConstraint("rate >= 0 AND rate < 'Infinity'", name="rate"),
)

source = _table(
    "crawl",
    "source",
    "One row: the source of all rows. A run with another one is refused.",
    Column("id", SmallInteger, primary_key=True, autoincrement=False, comment="Always 1."),
    _text("api_url", "The API that is read.", nullable=False),
    _text("site_url", "The site whose pages are read.", nullable=False),
    _text("sandbox", "The community of the sandbox: its rows are synthetic. Null for any other source."),
    _text("projects_url", "The host of the sources of projects; null where none were read."),
    _time("recorded_at", "When its first response came.", nullable=False, server_default=text("clock_timestamp()")),
    CheckConstraint("id = 1", name="one_row"),
)

rate_changes = _table(
    "crawl",
    "rate_changes",
    "Each change of the rate of requests (`budget.rate`), the first record of it included.",
    _big("id", "In their order.", Identity(always=True), primary_key=True),
    _time("changed_at", "When.", nullable=False, server_default=text("clock_timestamp()")),
    Column("rate", Double, nullable=False, comment="Requests per second from then on; 0: unlimited."),
    Column("previous_rate", Double, comment="Requests per second until then; null: the warehouse had no rate yet."),
    _text("changed_by", "The operating system's user and host of the command: user@host.", nullable=False),
    _text("database_role", "The role of its session.", nullable=False, server_default=text("session_user")),
)

seeds = _table(
    "crawl",
    "seeds",
    "What the operator put in scope.",
    _text("kind", "What it is.", choices=_KINDS, nullable=False),
    _big("entity_id", "Which one.", nullable=False),
    Column("depth", SmallInteger, nullable=False, comment="Hops from it that are visited too."),
    _time("seeded_at", "When it was first seeded.", nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("kind", "entity_id"),
    CheckConstraint("depth >= 0", name="depth"),
)

queries = _table(
    "crawl",
    "queries",
    "Rankings that the operator put in scope: explore, search, the front page.",
    _big("id", "The entity_id of its frontier entry.", Identity(always=True), primary_key=True),
    _text("stream", "The stream.", nullable=False),
    _key_text("query", "The word that is looked for; * is everything.", server_default=text("''")),
    _text(
        "mode",
        "The order that is asked for; empty for the front page, which has none.",
        choices=("", *RankingMode),
        nullable=False,
        server_default=text("''"),
    ),
    _key_text("language", "The language that the ranking is asked for in.", server_default=text("''")),
    _int("pages", "Pages of 40 that are read.", nullable=False, server_default=text("1")),
    Column("depth", SmallInteger, nullable=False, comment="Hops from what is found that are visited too."),
    _time("seeded_at", "When it was first put in scope.", nullable=False, server_default=text("now()")),
    UniqueConstraint("stream", "query", "mode", "language"),
)

designs = _table(
    "crawl",
    "designs",
    "How a sample was drawn.",
    _big("id", "The design.", Identity(always=True), primary_key=True),
    _text(
        "name",
        "The kind of design; walk: a random walk.",
        choices=("uniform", "stratified", "panel", "authors", "walk"),
        nullable=False,
    ),
    _json("parameters", "Its parameters, frame and seed.", nullable=False),
    _time("drawn_at", "When.", nullable=False, server_default=text("now()")),
    _text("kind", "What it draws.", choices=_KINDS, nullable=False, server_default=text("'project'")),
    _big(
        "parent_id",
        "For authors and random walks: the design from whose hits they come or start.",
        ForeignKey("crawl.designs.id"),
    ),
    Column(
        "depth",
        SmallInteger,
        nullable=False,
        server_default=text("-1"),
        comment="Hops from a hit that are visited too; -1: the hit alone, without its lists.",
    ),
    _time("completed_at", "When the last unit was drawn; null while authors or steps of a random walk are to come."),
    _time("cancelled_at", "When its visits were ended; what was visited by then stays recorded."),
)
strata = _table(
    "crawl",
    "strata",
    "The frame of a design in parts: intervals of ids, each sampled on its own.",
    _big("design_id", "The design.", ForeignKey("crawl.designs.id")),
    _text("stratum", "The part."),
    _big("first_id", "Its first id; null for what is taken with certainty, which the others leave out."),
    _big("last_id", "Its last id."),
    _big("frame_size", "How many ids it has.", nullable=False),
    PrimaryKeyConstraint("design_id", "stratum"),
)
draws = _table(
    "crawl",
    "draws",
    "What a design drew, misses included.",
    _big("design_id", "The design.", ForeignKey("crawl.designs.id")),
    _big(
        "position",
        "The position in the draw, from 0; of an author, that of the project; of random walks, one after the other.",
    ),
    _big("entity_id", "What was drawn.", nullable=False),
    _text("stratum", "The stratum it was drawn from."),
    Column(
        "inclusion_probability",
        Double,
        comment="The first-order inclusion probability; null where it is known up to a factor only (random walks).",
    ),
    _text(
        "outcome",
        "A hit, or the kind of miss, of random walks also burn-in and isolated; null until visited. Of a panel: in the"
        " current wave.",
        choices=(*_OUTCOMES, "burn-in", "isolated"),
    ),
    _big(
        "cluster_id", "What was drawn independently: the project, an author's project, the number of the random walk."
    ),
    Column("weight", Double, comment="What one draw stands for; of a random walk up to a common factor."),
    Column(
        "measure",
        Double,
        comment="Of an author: projects in the frame. Of a step: degree plus restart times projects.",
    ),
    Column("panel_group", SmallInteger, comment="Of a rotating panel: the part that is replaced together."),
    _time("drawn_at", "When.", nullable=False, server_default=text("now()")),
    _time("visited_at", "When the outcome was recorded: with the first visit after the draw or the start of the wave."),
    _time("replaced_at", "When another took its place in a rotating panel."),
    PrimaryKeyConstraint("design_id", "position"),
)
Index("draws_open_idx", draws.c.entity_id, postgresql_where=text("outcome IS NULL"))
waves = _table(
    "crawl",
    "waves",
    "The waves of a panel: each visits every unit that stands in the panel once more.",
    _big("design_id", "The panel.", ForeignKey("crawl.designs.id")),
    _int("wave", "The wave; 0 is that of the draw."),
    _time("started_at", "When it began.", nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("design_id", "wave"),
)
wave_outcomes = _table(
    "crawl",
    "wave_outcomes",
    "What became of the units of a panel in the waves before the current one, whose outcomes are in crawl.draws.",
    _big("design_id", "The panel.", ForeignKey("crawl.designs.id")),
    _int("wave", "The wave."),
    _big("position", "The position in the draw."),
    _text(
        "visit",
        "What had become of its visit when the next wave began.",
        choices=("visited", "failed", "waiting"),
        nullable=False,
    ),
    _text("outcome", "A hit, or the kind of miss; null where it was not visited.", choices=_OUTCOMES),
    _time("visited_at", "When the outcome was recorded."),
    PrimaryKeyConstraint("design_id", "wave", "position"),
)
erasures = _table(
    "crawl",
    "erasures",
    "People who are left out, with what is theirs, as keyed hashes: nothing here tells who they are.",
    _text("hash", "HMAC of the kind and the id, or the name, under the key of this installation.", primary_key=True),
    _text(
        "kind",
        "What is hashed. other name: of somebody else, which could be read as a variant of an erased one; unknown: it"
        " was repeated by its hash; key: shows with which key the others were made.",
        choices=("user", "name", "other name", "project", "studio", "unknown", "key"),
        nullable=False,
    ),
    _time("erased_at", "When.", nullable=False, server_default=text("now()")),
)
erasure_requests = _table(
    "crawl",
    "erasure_requests",
    "Requests of people to be erased: they tell who asked until the erasure; a closed one is a keyed hash with dates.",
    Column("request_id", BigInteger, Identity(always=True), primary_key=True, comment="The number of the request."),
    _text("channel", "How it arrived; null once closed.", choices=tuple(RequestChannel)),
    _time("received_at", "When it arrived.", nullable=False),
    _time("due_at", "When it must be answered: a month later (GDPR, Article 12(3)), unless set.", nullable=False),
    _time("opened_at", "When it was recorded.", nullable=False, server_default=text("now()")),
    _big("user_id", "The account; null where no id is known, and from the erasure on."),
    _text("username", "Its name, by which its profile is read; null from the erasure on."),
    _text("hash", "HMAC of the account's id, or of the name where no id is known.", nullable=False),
    _time("verified_at", "When it was shown that the account is the person's."),
    _text("verified_by", "By what; null once closed.", choices=("profile", "hand")),
    _text("reason", "What showed it, where it was verified by hand; null once closed."),
    _time("erased_at", "When the person was removed from the tables."),
    _json("removed", "Counts of what was removed, by table, and of files; null once closed."),
    _json("releases", "Releases in which the person may be, by name; null once closed."),
    _time("carried_out_at", "When the person was removed from the files and archives as well."),
    _time("closed_at", "When it was closed."),
    _text("outcome", "How it ended; null before.", choices=tuple(RequestOutcome)),
)
Index(
    "erasure_requests_open_key",
    erasure_requests.c.hash,
    unique=True,
    postgresql_where=text("closed_at IS NULL"),
)
releases = _table(
    "crawl",
    "releases",
    "Datasets that were built of this warehouse: whose holders to tell of an erasure, and what privacy they spent.",
    Column("release_id", BigInteger, Identity(always=True), primary_key=True, comment="The number of the build."),
    _text("name", "The name of the release.", nullable=False),
    _text("profile", "For whom it was made.", choices=("open", "restricted", "internal"), nullable=False),
    _time("as_of", "The time whose state it shows.", nullable=False),
    _text("fingerprint", "Keyed hash of all exact figures: an equal release spends nothing again. Null unless open."),
    Column("epsilon", Double, comment="Epsilon of its figures. Null unless open."),
    Column("delta", Double, comment="Delta of its figures. Null unless open."),
    _time("built_at", "When, just before its folder got its name.", nullable=False, server_default=text("now()")),
)
sql_parts = _table(
    "crawl",
    "sql_parts",
    "The SQL files of views and functions, as `harvester db migrate` last applied them.",
    Column("name", Text, primary_key=True, comment="The file, without its ending."),
    _text("digest", "SHA-256 of its text.", nullable=False),
    Column("views", ARRAY(Text), nullable=False, comment="The views that it made, plain and materialised."),
    Column("functions", ARRAY(Text), nullable=False, comment="The functions that it made, with their argument types."),
    _time("applied_at", "When it was applied.", nullable=False, server_default=text("now()")),
)

drift = _table(
    "crawl",
    "drift",
    "Where the source departs from what is declared of it.",
    _text("stream", "The stream.", nullable=False),
    _key_text("field", "The field, or the list's order."),
    _key_text("change", "What is different."),
    _time("first_seen_at", "When first seen.", nullable=False, server_default=text("now()")),
    _time("last_seen_at", "When last seen.", nullable=False, server_default=text("now()")),
    _big("count", "How often.", nullable=False, server_default=text("1")),
    _text("example", "One example."),
    PrimaryKeyConstraint("stream", "field", "change"),
)

# analytics ----------------------------------------------------------------------------------------------------------

refreshes = _table(
    "analytics",
    "refreshes",
    "When each materialised view of this schema was last refreshed.",
    Column("relation", Text, comment="The materialised view.", primary_key=True),
    _time("refreshed_at", "It holds what the warehouse held then.", nullable=False),
    _big("row_count", "Rows that it has.", nullable=False),
)

# account ------------------------------------------------------------------------------------------------------------


def _own(name: str, comment: str, *parts: Any) -> Table:
    return _table(
        "account",
        name,
        comment,
        _big("account_id", "The user's id of the account.", nullable=False, person=Person.NOBODY),
        *parts,
        _json("extra", "All other fields, as served.", nullable=False, server_default=text("'{}'")),
    )


def _events(name: str, comment: str) -> Table:
    return _own(
        name,
        comment,
        _key_text("type", "The kind of event.", person=Person.NOBODY),
        _big("id", "Its id among those of its kind.", nullable=False, person=Person.NOBODY),
        _time("created_at", "When it happened."),
        _big("actor_id", "Who acted.", person=Person.OWNER, names=USER),
        _text("actor_username", "The name of who acted.", person=Person.OWNER, names=NAME),
        PrimaryKeyConstraint("account_id", "type", "id"),
    )


account_messages = _events("messages", "Messages to the account.")
account_activity = _events("activity", "What the users did whom the account follows.")
account_alerts = _own(
    "alerts",
    "Messages of the site's moderators to the account.",
    _big("id", "The alert.", nullable=False, person=Person.NOBODY),
    PrimaryKeyConstraint("account_id", "id"),
)
account_projects = _own(
    "projects",
    "Projects that are listed for the account: loved or shared by whom it follows, recently viewed.",
    _text("list", "The stream.", nullable=False, person=Person.NOBODY),
    _big("id", "The project.", nullable=False, person=Person.OWNER, names=PROJECT),
    _text("title", "Its title.", person=Person.TEXT),
    _time("seen_at", "When it was last listed."),
    PrimaryKeyConstraint("account_id", "list", "id"),
)
account_states = _own(
    "states",
    "Objects about the account: its invites, the visibility of a project of its own, its role in a studio, whether it"
    " loves a project.",
    _text("stream", "The stream.", nullable=False, person=Person.NOBODY),
    _big("thing_id", "The project or studio; 0 for none.", nullable=False, person=Person.OWNER, names=PROJECT),
    _time("seen_at", "When it was read."),
    PrimaryKeyConstraint("account_id", "stream", "thing_id"),
)

# source -------------------------------------------------------------------------------------------------------------

_RULES = "the rules are the harvester's"
_BY_HARVESTER = "when the harvester read it says nothing of the community"


def _digest(name: str, comment: str, *args: Any, **kw: Any) -> Column[Any]:
    """Make a column of SHA-256 digests, as bytes."""
    limit = CheckConstraint(f"length({name}) <= 32", name=f"{name}_length")
    return _column(name, LargeBinary, comment, limit, *args, **kw)


source_bodies = _table(
    "source",
    "bodies",
    "Sources of projects as they were served, each once, however many projects have it.",
    _digest(
        "sha256",
        "The SHA-256 of the body.",
        primary_key=True,
        person=Person.NOBODY,
        release=treatments.nowhere(treatments.ELSEWHERE),
    ),
    _big(
        "size",
        "Bytes of the body, unpacked.",
        nullable=False,
        person=Person.NOBODY,
        release=treatments.keep(treatments.FINGERPRINT),
    ),
    _column(
        "packed",
        LargeBinary,
        "The body, packed by gzip; null where a file holds it. It holds texts of the project's author.",
        person=Person.TEXT,
        release=treatments.Treatments(
            treatments.Left(treatments.FINGERPRINT), treatments.Structure(), treatments.Structure()
        ),
    ),
)
source_folders = _table(
    "source",
    "folders",
    "Folders that hold bodies in files (HARVESTER_SOURCES_DIR), or held some.",
    _key_text(
        "path",
        "The folder.",
        longest=LONGEST_PATH,
        primary_key=True,
        person=Person.NOBODY,
        release=treatments.nowhere(_BY_HARVESTER),
    ),
    _time(
        "first_used_at",
        "When a crawl first used it.",
        nullable=False,
        server_default=text("clock_timestamp()"),
        release=treatments.nowhere(_BY_HARVESTER),
    ),
)
source_versions = _table(
    "source",
    "versions",
    "Each source that a project was seen to have.",
    _big(
        "project_id",
        "The project.",
        nullable=False,
        person=Person.OWNER,
        names=PROJECT,
        refers="scratch.projects",
        release=treatments.Treatments(
            treatments.OwnId("source"),
            treatments.Reference(PROJECT, needed=True),
            treatments.Reference(PROJECT, needed=True),
        ),
    ),
    _digest(
        "sha256",
        "The SHA-256 of its canonical form, in which the order of keys does not count.",
        nullable=False,
        person=Person.NOBODY,
        release=treatments.digest("version"),
    ),
    _digest(
        "body_sha256",
        "Its body as it was first served.",
        ForeignKey("source.bodies.sha256"),
        nullable=False,
        person=Person.NOBODY,
        release=treatments.internal_only("sha256 tells which sources are the same"),
    ),
    _text(
        "format",
        "The format in which it is stored, by the version of Scratch.",
        choices=("scratch3", "scratch2", "scratch1"),
        nullable=False,
        person=Person.NOBODY,
        release=treatments.generalize(),
    ),
    _int(
        "blocks",
        "Blocks of all sprites; null for Scratch 1, of which they are not read.",
        person=Person.NOBODY,
        release=treatments.generalize(),
    ),
    _text(
        "editor",
        "The editor that saved it, as the source names it.",
        person=Person.NOBODY,
        release=treatments.keep(treatments.FINGERPRINT),
    ),
    _time(
        "first_seen_at",
        "When it was first read.",
        nullable=False,
        release=treatments.keep(_BY_HARVESTER),
    ),
    _time(
        "last_seen_at",
        "When it was last read. The version with the latest is the present one.",
        nullable=False,
        release=treatments.keep(_BY_HARVESTER),
    ),
    PrimaryKeyConstraint("project_id", "sha256"),
    Index(None, "body_sha256"),
)
source_projects = _table(
    "source",
    "projects",
    "What came of the last request for the source of each project.",
    _big(
        "project_id",
        "The project.",
        primary_key=True,
        autoincrement=False,
        person=Person.OWNER,
        names=PROJECT,
        refers="scratch.projects",
        release=treatments.nowhere("the release has the sources that were read, and how many were not"),
    ),
    _text(
        "outcome",
        "What came of it.",
        choices=("read", "refused", "not found", "damaged", "too large"),
        nullable=False,
        person=Person.NOBODY,
        release=treatments.nowhere("the release has the sources that were read, and how many were not"),
    ),
    _text(
        "reason",
        "Why it was not read; null if it was.",
        person=Person.NOBODY,
        release=treatments.nowhere("the release has the sources that were read, and how many were not"),
    ),
    _time(
        "seen_at",
        "When.",
        nullable=False,
        release=treatments.nowhere("the release has the sources that were read, and how many were not"),
    ),
)


def _fact(
    name: str,
    comment: str,
    release: treatments.Treatments = treatments.keep(treatments.FINGERPRINT),  # noqa: B008  (it is frozen)
) -> Column[Any]:
    """Make a column with a number that is worked out from a source."""
    return _int(name, comment, nullable=False, person=Person.NOBODY, release=release)


def _of_body() -> Column[Any]:
    return _digest(
        "body_sha256",
        "The body.",
        ForeignKey("source.bodies.sha256", ondelete="CASCADE"),
        primary_key=True,
        person=Person.NOBODY,
        release=treatments.nowhere(treatments.ELSEWHERE),
    )


source_facts = _table(
    "source",
    "facts",
    "What each body of Scratch 2 and 3 holds, counted and scored: `docs/sources.md` has the rules.",
    _of_body(),
    _fact(
        "rules",
        "The number of the rules by which the row was made. Rows of earlier rules are made again.",
        treatments.internal_only(_RULES),
    ),
    _fact("sprites", "Sprites, without the stage.", treatments.generalize()),
    _fact("scripts", "Stacks of blocks and single blocks.", treatments.generalize()),
    _fact(
        "blocks", "Blocks; the fields and menus of a block are a part of it.", treatments.nowhere(treatments.ELSEWHERE)
    ),
    _fact("unreachable", "Blocks that no event leads to."),
    _fact("costumes", "Costumes and backdrops."),
    _fact("sounds", "Sounds."),
    _fact("variables", "Variables that are declared."),
    _fact("cloud_variables", "Those of them that are stored in the cloud."),
    _fact("lists", "Lists that are declared."),
    _fact("broadcasts", "Messages that blocks name, whatever their case."),
    _fact("clones", "Blocks that create a clone."),
    _fact("custom_blocks", "Definitions of custom blocks."),
    _fact("comments", "Comments beside the blocks."),
    _fact("duplicate_scripts", "Scripts of five or more blocks that are the same as one before, up to names."),
    _fact("default_names", "Sprites that have the name that the editor gave them."),
    _fact("odd", "Parts that are of another shape than Scratch writes, and were left out."),
    _fact("abstraction", "Score from 0 to 3: abstraction and problem decomposition.", treatments.generalize()),
    _fact("parallelism", "Score from 0 to 3: parallelism.", treatments.generalize()),
    _fact("logic", "Score from 0 to 3: logical thinking.", treatments.generalize()),
    _fact("synchronization", "Score from 0 to 3: synchronization.", treatments.generalize()),
    _fact("flow_control", "Score from 0 to 3: flow control.", treatments.generalize()),
    _fact("user_interactivity", "Score from 0 to 3: user interactivity.", treatments.generalize()),
    _fact("data_representation", "Score from 0 to 3: data representation.", treatments.generalize()),
    _json(
        "opcodes",
        "Blocks by opcode of Scratch 3; `unknown` for opcodes that Scratch has not.",
        nullable=False,
        person=Person.NOBODY,
        release=treatments.keep(treatments.FINGERPRINT),
    ),
    _json(
        "categories",
        "Blocks by palette.",
        nullable=False,
        person=Person.NOBODY,
        release=treatments.keep(treatments.FINGERPRINT),
    ),
    _column(
        "extensions",
        ARRAY(Text),
        "Extensions that are declared or used; `unknown` for those that are not Scratch's own.",
        nullable=False,
        person=Person.NOBODY,
        release=treatments.keep(treatments.FINGERPRINT),
    ),
)
source_assets = _table(
    "source",
    "assets",
    "Costumes and sounds of each body.",
    _of_body(),
    _text(
        "kind",
        "What it is.",
        choices=("costume", "sound"),
        primary_key=True,
        person=Person.NOBODY,
        release=treatments.keep(treatments.FINGERPRINT),
    ),
    _key_text(
        "file",
        "The MD5 of its bytes, with an extension: the name by which Scratch serves it.",
        primary_key=True,
        person=Person.NOBODY,
        release=treatments.digest("asset"),
    ),
    _fact("count", "How often the body has it."),
    Index(None, "file"),
)
source_differences = _table(
    "source",
    "differences",
    "What the present version of each remix keeps, adds and lacks of the present version of its parent and root. Both"
    " are as they were last read: what either changed after the remix was made counts too, and no earlier version is"
    " compared.",
    _big(
        "project_id",
        "The remix.",
        ForeignKey("source.projects.project_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        person=Person.OWNER,
        names=PROJECT,
        release=treatments.reference(PROJECT, treatments.FINGERPRINT, needed=True),
    ),
    _text(
        "relation",
        "What it is compared with.",
        choices=("parent", "root"),
        primary_key=True,
        person=Person.NOBODY,
        release=treatments.keep(treatments.FINGERPRINT),
    ),
    _digest(
        "sha256",
        "The version of the remix.",
        nullable=False,
        person=Person.NOBODY,
        release=treatments.nowhere(treatments.ELSEWHERE),
    ),
    _big(
        "other_id",
        "What it was made of.",
        ForeignKey("source.projects.project_id", ondelete="CASCADE"),
        nullable=False,
        person=Person.OWNER,
        names=PROJECT,
        release=treatments.reference(PROJECT, treatments.FINGERPRINT, needed=True),
    ),
    _digest(
        "other_sha256",
        "The version of that.",
        nullable=False,
        person=Person.NOBODY,
        release=treatments.nowhere(treatments.ELSEWHERE),
    ),
    _fact(
        "rules",
        "The number of the rules by which the row was made. Rows of earlier rules are made again.",
        treatments.internal_only(_RULES),
    ),
    _fact("scripts_kept", "Scripts that are the same, up to names, as often as both have them."),
    _fact("scripts_added", "Scripts that the remix has and the other has not."),
    _fact("scripts_removed", "Scripts that the other has and the remix has not."),
    _fact("assets_kept", "Costumes and sounds that both have."),
    _fact("assets_added", "Costumes and sounds that the remix alone has."),
    _fact("assets_removed", "Costumes and sounds that the other alone has."),
    _column(
        "untouched",
        Boolean,
        "Nothing differs: no script, name, value, comment or asset.",
        nullable=False,
        person=Person.NOBODY,
        release=treatments.keep(treatments.FINGERPRINT),
    ),
    Index(None, "other_id"),
)

FIGURE_REFERENCES = {
    "analytics.user_months.user_id": "scratch.users",
    "analytics.remix_nodes.project_id": "scratch.projects",
    "analytics.remix_nodes.parent_id": "scratch.projects",
    "analytics.remix_nodes.root_id": "scratch.projects",
    "analytics.remix_trees.root_id": "scratch.projects",
    "analytics.threads.author_id": "scratch.users",
    "analytics.follow_degrees.user_id": "scratch.users",
    "analytics.studio_figures.studio_id": "scratch.studios",
}
"""Columns of materialised views that refer to one table."""
FIGURES = frozenset({*(column.split(".")[1] for column in FIGURE_REFERENCES), "ranking_stays"})
"""Materialised views whose rows are about single people or their items: an erasure refreshes them."""
SOFT_REFERENCES = soft_references(metadata.sorted_tables) | FIGURE_REFERENCES
"""Columns that refer to one table without a foreign key: what they name may never have been read. What may refer to one
of several tables (`kind`, `stream`) is told by the column's comment alone."""

SCRATCH_TABLES = tuple(table for table in metadata.sorted_tables if table.schema == "scratch")
"""Tables of schema scratch, each after the tables that it refers to: the order in which rows may be written."""

_OBSERVED = (rankings, site_counts, site_health, message_counts)
_ACCOUNT = tuple(table for table in metadata.sorted_tables if table.schema == "account")
WRITTEN: dict[str, Table] = {
    **{table.name: table for table in (*SCRATCH_TABLES, *_OBSERVED)},
    **{table.fullname: table for table in _ACCOUNT},
}
"""Tables that rows of pages are written to, by the name that the catalogue uses, in the order in which they may be."""

KEY_COLUMNS: dict[str, tuple[str, ...]] = {
    name: table.info.get("key") or tuple(column.name for column in table.primary_key.columns)
    for name, table in WRITTEN.items()
}
UNIQUE: dict[str, str] = {
    name: table.info.get("unique", ", ".join(KEY_COLUMNS[name])) for name, table in WRITTEN.items()
}
"""Unique expressions of a table, as its index has them: the key, of which a long text is hashed."""

TRACKED: dict[str, tuple[Table, ...]] = {
    table.name: logs
    for table in SCRATCH_TABLES
    if (logs := tuple(log for log in metadata.tables.values() if table in log.info.get("of", ())))
}
"""By table of scratch: the tables of history that hold superseded versions of its rows."""

OWNED = named_by(WRITTEN, Person.OWNER)
"""By table: the columns that name the owner of a row, each with the kind that it names. An erasure deletes the row."""
MENTIONED = named_by(WRITTEN, Person.MENTION)
"""By table: the columns that name a person in another person's row. An erasure clears them."""
MADE = named_by(WRITTEN, Person.AUTHOR)
"""By table: the columns that name the author of a row's content. An erasure clears the content; the row may stay."""
CONTAINERS = containers(SCRATCH_TABLES)
"""By table: the tables whose row must be present for a row to be present, and the columns that refer to them."""
COMMENTS = ("project_comments", "studio_comments", "profile_comments")
"""The tables of comments on projects, studios and profiles."""
OBJECTS = ("users", "projects", "studios")
"""The tables of objects with a page of their own, which lists show too."""
MAIN_TABLES = (*OBJECTS, *COMMENTS, "follows", "favorites")
"""The tables whose sizes a report states."""
