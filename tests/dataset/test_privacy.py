"""What a release for others may not hold: searched byte by byte, and attacked with the truth."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import Counter, defaultdict
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from searched import everything, holds, plain_text, strings

from harvester.api.catalogue import STREAMS
from harvester.api.decode import decode
from harvester.api.rows import Visit, normalise
from harvester.crawl.commit import Writer
from harvester.dataset.columns import KINDS
from harvester.dataset.describe import render
from harvester.dataset.facts import coverage
from harvester.dataset.pseudonyms import key_of
from harvester.dataset.release import Profile, Tombstones
from harvester.secret import secret_key
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Truth = Callable[[str], list[dict[str, Any]]]

THINGS = ("users", "projects", "studios", "project_comments", "studio_comments", "profile_comments", "studio_activity")
TEXTS = ("title", "description", "instructions", "content", "content_raw", "status", "bio", "featured_label")


@pytest.fixture(scope="session")
def secrets_of(truth: Truth) -> dict[str, set[str]]:
    """What the source has and no release for anybody may have, by kind."""
    found: dict[str, set[str]] = defaultdict(set)
    for table in THINGS:
        for row in truth(table):
            for name, value in row.items():
                if name == "username" or name.endswith("_username"):
                    found["name"] |= {value} - {None}
                elif name == "id" or name.endswith("_id"):
                    found["id"] |= {str(value)} if value is not None else set()
                elif name.endswith("_at") and value is not None:
                    found["time"] |= {value[:19], value[:19].replace("T", " ")}
                elif name in TEXTS:
                    found["text"] |= {value} - {None}
            found["url"] |= {text for text in strings(row) if "://" in text}
    found["mention"] = {f"@{name}" for name in found["name"]}
    assert all(len(found[kind]) > 60 for kind in ("name", "id", "time", "text", "url")), {
        k: len(v) for k, v in found.items()
    }
    return found


def test_open_holds_nothing_of_the_source(built: Any, secrets_of: dict[str, set[str]]) -> None:
    tokens = re.compile(r"[A-Za-z0-9_-]+")
    for name, text in everything(built.folder / "open").items():
        words = set(tokens.findall(text)) | set(re.findall(r"\d+", re.sub(r"\b[0-9a-f]{16,}\b", "", text)))
        data = name.startswith(("data/", "teaser/"))
        assert not {one for one in secrets_of["name"] & words if len(one) > 3}, name
        # A short id may be a count or a year: what is not short is no id by chance.
        assert not {one for one in secrets_of["id"] & words if len(one) > 4}, name
        for kind in ("url", "mention", "time"):
            assert not {one for one in secrets_of[kind] if one in text}, (name, kind)
        assert not {one for one in secrets_of["text"] if len(one) > 11 and one in text}, name
        if data and not name.endswith(".parquet"):
            assert not re.search(r"\d:\d\d|https?:|@", text), name


def test_restricted_holds_no_name_and_no_id(built: Any, secrets_of: dict[str, set[str]]) -> None:
    for name, text in everything(built.folder / "restricted").items():
        if name.startswith(("data/", "teaser/")) and not name.endswith(".parquet"):
            cells = set(re.split(r'[,"\n:{}]+', text))
            assert not {one for one in secrets_of["name"] & cells if len(one) > 3}, name
            assert not {one for one in secrets_of["id"] & cells if len(one) > 4}, name
            assert not {one for one in secrets_of["url"] if one in text}, name


def test_the_search_for_traces_finds_planted_ones(built: Any, secrets_of: dict[str, set[str]]) -> None:
    """The same search over `internal` finds nearly all of them."""
    text = "\n".join(plain_text(path) for path in (built.folder / "internal/data").glob("*.csv.gz"))
    for kind in ("name", "id", "time", "text", "url"):
        sought = {one for one in secrets_of[kind] if len(one) > 4 and not set(one) & set('"\n')}
        found = {one for one in sought if one in text}
        # Times are looked for in two spellings.
        assert len(found) > (0.4 if kind == "time" else 0.85) * len(sought), kind


# linkage -------------------------------------------------------------------------------------------------------------


class Attack:
    """Somebody with the whole public site, and rows of a release.

    For each row they find all things that it can be: by its values, then by what its edges lead to, until nothing
    more is excluded. Somebody is re-identified by a row that can be theirs alone.
    """

    def __init__(self, released: list[dict[str, Any]], true: list[dict[str, Any]], compared: dict[str, str]) -> None:
        self.released = {row["id"]: row for row in released}
        self.true = {row["id"]: row for row in true}
        compared = {a: b for a, b in compared.items() if released and a in released[0]}
        # Rows that look the same have the same candidates.
        candidates: dict[tuple[Any, ...], set[Any]] = {}
        for row in released:
            look = tuple(row[a] for a in compared)
            if look not in candidates:
                values = dict(zip(compared.values(), look, strict=True))
                candidates[look] = {
                    key for key, thing in self.true.items() if all(holds(one, thing[b]) for b, one in values.items())
                }
        self.candidates = {
            pseudonym: set(candidates[tuple(row[a] for a in compared)]) for pseudonym, row in self.released.items()
        }

    def follow(self, edge: str, rounds: int = 3) -> None:
        """Exclude what does not fit at the other end of an edge, and what has fewer children than the row."""
        children = Counter(row[edge] for row in self.released.values() if row.get(edge))
        true_children = Counter(row[edge] for row in self.true.values() if row[edge])
        for pseudonym, number in children.items():
            if pseudonym in self.candidates:
                self.candidates[pseudonym] &= {
                    key for key in self.candidates[pseudonym] if true_children[key] >= number
                }
        for _ in range(rounds):
            for pseudonym, row in self.released.items():
                if row.get(edge) in self.candidates:
                    ends = self.candidates[row[edge]]
                    mine = self.candidates[pseudonym]
                    self.candidates[pseudonym] = {key for key in mine if self.true[key][edge] in ends}
                    starts = {self.true[key][edge] for key in self.candidates[pseudonym]}
                    self.candidates[row[edge]] = ends & starts

    def people(self, owner: str) -> set[Any]:
        """Who is re-identified."""
        found = set()
        for things in self.candidates.values():
            owners = {self.true[key][owner] for key in things}
            if len(owners) == 1:
                found |= owners
        return found


def with_degrees(truth: Truth) -> list[dict[str, Any]]:
    """Users with what is counted of them."""
    followers = Counter(row["followee_id"] for row in truth("follows"))
    following = Counter(row["follower_id"] for row in truth("follows"))
    projects = Counter(row["author_id"] for row in truth("projects"))
    with (resources.files("harvester.dataset") / "regions.csv").open() as file:
        regions = {row["country"]: row["region"] for row in csv.DictReader(file)}
    return [
        row
        | {
            "region": regions.get(row["country"]),
            "followers_count": followers[row["id"]],
            "following_count": following[row["id"]],
            "projects_count": projects[row["id"]],
        }
        for row in truth("users")
    ]


def with_parents(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Comments and projects with whether they reply to another one, or remix one."""
    return [row | dict.fromkeys(("is_reply", "is_remix"), row["parent_id"] is not None) for row in rows]


