"""Build a release: a snapshot of the warehouse as far as a profile allows it, with descriptions, in a new folder.

Rows stream from the database to the files, a group at a time; the ids in the release, pseudonyms and cells are in
temporary tables of the same transaction. The database sorts and joins, on disk if necessary. Memory therefore does not
grow with the rows (`tests/dataset/test_memory.py` measures it), but for eight bytes a username where texts are
redacted.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harvester.dataset import aggregates, facts, history, ledger, sources
from harvester.dataset.about import Statements
from harvester.dataset.columns import KINDS, kind_of_sources, tables
from harvester.dataset.disclosure import disclosure_of
from harvester.dataset.privacy import EPSILON, LEAST_EPSILON, MOST_EPSILON
from harvester.dataset.pseudonyms import Key, derive, key_of, salt_of
from harvester.dataset.release import (
    COUNTERS,
    SOURCES,
    Field,
    FileFormat,
    KeyScope,
    Profile,
    Release,
    Resource,
    Text,
    Tombstones,
    Type,
)
from harvester.dataset.rows import Selection, kept
from harvester.dataset.rows import key_of as key_of_table
from harvester.dataset.snapshot import need_libraries, open_snapshot
from harvester.erasure.remembered import load_rule
from harvester.errors import UsageError
from harvester.secret import keyed_hash, secret_key
from harvester.warehouse.access import connect
from harvester.warehouse.annotations import NAME, USER
from harvester.warehouse.bodies import BodyReader
from harvester.warehouse.statements import statements
from harvester.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from harvester.config import Settings
    from harvester.dataset.anonymity import RecodedTables
    from harvester.dataset.bias import ComparedColumn
    from harvester.dataset.privacy import NoisyStatistic
    from harvester.dataset.redact import Names
    from harvester.dataset.rows import Made, ResourceQuery
    from harvester.dataset.snapshot import Snapshot
    from harvester.erasure.rule import Rule
    from harvester.warehouse.connection import Connection

_SQL = statements(__package__, "build")

SEEN_WITHIN = 400
K = 10
SHARE = 100
"""The teaser has one in so many rows."""
_NAME = re.compile(r"\d{4}\.(0[1-9]|1[0-2])\.(0|[1-9]\d*)")
FEATURES: dict[str, tuple[Type, str]] = {
    "length": (Type.INTEGER, "characters"),
    "words": (Type.INTEGER, "words"),
    "emoji_count": (Type.INTEGER, "emojis"),
    "language_script": (Type.STRING, "the script that most letters are of"),
    "question": (Type.BOOLEAN, "whether it asks"),
    "link_count": (Type.INTEGER, "links"),
    "mention_count": (Type.INTEGER, "mentions of users"),
}
WITHDRAWN = (
    Field("resource", Type.STRING, "The resource of the previous release.", required=True),
    Field("id", Type.STRING, "Its id there; holders of that release should drop it.", required=True),
)


@dataclass(frozen=True, slots=True)
class Request:
    """Options of a build; None takes the profile's default."""

    folder: Path
    profile: Profile = Profile.OPEN
    as_of: datetime | None = None
    seen_within: int | None = None
    tombstones: Tombstones | None = None
    text: Text | None = None
    k: int | None = None
    previous: Path | None = None
    name: str | None = None
    scope: KeyScope = KeyScope.RELEASE
    formats: tuple[FileFormat, ...] = tuple(FileFormat)
    is_allowed: bool = False
    design: int | None = None
    """The sample whose weights are written; None: the newest of each kind of entity."""
    about: Statements = field(default_factory=Statements)
    """Statements of the operator, see `harvester.dataset.about.read_statements`."""
    history: bool = True
    """Whether tables of change over time are written, which `open` never has."""
    epsilon: float | None = None
    """What the figures of `open` spend of the budget of differential privacy."""

    def settled(self) -> Request:
        """Return the request with all defaults filled in.

        Raises:
            UsageError: options contradict each other, or the request is not allowed.
        """
        profile, is_internal = self.profile, self.profile is Profile.INTERNAL
        if is_internal and not self.is_allowed:
            raise UsageError(
                "internal has people's names and texts as they are, for the operators of the warehouse only;"
                " confirm with --i-am-allowed that you are one"
            )
        modes = {
            Profile.OPEN: (Text.NONE,),
            Profile.RESTRICTED: (Text.REDACTED, Text.FEATURES, Text.NONE),
            Profile.INTERNAL: (Text.FULL, Text.REDACTED, Text.FEATURES, Text.NONE),
        }[profile]
        text = self.text or modes[0]
        if text not in modes:
            why = "texts, or their lengths, tell whose they are" if profile is Profile.OPEN else "full is for internal"
            raise UsageError(f"--text {text} does not go with {profile}: {why}; it takes {', '.join(modes)}")
        if self.k is not None and (profile is not Profile.OPEN or self.k < 2):
            raise UsageError("--k is a number of people, 2 or more, for profile open only")
        if self.epsilon is not None and (
            profile is not Profile.OPEN or not LEAST_EPSILON <= self.epsilon <= MOST_EPSILON
        ):
            raise UsageError(f"--epsilon is a number from {LEAST_EPSILON:g} to {MOST_EPSILON:g}, for profile open only")
        if profile is Profile.OPEN and self.scope is KeyScope.PROJECT:
            raise UsageError(
                "--key project does not go with open: a person who can be followed from one release to the next may be"
                " the only one to share a row in both"
            )
        if profile is Profile.OPEN and self.tombstones not in (None, Tombstones.DROP):
            raise UsageError(
                f"--tombstones {self.tombstones} does not go with open: of what is gone it could publish no value, and"
                " in open no value is missing from a row; COVERAGE.md counts what is gone"
            )
        if self.seen_within is not None and self.seen_within < 1:
            raise UsageError("--seen-within is a number of days, 1 or more")
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise UsageError("--release is the year and month of the state and a number, such as 2026.06.0")
        if self.as_of is not None and self.as_of > datetime.now(UTC):
            raise UsageError("--as-of is in the future")
        return replace(
            self,
            text=text,
            tombstones=self.tombstones or (Tombstones.FLAGS if is_internal else Tombstones.DROP),
            seen_within=self.seen_within if is_internal else self.seen_within or SEEN_WITHIN,
            k=(self.k or K) if profile is Profile.OPEN else None,
            history=self.history and profile is not Profile.OPEN,
            epsilon=(self.epsilon or EPSILON) if profile is Profile.OPEN else None,
        )