PERSON = {"country": "country", "region": "region", "joined": "joined_at"} | {
    name: name for name in ("followers_count", "following_count", "projects_count")
}
WORK = {"created": "created_at"} | {
    name: name for name in ("is_remix", "is_reply", "views", "loves", "favorites", "remixes")
}
STUDIO = {"created": "created_at"} | {
    name: name for name in ("open_to_all", "project_count", "follower_count", "comment_count")
}
OWNERS = {"users": "id", "projects": "author_id", "studios": "host_id"} | dict.fromkeys(
    ("project_comments", "studio_comments", "profile_comments"), "author_id"
)


def re_identified(release: Callable[[str], list[dict[str, Any]]], truth: Truth) -> set[Any]:
    """Everybody whom the truth finds in a release, by their own row or by a thing of theirs."""
    users = Attack(release("users"), with_degrees(truth), PERSON)
    found = users.people("id")
    projects = Attack(release("projects"), with_parents(truth("projects")), WORK)
    projects.follow("parent_id")
    projects.follow("root_id")
    found |= projects.people("author_id")
    found |= Attack(release("studios"), truth("studios"), STUDIO).people("host_id")
    for table in ("project_comments", "studio_comments", "profile_comments"):
        comments = Attack(release(table), with_parents(truth(table)), WORK)
        comments.follow("parent_id")
        found |= comments.people("author_id")
    return found


def test_the_truth_re_identifies_nobody_in_open(built: Any, truth: Truth) -> None:
    found = re_identified(lambda table: built.rows("open", table), truth)
    assert len(found) < 0.01 * len(truth("users")), f"{len(found)} of {len(truth('users'))}"


def test_the_attack_finds_people_where_they_are_not_hidden(built: Any, truth: Truth) -> None:
    """The same attack on pseudonyms with exact times and edges, as `restricted` has them, finds nearly everybody."""
    columns = {"created_at": "created", "joined_at": "joined"}

    def exact(table: str) -> list[dict[str, Any]]:
        rows = [
            {
                columns.get(name, name): value.strftime("%Y-%m-%dT%H:%M:%S") if hasattr(value, "strftime") else value
                for name, value in row.items()
            }
            for row in built.rows("restricted", table)
        ]
        return [{"is_reply": row["parent_id"] is not None} | row if "parent_id" in row else row for row in rows]

    found = re_identified(exact, truth)
    assert len(found) > 0.9 * len(truth("users"))


# two releases ---------------------------------------------------------------------------------------------------------


def looks_of(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """All values of each row of a release but its pseudonym."""
    return {row["id"]: tuple(value for name, value in row.items() if name != "id") for row in rows}


def test_leavers_between_releases_hide_among_the_others(builder_with_sources: Any, truth: Truth) -> None:
    """Whoever holds both releases, and knows who left: what is withdrawn is not theirs alone."""
    builder = builder_with_sources
    owners = dict(OWNERS)
    builder("before", name="2026.01.0")
    key = key_of(secret_key(builder.home), builder.releases["before"])
    of_whom = {
        key.one(KINDS[table], row["id"]).hex(): row[owner] for table, owner in owners.items() for row in truth(table)
    }
    of_whom |= {key.one("source", row["id"]).hex(): row["author_id"] for row in truth("projects")}
    owners["sources"] = "author_id"
    held = {table: builder.rows("before", table) for table in owners}
    writers = Counter(of_whom[row["id"]] for table in owners for row in held[table] if row["id"] in of_whom)
    (leaver, rows), *_ = writers.most_common()
    assert rows > 3
    with psycopg.connect(builder.database, autocommit=True) as connection:
        connection.execute(
            "UPDATE scratch.users SET gone_at = now(), gone_reason = 'deleted or banned' WHERE id = %s", [leaver]
        )
    builder("after", name="2026.02.0", previous=builder.folder / "before")
    lines = gzip.decompress((builder.folder / "after/withdrawn.csv.gz").read_bytes()).decode().splitlines()[1:]
    withdrawn = [tuple(line.replace('"', "").split(",")) for line in lines]
    theirs = {one for one, owner in of_whom.items() if owner == leaver}
    # A studio stays without its host.
    assert theirs & {one for _, one in withdrawn} >= theirs & {
        row["id"] for table in owners for row in held[table] if table != "studios"
    }
    for table in owners:
        looks = looks_of(held[table])
        people: dict[Any, set[Any]] = defaultdict(set)
        for one in (one for name, one in withdrawn if name == table):
            people[looks[one]].add(of_whom[one])
        assert all(len(found) >= 10 for found in people.values()), (table, [len(found) for found in people.values()])


def test_coverage_figures_reveal_no_single_row(built: Any) -> None:
    told = built.releases["open"].coverage
    rows = [row for name, rows in told.items() if name != "numbers" for row in rows]
    numbers = [
        value for row in rows for name, value in row.items() if name != "year" and isinstance(value, int | float)
    ]
    assert len(numbers) > 50
    assert not [one for one in numbers if 0 < one < 10 or one != round(one)]
    exact = built.releases["restricted"].coverage
    assert any(0 < row["lists"] < 10 for row in exact["lists"]), "there is something to leave out"


def people_of(builder: Any, name: str, truth: Truth) -> dict[str, Any]:
    """Whose each pseudonym of a release is."""
    key = key_of(secret_key(builder.home), builder.releases[name])
    found = {
        key.one(KINDS[table], row["id"]).hex(): row[owner] for table, owner in OWNERS.items() for row in truth(table)
    }
    return found | {key.one("source", row["id"]).hex(): row["author_id"] for row in truth("projects")}


def test_k_people_share_the_values_of_each_row(built: Any, truth: Truth) -> None:
    of_whom = people_of(built, "open", truth)
    for table in (*OWNERS, "sources"):
        rows = built.rows("open", table)
        people: dict[Any, set[Any]] = defaultdict(set)
        for one, look in looks_of(rows).items():
            people[look].add(of_whom[one])
        assert rows, table
        assert min(map(len, people.values())) >= 10, table


def test_weights_and_strata_add_up_to_all_rows(built: Any, truth: Truth) -> None:
    """Counts of the warehouse are exact; what is suppressed is of nobody or of k people."""
    of_whom = people_of(built, "open", truth)
    live = {row["id"] for row in truth("users")}
    suppressed_somewhere = False
    for table, owner in OWNERS.items():
        told, rows = built.releases["open"].anonymity[table], built.rows("open", table)
        assert len(rows) == told["shown"] == sum(one["shown"] for one in told["strata"])
        assert sum(row["weight"] for row in rows) == pytest.approx(told["rows"], rel=1e-12)
        assert told["suppressed"] == told["rows"] - told["shown"] == sum(one["suppressed"] for one in told["strata"])
        shown = {row["id"] for row in rows}
        ids = [row["id"] for row in truth(table) if row[owner] in live]
        hidden = built.pseudonyms("open", KINDS[table], ids) - shown
        assert len({of_whom[one] for one in hidden}) >= 10 or not told["suppressed"]
        assert told["suppressed"] <= len(hidden)
        suppressed_somewhere |= told["suppressed"] > 0
        for one in told["strata"]:
            assert one["suppressed"] == 0 or one["suppressed"] >= 10
    assert suppressed_somewhere, "there is something to correct"


def test_a_table_has_one_step_for_each_column(built: Any) -> None:
    """What the manifest says of steps is what the rows have, and no value is missing that the truth has."""
    looks_like = {
        "day": r"\d{4}-\d\d-\d\d", "month": r"\d{4}-\d\d", "quarter": r"\d{4}-Q[1-4]", "year": r"\d{4}",
        "fine bins": r"\d|\d\d+-\d+|10{6}\+", "decades": r"0|1-9|10+-9+|10{6}\+", "three classes": r"0|1-9|10\+",
        "none or some": r"0|1\+", "three levels": r"0-7|8-14|15-21",
    }  # fmt: skip
    for table in (*OWNERS, "sources"):
        told, rows = built.releases["open"].anonymity[table], built.rows("open", table)
        assert list(rows[0]) == ["id", *told["steps"], "weight"]
        assert not set(told["dropped"]) & set(rows[0])
        for name, step in told["steps"].items():
            values = [row[name] for row in rows]
            if step != "as it is":
                assert all(re.fullmatch(looks_like[step], one) for one in values if one is not None), (table, name)
            if table != "sources" and name not in ("country", "region"):
                assert None not in values, (table, name)


# What may be less than k in a manifest of `open`, and why. A path that ends otherwise holds a count of things.
MAY_BE_SMALL = {
    r"/(bytes|sha256|schema_version)$": "of files",
    r"/anonymity/(k|most_suppressed|most_of_a_part)$": "what the operator asked for, and shares",
    r"/design/designs/\d+/(design_id|of_design|drawn|frame_size)$": "what the operator asked for",
    r"/parameters/": "what the operator asked for",
    r"/provenance/(runs|requests)$": "the operator's own",
    r"/coverage/ids_by_year/\d+/year$": "a year",
    r"^/release/privacy/": "of the noise, whatever the data",
    r"/coverage/absences/\d+/median_days$": "days, of k things or more",
    r"^/release/resources/\d+/rows$": "of a teaser, whose rows k people share each; or of fixed cells",
}


def small_numbers(told: Any, k: int, path: str = "") -> Iterator[tuple[str, float]]:
    """Each number from 0 to k, both apart, with the path to it."""
    if isinstance(told, dict):
        for name, value in told.items():
            yield from small_numbers(value, k, f"{path}/{name}")
    elif isinstance(told, list):
        for place, value in enumerate(told):
            yield from small_numbers(value, k, f"{path}/{place}")
    elif isinstance(told, int | float) and not isinstance(told, bool) and 0 < told < k:
        yield path, told


def test_no_count_below_k_stands_anywhere_in_an_open_release(builder: Any) -> None:
    """In the manifest, and so in what is made of it; with k so large that there is much to leave out."""
    k = 25
    with psycopg.connect(builder.database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO crawl.designs (name, parameters) VALUES ('uniform', '{}');"
            "INSERT INTO crawl.draws"
            " (design_id, position, entity_id, outcome, inclusion_probability, weight, cluster_id)"
            " SELECT (SELECT max(id) FROM crawl.designs), place - 1, id,"
            " CASE WHEN place <= 7 THEN 'hit' ELSE 'not found' END, 0.5, 2, id"
            " FROM (SELECT id, row_number() OVER () AS place FROM scratch.projects LIMIT 60) drawn"
        )
        builder("first", k=k)
        # Some are new, and some leave: fewer than k of each.
        connection.execute(
            "INSERT INTO scratch.users (id, username, joined_at) SELECT g, 'new' || g, '2020-01-01'"
            " FROM generate_series(900000001, 900000005) g;"
            "UPDATE scratch.projects SET gone_at = now() WHERE id IN (SELECT id FROM scratch.projects LIMIT 3)"
        )
    release = builder("second", k=k, previous=builder.folder / "first")
    folder = builder.folder / "second"
    manifest = json.loads((folder / "manifest.json").read_text())
    teasers = {
        f"/release/resources/{n}/rows"
        for n, one in enumerate(release.resources)
        if "teaser" in one.name or one.name == "bias" or any(field.name == "noise_scale" for field in one.fields)
    }
    found = list(small_numbers(manifest, k))
    for path, number in found:
        reason = next((why for pattern, why in MAY_BE_SMALL.items() if re.search(pattern, path)), None)
        assert reason is not None, (path, number)
        assert not reason.startswith("of a teaser") or path in teasers, (path, number)
    # The documents tell nothing that the manifest does not, but for what is the same in every release.
    empty = replace(
        release,
        resources=tuple(replace(one, rows=0) for one in release.resources),
        coverage={}, anonymity={}, design={}, changes={},
    )  # fmt: skip
    # What a release is read with depends on its columns alone, and is not there without rows.
    starts = {
        name: text
        for name, text in render(replace(empty, resources=release.resources)).items()
        if "start" in name.lower()
    }
    fixed = render(empty) | starts
    may = {f"{number:,}" for path, number in found}
    for name, text in render(release).items():
        small = {one for one in re.findall(r"(?<![\w.,/:-])\d+(?![\w.,/:-]\d|\w|-)", text.decode()) if 0 < int(one) < k}
        same = set(re.findall(r"\d+", fixed[name].decode()))
        assert small <= same | may, (name, small - same - may)
    assert release.design["designs"][0]["hits"] is None
    assert release.changes["users"]["added"] in (None, 0)
    exact = facts_of(builder)
    assert any(0 < row["gone"] < k for row in exact["lists"]), "there is something to leave out"


def facts_of(builder: Any) -> dict[str, Any]:
    with psycopg.connect(builder.database) as connection:
        return coverage(connection)


def test_the_order_of_rows_reveals_nothing(built: Any) -> None:
    """Rows stand in the order of their pseudonyms, whatever the ids were."""
    for profile in ("open", "restricted"):
        for table in ("users", "projects", "project_comments", "sources"):
            key = "project_id" if (profile, table) == ("restricted", "sources") else "id"
            pseudonyms = [row[key] for row in built.rows(profile, table)]
            assert pseudonyms == sorted(pseudonyms)
            assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in pseudonyms)