def build(settings: Settings, request: Request, on_progress: Callable[[str], None] = lambda _: None) -> Release:
    """Write a release into a folder, completely or not at all.

    Raises:
        UsageError: the request is wrong, the folder is not empty, too little is left of the budget of privacy, or a
            person was erased meanwhile.
        WarehouseError: the database cannot be used.
    """
    need_libraries()
    request = request.settled()
    folder = request.folder.absolute()
    _check_free(folder)
    with open_snapshot(settings) as snapshot:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _unfinished(folder) as unfinished:
                made = Build(settings, snapshot, request, unfinished, on_progress)
                release = made.release()
                _describe(unfinished, release)
                if request.profile is Profile.OPEN:
                    unfinished.chmod(0o755)  # other profiles stay private
                with ledger.publication(settings, release.name, release.profile, made.as_of, made.spending):
                    _check_rule(settings, made.rule)
                    unfinished.rename(folder)
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror or 'no reason given'}") from None
    return release


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Yield a folder to be renamed to the final one; remove it if that does not happen."""
    place = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _check_rule(settings: Settings, rule: Rule) -> None:
    """Refuse a release from which somebody may not be left out who was erased after the build had begun.

    The release is recorded by then: an erasure that comes later names it.
    """
    with connect(settings) as connection:
        if load_rule(connection, settings.home).fingerprint != rule.fingerprint:
            raise UsageError("a person was erased while the release was built: build it again")


def _describe(folder: Path, release: Release) -> None:
    from harvester.dataset.describe import describe  # noqa: PLC0415

    describe(folder, release)


def _check_free(folder: Path) -> None:
    try:
        is_free = not folder.exists() or not any(folder.iterdir())
    except NotADirectoryError:
        is_free = False
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}") from None
    if not is_free:
        raise UsageError(f"{folder} is there and not empty: a release gets a folder of its own")


class Texts:
    """Converter of rows to their published form: free texts redacted, erased people removed.

    Args:
        connection: The connection of the snapshot.
        rule: The rule of erased people.
        key: The key of the pseudonyms that replace names; None for no pseudonyms.
    """

    def __init__(self, connection: Connection, rule: Rule, key: Key | None) -> None:
        self._facts = connection
        self._rule = rule
        self._key = key

    def finished(self, batch: pa.RecordBatch, made: Sequence[Made], schema: pa.Schema) -> pa.RecordBatch:
        """Return rows in the types of the resource, with redacted texts."""
        import pyarrow as pa  # noqa: PLC0415

        from harvester.dataset.files import plain  # noqa: PLC0415

        columns: list[pa.Array] = []
        for column, one in zip(batch.columns, made, strict=True):
            if one.text is Text.FEATURES:
                columns += _features(column)
            elif one.text is Text.REDACTED:
                columns.append(_each(column, self._redacted))
            elif one.text is Text.FULL and self._rule:
                columns.append(_each(column, self._rule.said))
            elif one.is_name and self._rule:
                columns.append(_each(column, self._not_erased))
            elif self._rule and one.field.type is Type.JSON and not one.is_term:
                columns.append(_each(plain(column, pa.string()), self._said_in_json))
            else:
                columns.append(plain(column, schema.field(len(columns)).type))
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _said_in_json(self, text: str) -> str:
        return json.dumps(self._rule.said(json.loads(text)), ensure_ascii=False)

    def _not_erased(self, name: str) -> str | None:
        return None if self._rule.names(NAME, name) else name

    def _redacted(self, text: str) -> str:
        from harvester.dataset.redact import redact  # noqa: PLC0415

        return redact(self._rule.said(text), self._names())

    @lru_cache(maxsize=1)  # noqa: B019  (lives as long as the build)
    def _names(self) -> Names:
        from harvester.dataset.redact import Names  # noqa: PLC0415

        with self._facts.cursor("names") as cursor:  # on the server: the names may not fit into memory
            cursor.execute(_SQL["names"])
            return Names((name for (name,) in cursor), self._pseudonym_of)

    @lru_cache(maxsize=100_000)  # noqa: B019  (the same)
    def _pseudonym_of(self, name: str) -> str:
        """Return the pseudonym of a username's user, which replaces the name in a text; `user` for an unknown name."""
        row = self._facts.execute(
            "SELECT id FROM scratch.users WHERE lower(username) = lower(%s) ORDER BY id LIMIT 1", [name]
        ).fetchone()
        if self._key is None or row is None:
            return "user"
        return self._key.one("user", row[0]).hex()