def test_gdpr_erased_accounts_leave_no_former_values(builder: Any) -> None:
    """Not in a state of before, where tombstones are told, nor in the words of others; the warehouse keeps it."""
    with open_connection(builder.database, autocommit=True) as connection:

        def one(query: str, *values: Any) -> Any:
            row = connection.execute(query, values).fetchone()
            assert row is not None
            return row[0] if len(row) == 1 else row

        person, profile = one(
            "SELECT id, profile_id FROM scratch.users u WHERE gone_at IS NULL"
            " AND id IN (SELECT author_id FROM scratch.projects WHERE gone_at IS NULL) ORDER BY id LIMIT 1"
        )
        comment = one(
            "SELECT id FROM scratch.project_comments WHERE author_id <> %s AND gone_at IS NULL ORDER BY id LIMIT 1",
            person,
        )
        connection.execute(
            "UPDATE scratch.users SET username = 'zyxkid_77', country = 'Tonga', bio = 'zyxbio', status = 'zyxstatus',"
            " joined_at = '2011-11-11 11:11:11Z', extra = '{\"hobby\": \"zyxextra\"}' WHERE id = %s",
            [person],
        )
        connection.execute("UPDATE scratch.users SET country = 'Chad' WHERE country = 'Tonga' AND id <> %s", [person])
        connection.execute("UPDATE scratch.project_comments SET content = 'hi @zyxkid_77' WHERE id = %s", [comment])
        then = one("SELECT now()")
        served = {
            "id": person,
            "username": "gdpr0000077",
            "history": {"joined": "2000-01-01T00:00:00.000Z"},
            "profile": {"id": profile, "images": {}, "status": "", "bio": "", "country": None},
        }
        stream = STREAMS["user"]
        records = decode(stream, json.dumps(served).encode())
        Writer(connection).store(normalise(Visit(stream, person), records))
        kept = "SELECT username, country, bio FROM history.user_revisions WHERE user_id = %s AND valid_to > %s"
        assert one(kept, person, then) == ("zyxkid_77", "Tonga", "zyxbio")

    for profile, name, at in (
        (Profile.OPEN, "open-then", then),
        (Profile.RESTRICTED, "restricted-then", then),
        (Profile.RESTRICTED, "restricted-now", None),
    ):
        tombstones = Tombstones.DROP if profile is Profile.OPEN else Tombstones.FLAGS
        builder(name, profile, tombstones=tombstones, as_of=at)
        for file, text in everything(builder.folder / name).items():
            words = r"(?i)zyx(?:kid|bio|status|extra)|2011-11-11|gdpr0000"
            # Aggregates by country have a figure for each country, whoever is there.
            found = re.findall(words if "counts_by_country" in file else f"{words}|Tonga", text)
            assert not found, (name, file)
    for name in ("now", "then"):
        (row,) = [
            row for row in builder.rows(f"restricted-{name}", "users") if row["gone_reason"] == "erased under the GDPR"
        ]
        told = {column for column, value in row.items() if value is not None}
        assert told <= {"id", "first_seen_at", "gone_at", "last_seen_at", "gone_reason", "gone"} | set(DESIGN)


DESIGN = ("design_id", "inclusion_probability", "weight")