class Build:
    """The steps of one build."""

    def __init__(
        self, settings: Settings, snapshot: Snapshot, request: Request, folder: Path, on_progress: Callable[[str], None]
    ) -> None:

        self.settings, self.snapshot, self.request, self.folder, self.on_progress = (
            settings,
            snapshot,
            request,
            folder,
            on_progress,
        )
        self.formats = request.formats
        self.as_of = request.as_of or facts.state_at(snapshot.facts)
        self.previous = _previous(request)
        self.name = self._name()
        self.rule = load_rule(snapshot.facts, settings.home)
        assert request.tombstones is not None
        assert request.text is not None
        since = None if request.seen_within is None else self.as_of - timedelta(days=request.seen_within)
        self.selection = Selection(
            request.profile,
            request.tombstones,
            request.text,
            request.as_of,
            since,
            erased=bool(self.rule),
            designs=self._designs(),
            sources=self._sources(),
            history=request.history,
        )
        self.salt = self._salt()
        self.key = self._key()
        self.texts = Texts(snapshot.facts, self.rule, self.key)
        self.recoded: RecodedTables | None = None
        self.compared: list[ComparedColumn] = []
        self.disclosure = disclosure_of(settings, self.salt, request.epsilon)
        self.spending: ledger.Spending | None = None

    def _name(self) -> str:
        request, previous = self.request, self.previous
        name = request.name or f"{self.as_of:%Y.%m}.0"
        if previous is not None and request.name is None and previous.name.startswith(f"{self.as_of:%Y.%m}."):
            name = f"{self.as_of:%Y.%m}.{int(previous.name.rpartition('.')[2]) + 1}"
        if previous is not None and previous.name == name:
            raise UsageError(f"{name} is the name of the previous release: give another one")
        return name

    def _designs(self) -> tuple[tuple[str, int], ...]:
        connection, asked = self.snapshot.facts, self.request.design
        found = facts.newest_designs(connection)
        if asked is not None:
            kind = facts.kind_of_design(connection, asked)
            if kind is None:
                raise UsageError(f"--design {asked}: there is no such design; see `harvester seed sample list`")
            found[kind] = asked
        return tuple(found.items())

    def _sources(self) -> str | None:
        """Return the state of the sources; None if neither the warehouse nor the previous release has one."""
        had_some = self.previous is not None and any(one.name == SOURCES for one in self.previous.resources)
        return facts.state_of_sources(self.snapshot.facts) or ("none" if had_some else None)

    def _salt(self) -> str | None:
        """Return a text that differs between releases of the same name with other inputs, for other pseudonyms."""
        if self.request.scope is not KeyScope.RELEASE:
            return None
        state = facts.state_at(self.snapshot.facts).isoformat()
        made_of = (self.selection.as_text(), self.request.k, self.as_of.isoformat(), state, self.rule.fingerprint)
        return salt_of(secret_key(self.settings.home), *made_of)

    def _key(self) -> Key | None:
        if not self.selection.hashed:
            return None
        request = self.request
        return derive(secret_key(self.settings.home), request.profile, request.scope, self.name, self.salt or "")

    def release(self) -> Release:
        """Decide which rows are in, write all resources, and report progress."""
        request, snapshot = self.request, self.snapshot
        is_open = request.profile is Profile.OPEN
        anonymity = self.prepare()
        main, teasers = [], []
        for query in self.queries():
            self.on_progress(query.name)
            resource, teaser = self.write(query)
            main.append(resource)
            teasers.append(teaser)
        if self.disclosure is not None:
            main += self._write_noisy(self.disclosure.noisy)
        withdrawn, changes = self._compare()
        as_of = self.as_of.astimezone(UTC)
        return Release(
            name=self.name,
            profile=request.profile,
            as_of=as_of.replace(hour=0, minute=0, second=0, microsecond=0) if is_open else as_of,
            resources=(*main, *teasers, *withdrawn),
            parameters={
                "seen_within_days": request.seen_within,
                "tombstones": str(request.tombstones),
                "text": str(request.text),
                "k": request.k,
                "key": str(request.scope) if self.key else None,
                "key_id": self.key.fingerprint if self.key else None,
                "key_salt": self.salt if self.key else None,
                "formats": [str(one) for one in self.formats],
                "designs": dict(self.selection.designs),
                "as_of": "asked for" if request.as_of else "as it is",
                "history": self.selection.history,
            },
            design=facts.designs(snapshot.facts, with_seeds=not self.selection.hashed, fewest=request.k),
            coverage=facts.coverage(snapshot.facts, fewest=request.k),
            anonymity=anonymity,
            privacy={} if self.disclosure is None else self.disclosure.as_json(),
            provenance=facts.provenance(snapshot.facts, to_the_day=is_open),
            previous=None if self.previous is None else self.previous.name,
            changes=changes,
            about=request.about,
        )

    def prepare(self) -> dict[str, Any]:
        """Decide which people are in, and assign pseudonyms; return what was suppressed."""
        anonymity: dict[str, Any] = {}
        self._settle()
        if self.disclosure is not None:
            self.on_progress("counting")
            picks = keyed_hash(secret_key(self.settings.home), "dataset picks", "")
            self.disclosure.add(aggregates.statistics(self.snapshot, self.selection, picks, self.as_of))
        self._name_things()
        if self.request.k is not None:
            from harvester.dataset.anonymity import recode  # noqa: PLC0415

            self.on_progress("recoding tables")
            self.recoded = recode(self.snapshot, self.selection, self.request.k)
            anonymity = self.recoded.as_json()
        if self.disclosure is not None and self.recoded is not None:
            from harvester.dataset import bias  # noqa: PLC0415

            self.compared = bias.compare(self.snapshot, self.recoded, self.as_of.year)
            self.disclosure.add(bias.statistics(self.compared))
            self.spending = self.disclosure.settle(self.snapshot.facts, self.name, self.settings.privacy_budget)
        if self.selection.sources is not None:
            uncounted = sources.count_uncounted(self.snapshot, self.selection)
            if uncounted:
                found = counted(uncounted, "source")
                self.on_progress(f"{found} without counts: `harvester source analyse` makes them")
            if self.request.profile is Profile.RESTRICTED:
                anonymity = {SOURCES: sources.told_apart(self.snapshot, self.selection)}
        if self.request.profile is Profile.RESTRICTED and self.selection.history:
            anonymity |= {COUNTERS: history.told_apart(self.snapshot, self.selection)}
        return anonymity

    # selection -------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Make the tables `kept_<table>`, in the order of their references."""
        self.on_progress("selecting rows")
        if self.rule:
            self._find_erased()
        for table in self._entities():
            query = sources.kept(self.selection) if table == SOURCES else kept(table, self.selection)
            self.snapshot.run(f"CREATE TEMP TABLE kept_{table} ON COMMIT DROP AS {query}")
            self._index(f"kept_{table}", key_of_table(table)[1])

    def _entities(self) -> dict[str, str]:
        """Return the tables whose rows are selected, each with the kind in the pseudonym of its key."""
        held = {table.name for table in tables(self.request.profile)}
        found = {} if self.selection.is_plain else {table: kind for table, kind in KINDS.items() if table in held}
        if self.selection.sources is not None:
            found[SOURCES] = kind_of_sources(self.request.profile)
        return found

    def _index(self, table: str, type_of_id: str = "bigint") -> None:
        order = ' COLLATE "C"' if type_of_id == "text" else ""
        self.snapshot.run(f"CREATE UNIQUE INDEX ON {table} (id{order})")
        self.snapshot.run(f"ANALYZE {table}")

    def _find_erased(self) -> None:
        """Make tables of erased people and their rows, which an older copy of a warehouse may still have."""
        snapshot, rule = self.snapshot, self.rule
        for table, of in (("users", "username"), ("projects", "author_id"), ("studios", "host_id")):
            kind = KINDS[table]
            snapshot.run(f"CREATE TEMP TABLE erased_{table} (id bigint PRIMARY KEY) ON COMMIT DROP")
            for page in snapshot.pages(f"scratch.{table}", of):
                found = [
                    thing
                    for thing, other in zip(page["id"].to_pylist(), page[of].to_pylist(), strict=True)
                    if rule.names(kind, thing) or rule.names(NAME if kind == USER else USER, other)
                ]
                if found:
                    snapshot.put(f"erased_{table}", _table({"id": found}, "int64"))
        snapshot.run(_SQL["add_their_projects"])
        snapshot.run(_SQL["add_their_studios"])

    def _name_things(self) -> None:
        """Make the tables `known_<table>`, with the pseudonyms of the kept ids."""
        self.on_progress("pseudonyms")
        for table, kind in self._entities().items():
            if self.key is None:
                self.snapshot.run(f"ALTER TABLE kept_{table} RENAME TO known_{table}")
                continue
            self._make_pseudonyms(f"known_{table}", f"kept_{table}", kind, self.key, key_of_table(table)[1])
        if self.key is not None and self.selection.sources is not None and self.request.profile is not Profile.OPEN:
            for kind in sources.DIGESTS:
                query = sources.digests(kind, self.selection)
                self.snapshot.run(f"CREATE TEMP TABLE kept_{kind} ON COMMIT DROP AS {query}")
                self._index(f"kept_{kind}", "text")
                self._make_pseudonyms(f"known_{kind}", f"kept_{kind}", kind, self.key, "text")

    def _make_pseudonyms(self, table: str, of: str, kind: str, key: Key, type_of_id: str) -> None:
        import pyarrow as pa  # noqa: PLC0415

        snapshot = self.snapshot
        snapshot.run(f"CREATE TEMP TABLE {table} (id {type_of_id}, gone boolean, p bytea) ON COMMIT DROP")
        for page in snapshot.pages(of, "gone", type_of_id):
            pseudonyms = pa.array(key.many(kind, page["id"].to_pylist()), pa.binary())
            snapshot.put(table, page.append_column("p", pseudonyms))
        self._index(table, type_of_id)

    # writing ---------------------------------------------------------------------------------------------------------

    def queries(self) -> list[ResourceQuery]:
        """Return the query of each table, once the snapshot is prepared."""
        if self.recoded is not None:
            from harvester.dataset import anonymity  # noqa: PLC0415

            return anonymity.queries(self.recoded)
        return resource_queries(self.snapshot, self.selection, self.key, self.settings.sources_dir)

    def write(self, query: ResourceQuery) -> tuple[Resource, Resource]:
        """Write a table and its teaser."""
        from harvester.dataset.files import Writing, ahead, schema_of  # noqa: PLC0415

        fields = [field for one in query.columns for field in _fields(one)]
        schema = schema_of(fields)
        first = schema.get_field_index(query.primary_key[0])
        is_hex = self.selection.hashed and query.name != history.RANKINGS
        teaser_format = FileFormat.CSV if FileFormat.CSV in self.formats else self.formats[0]
        batches = self.snapshot.batches(query.sql)
        with (
            Writing(self.folder, f"data/{query.name}", fields, self.formats) as writing,
            Writing(self.folder, f"teaser/{query.name}", fields, [teaser_format]) as teaser,
        ):
            for batch in ahead(batches):
                for made in [batch] if query.expand is None else query.expand(batch):
                    rows = self.texts.finished(made, query.columns, schema)
                    writing.write(rows)
                    teaser.write(rows.filter(_in_teaser(rows.column(first), is_hex=is_hex)))
        resource = Resource(
            query.name,
            query.comment,
            tuple(fields),
            query.primary_key,
            query.foreign_keys,
            writing.rows,
            writing.files(),
        )
        return resource, replace(
            resource,
            name=f"teaser_{query.name}",
            comment=f"One in {SHARE} rows of {query.name}, by the hash of its key: to look at before the rest.",
            foreign_keys=(),
            rows=teaser.rows,
            files=teaser.files(),
        )

    def _write_noisy(self, noisy: Mapping[str, NoisyStatistic]) -> list[Resource]:
        """Write the tables whose figures have noise: the aggregates, and how far published columns are from them."""
        from harvester.dataset import bias  # noqa: PLC0415

        has_sources = self.selection.sources is not None
        found = aggregates.write(self.folder, self.formats, self.as_of, noisy, has_sources=has_sources)
        return [*found, bias.write(self.folder, self.formats, self.compared, noisy)]

    # against the previous release ------------------------------------------------------------------------------------

    def _compare(self) -> tuple[list[Resource], dict[str, Any]]:
        """List the keys of the previous release that this one lacks, as they are there, and count the new rows."""
        from harvester.dataset.files import Writing, ahead, schema_of  # noqa: PLC0415

        previous, folder = self.previous, self.request.previous
        if previous is None or folder is None:
            return [], {}
        self.on_progress("comparing with the previous release")
        held = {resource.name: resource for resource in previous.resources}
        changes, found = {}, []
        for table, kind in self._compared().items():
            if table not in held:
                continue
            self._remember(table, kind, folder, held[table], previous)
            added = self.snapshot.one(_SQL["count_added"].format(table=table))
            changes[table] = {
                "added": added if self.request.k is None else facts.coarse(added, self.request.k),
                "withdrawn": self.snapshot.one(f"SELECT count(*) FROM withdrawn_{table}"),
            }
            found.append(f"SELECT '{table}' AS resource, id FROM withdrawn_{table}")
        sql = f'SELECT resource, id FROM ({" UNION ALL ".join(found)}) w ORDER BY resource COLLATE "C", id COLLATE "C"'
        with Writing(self.folder, "withdrawn", WITHDRAWN, [FileFormat.CSV]) as writing:
            for batch in ahead(self.snapshot.batches(sql)):
                writing.write(batch.cast(schema_of(WITHDRAWN)))
        resource = Resource(
            "withdrawn",
            f"What {previous.name} held and this release does not, as it was called there"
            + ("; with others that look alike, so that nobody is known by having left." if self.request.k else "."),
            WITHDRAWN,
            ("resource", "id"),
            (),
            writing.rows,
            writing.files(),
        )
        return [resource], changes

    def _compared(self) -> dict[str, str]:
        """Return the tables whose keys are compared with those of the previous release, with their kinds."""
        held = {table.name for table in tables(self.request.profile)}
        found = {table: kind for table, kind in KINDS.items() if table in held} | self._entities()
        return {table: kind for table, kind in found.items() if table != "studio_activity"}

    def _remember(self, table: str, kind: str, folder: Path, resource: Resource, previous: Release) -> None:
        """Make `withdrawn_<table>`, the rows that holders of the previous release should delete.

        `before_<table>` has the keys of that release, `now_<table>` those of this one under that release's pseudonyms.
        """
        import pyarrow as pa  # noqa: PLC0415

        snapshot, is_open = self.snapshot, previous.profile is Profile.OPEN
        of_people = ", person bigint" if is_open else ""
        looks = ", looks text" if is_open else ""
        snapshot.run(f"CREATE TEMP TABLE before_{table} (id text{looks}) ON COMMIT DROP")
        snapshot.run(f"CREATE TEMP TABLE now_{table} (id text{of_people}) ON COMMIT DROP")
        for rows in _told(folder, resource, with_looks=is_open):
            snapshot.put(f"before_{table}", rows)
        if self.key is None:
            relation = f"known_{table}" if table in self._entities() else f"scratch.{table}"
            snapshot.run(f"INSERT INTO now_{table} SELECT id::text FROM {relation}")
        else:
            key = key_of(secret_key(self.settings.home), previous)
            for page in snapshot.pages(*((f"cells_{table}", "person") if is_open else (f"known_{table}", "gone"))):
                names = [pseudonym.hex() for pseudonym in key.many(kind, page["id"].to_pylist())]
                people = {"person": page["person"]} if is_open else {}
                snapshot.put(f"now_{table}", pa.table({"id": names, **people}))
        for name in ("before", "now"):
            snapshot.run(f"CREATE INDEX ON {name}_{table} (id)")
            snapshot.run(f"ANALYZE {name}_{table}")
        if is_open:
            from harvester.dataset import anonymity  # noqa: PLC0415

            anonymity.withdraw(snapshot, table, previous.parameters["k"])
        else:
            snapshot.run(_SQL["make_withdrawn"].format(table=table))


def resource_queries(
    snapshot: Snapshot, selection: Selection, key: Key | None, sources_dir: Path | None
) -> list[ResourceQuery]:
    """Return the query of each table of `restricted` or `internal`, once the snapshot is prepared."""
    from harvester.dataset import rows  # noqa: PLC0415

    found = rows.queries(tables(selection.profile), selection)
    if selection.history:
        found += history.queries(selection)
    if selection.sources is None:
        return found
    return [*found, *sources.queries(selection, key, BodyReader(snapshot.facts, sources_dir))]


def _previous(request: Request) -> Release | None:
    if request.previous is None:
        return None
    from harvester.dataset.describe import read_release, version_of  # noqa: PLC0415

    previous = read_release(request.previous)
    version_of(previous.name)
    if previous.profile is Profile.OPEN and not _is_k(previous.parameters.get("k")):
        raise UsageError(f"{request.previous} is open, and does not say how many people share a row")
    try:
        if previous.profile is not Profile.INTERNAL:
            key_of(b"", previous)
    except (LookupError, TypeError, ValueError):
        raise UsageError(f"{request.previous} does not say how its pseudonyms were made") from None
    if previous.profile is not request.profile:
        raise UsageError(f"{request.previous} is {previous.profile}, not {request.profile}: the profiles must agree")
    return previous


def _is_k(value: object) -> bool:
    """Return whether a value of a manifest is a valid k, which becomes part of statements."""
    return type(value) is int and 2 <= value < 2**31


def _fields(made: Made) -> list[Field]:
    """Return the published columns of a warehouse column."""
    if made.text is not Text.FEATURES:
        return [made.field]
    return [
        Field(f"{made.field.name}_{name}", kind, f"Of the text `{made.field.name}`: {what}.", "A feature of the text.")
        for name, (kind, what) in FEATURES.items()
    ]


def _features(column: pa.Array) -> list[pa.Array]:
    import pyarrow as pa  # noqa: PLC0415

    from harvester.dataset.files import ARROW_TYPES  # noqa: PLC0415
    from harvester.dataset.redact import features  # noqa: PLC0415

    found = [None if text is None else features(text) for text in column.to_pylist()]
    return [
        pa.array([None if one is None else one[name] for one in found], ARROW_TYPES[kind])
        for name, (kind, _) in FEATURES.items()
    ]


def _each(column: pa.Array, change: Callable[[str], str | None]) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415

    return pa.array([None if text is None else change(text) for text in column.to_pylist()], pa.string())


def _in_teaser(keys: pa.Array, *, is_hex: bool) -> pa.Array:
    """Select one in `SHARE` rows for a teaser: by the pseudonym, which is a hash already, else by a hash of the key."""
    from zlib import crc32  # noqa: PLC0415

    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if is_hex:
        return pc.less(keys, f"{2**128 // SHARE:032x}")
    if pa.types.is_integer(keys.type):
        # Fibonacci hashing: the high bits of an overflowing product.
        spread = keys.to_numpy(zero_copy_only=False).astype("uint64") * 0x9E3779B97F4A7C15
        return pa.array(spread < 2**64 // SHARE)
    return pa.array([crc32(key.encode()) < 2**32 // SHARE for key in keys.to_pylist()], pa.bool_())


def _told(folder: Path, resource: Resource, *, with_looks: bool) -> Iterator[pa.Table]:
    """Yield the keys of a table of a release; `with_looks` also all other values of each row as one text."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    from harvester.dataset.read import TROUBLE, Unreadable, batches, best_file, check_intact, joined  # noqa: PLC0415

    file = best_file(resource)
    if file is None:
        return
    if not resource.primary_key:
        raise UsageError(f"{resource.name} of the previous release has no key, by which its rows are compared")
    key = resource.primary_key[0]
    columns = tuple(one.name for one in resource.fields) if with_looks else (key,)
    values = [name for name in columns if name != key]
    try:
        stamp = check_intact(folder, file)
        for batch in batches(folder, resource, file, columns, stamp):
            told = {"id": batch.column(key).cast(pa.string())}
            if with_looks:
                told["looks"] = pc.replace_substring(joined(batch, values), "\x00", "\x02")  # PostgreSQL takes no NUL
            yield pa.table(told)
    except (Unreadable, *TROUBLE, KeyError) as error:
        why = error if isinstance(error, Unreadable) else type(error).__name__
        raise UsageError(f"{file.path} of the previous release: {why}; `harvester dataset verify` tells more") from None


def _table(columns: dict[str, Iterable[Any]], kind: str) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415

    return pa.table({name: pa.array(values, pa.type_for_alias(kind)) for name, values in columns.items()})
