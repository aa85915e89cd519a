"""Sources in releases: what was served, as far as a profile allows it; attacked by somebody who holds all sources."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from searched import everything, holds, plain_text, strings
from worded_source import FILE, OPCODES, WORD, store_source, worded_source

from harvester.dataset.diff import diff
from harvester.dataset.pseudonyms import key_of
from harvester.dataset.release import FileFormat, KeyScope, Profile, Text, Tombstones
from harvester.dataset.verify import verify
from harvester.erasure.erase import erase
from harvester.erasure.rule import REMOVED
from harvester.secret import secret_key
from harvester.source.opcodes import OPCODES as SCRATCH_3
from harvester.source.opcodes import SCRATCH_2
from harvester.source.rubric import Dimension
from harvester.warehouse.bodies import BodyReader
from harvester.warehouse.connect import open_connection

if TYPE_CHECKING:
    from collections.abc import Callable

    Truth = Callable[[str], list[dict[str, Any]]]

TABLES = ["sources", "scripts", "source_assets", "remix_differences"]
COUNTS = ("blocks", "scripts", "sprites", "costumes", "sounds", "variables", "lists", "comments")
PARQUET = (FileFormat.PARQUET,)


@pytest.fixture(scope="session")
def served(built: Any, truth: Truth) -> dict[int, dict[str, Any]]:
    """Return what the sandbox states of each source that was read, by project, with the author and the score."""
    projects = {row["id"]: row for row in truth("projects")}
    score = " + ".join(one.value for one in Dimension)
    with psycopg.connect(built.database) as connection:
        scores = dict(
            connection.execute(
                f"SELECT project_id, {score} FROM source.present_versions JOIN source.facts USING (body_sha256)"
            ).fetchall()
        )
    return {
        row["project_id"]: row
        | {"is_remix": projects[row["project_id"]]["parent_id"] is not None, "score": scores.get(row["project_id"])}
        | {name: projects[row["project_id"]][name] for name in ("author_id", "created_at")}
        for row in truth("sources")
        if row["outcome"] == "read"
    }


@pytest.fixture(scope="session")
def bodies(built: Any) -> dict[str, bytes]:
    """All sources that were served, by their SHA-256."""
    with open_connection(built.database) as connection:
        reader = BodyReader(connection)
        rows = connection.execute("SELECT sha256, packed FROM source.bodies").fetchall()
        assert {packed is None for _, packed in rows} == {True, False}  # one is stored without a crawl
        return {digest.hex(): reader.body(digest, packed) for digest, packed in rows}


def project_with_words(database: str) -> int:
    digest = hashlib.sha256(worded_source()).digest()
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT project_id FROM source.versions WHERE body_sha256 = %s", [digest]).fetchone()
    assert found is not None
    return int(found[0])


def by_project(built: Any, profile: str, table: str) -> dict[Any, list[dict[str, Any]]]:
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in built.rows(profile, table):
        found.setdefault(row["project_id"], []).append(row)
    return found


def names_of(built: Any, profile: str) -> Callable[[str, Any], Any]:
    """Return the name that a release has for a project, a digest or an asset."""
    if profile == "internal":
        return lambda _, value: value
    key = key_of(secret_key(built.home), built.releases[profile])
    return lambda kind, value: key.one(kind, value).hex()


@pytest.mark.parametrize("profile", ["restricted", "internal"])
def test_sources_are_what_was_served(
    built: Any, truth: Truth, served: dict[int, Any], bodies: dict[str, bytes], profile: str
) -> None:
    name, worded = names_of(built, profile), project_with_words(built.database)
    sources, scripts, assets = (by_project(built, profile, table) for table in TABLES[:3])
    assert sources.keys() == {name("project", one) for one in (*served, worded)}
    for project, true in served.items():
        (row,) = sources[name("project", project)]
        whole = true["format"] != "scratch1"
        assert (row["format"], row["size"]) == (true["format"], true["bytes"])
        assert [row[column] for column in COUNTS] == [true[column] if whole else None for column in COUNTS]
        assert row["opcodes"] is None or json.loads(row["opcodes"]) == true["opcodes"]
        own = scripts.get(name("project", project), [])
        found = Counter(opcode for script in own for opcode, _, _ in json.loads(script["structure"]))
        assert found == (true["opcodes"] if whole else {})
        assert [script["number"] for script in own] == list(range(1, len(own) + 1))
        assert [script["blocks"] for script in own] == [len(json.loads(script["structure"])) for script in own]
        held = Counter(dict.fromkeys(("costume", "sound"), 0))
        for asset in assets.get(name("project", project), []):
            held[asset["kind"]] += asset["count"]
        assert held == ({"costume": true["costumes"], "sound": true["sounds"]} if whole else {"costume": 0, "sound": 0})
        files = {asset["file"] for asset in assets.get(name("project", project), [])}
        text = bodies[true["sha256"]].decode(errors="replace")
        assert files == {name("asset", one) for one in re.findall(r"[0-9a-f]{32}\.(?:svg|wav)", text) if whole}
    # What is the same is called the same, and nothing else is.
    same = {row["sha256"]: true["sha256"] for one, true in served.items() for row in sources[name("project", one)]}
    assert len(same) == len({true["sha256"] for true in served.values()}) == len(set(same.values())) < len(served)
    differences = {
        (row["project_id"], row["other_id"]): [row[f"scripts_{what}"] for what in ("kept", "added", "removed")]
        for row in built.rows(profile, "remix_differences")
        if row["relation"] == "parent"
    }
    stated = {
        tuple(name("project", row[one]) for one in ("project_id", "parent_id")): [
            row[what] for what in ("kept", "added", "removed")
        ]
        for row in truth("source_differences")
        if all(one in served and served[one]["format"] != "scratch1" for one in (row["project_id"], row["parent_id"]))
    }
    assert stated.items() <= differences.items()
    assert len(stated) > 5
    (row,) = sources[name("project", worded)]
    assert json.loads(row["opcodes"]) == OPCODES


# Words of children ---------------------------------------------------------------------------------------------------


TERMS = {"3.0.0", "0.2.0-prerelease.20220222132735", "ObjS", "Stage"} | SCRATCH_2.keys() | SCRATCH_3
"""The editor, which is of a known form, what is in every source, and the names of blocks."""
ID = re.compile(r"[0-9.-]+(?:SUBSTACK[0-9.-]*)*")
"""A number, or an id by which a block of the sandbox refers to another."""


def words_of(body: bytes) -> set[str]:
    """Each text of more than three characters that a source holds as a value, of any format."""
    if body.startswith(b"ScratchV"):
        found = [word.decode() for word in re.findall(rb"[A-Za-z][A-Za-z0-9]+", body[10:])]
    else:
        found = list(strings(json.loads(body)))
    return {word for word in found if len(word) > 3 and not ID.fullmatch(word)} - TERMS


def test_restricted_holds_no_literal_of_any_source(built: Any, bodies: dict[str, bytes]) -> None:
    """Names, contents, comments, labels, messages, inputs and files: each that is longer than three characters."""
    sought = {word for body in bodies.values() for word in words_of(body)}
    for expected in ("Punktestand", "Reiseziele", "Ulmenweg", "Spielbeginn", "Fang mich", "Sprite1", "costume1"):
        assert expected in sought
    assert sum(word.startswith("Notiz ") for word in sought) > 20
    assert sum(word.startswith(WORD) for word in sought) > 25
    files = {word for word in sought if re.match(r"[0-9a-f]{32}", word)}
    digests = {word[:32] for word in files} | bodies.keys()
    assert len(digests) > 100
    token = re.compile(r"[0-9]{9,}_[0-9a-f]{64,}|token=|project_token")
    for name, text in everything(built.folder / "restricted").items():
        folded = text.lower()
        assert not [word for word in sought - files if word.lower() in folded], name
        assert WORD not in folded, name
        assert not {run[:32] for run in re.findall(r"[0-9a-f]{32,}", folded)} & {one[:32] for one in digests}, name
        assert not token.search(text), name
    # Scripts are named by pseudonyms, too: as many as there are different ones.
    hidden, plain = ({row["script"] for row in built.rows(name, "scripts")} for name in ("restricted", "internal"))
    assert len(hidden) == len(plain) > 50
    assert not hidden & plain
    # The same search over `internal` finds the words of scripts, and the assets.
    tables = [built.folder / f"internal/data/{table}.csv.gz" for table in TABLES]
    text = "\n".join(map(plain_text, tables))
    for word in ("Punktestand", "Fang mich", "Spielbeginn", FILE):
        assert word in text
    assert not token.search(text)
    unseen = {"Reiseziele", "Ulmenweg", "Notiz "}
    assert not [word for word in unseen if word in text], "contents of lists and comments are in no release"


# linkage -------------------------------------------------------------------------------------------------------------

SUMS = {name: name for name in ("format", "is_remix", "blocks", "scripts", "sprites", "score")}


def test_all_sources_re_identify_nobody_in_open(built: Any, truth: Truth, served: dict[int, Any]) -> None:
    """Attack with all sources, counted as the release does, and with the time and author of each project."""
    rows = built.rows("open", "sources")
    assert len(rows) > 0.9 * len(served)
    found = set()
    known = {a: b for a, b in (SUMS | {"created": "created_at"}).items() if a in rows[0]}
    assert known
    for row in rows:
        fitting = {
            true["author_id"] for true in served.values() if all(holds(row[a], true[b]) for a, b in known.items())
        }
        assert fitting
        found |= fitting if len(fitting) == 1 else set()
    assert len(found) < 0.01 * len(truth("users"))
    # Nothing but the sums is there, and no row leads to a project.
    assert rows[0].keys() == {"id", *known, "weight"}
    assert not {row["id"] for row in rows} & {row["id"] for row in built.rows("open", "projects")}
    assert [one.name for one in built.releases["open"].resources if one.name in TABLES] == ["sources"]
    for name, text in everything(built.folder / "open").items():
        if name.startswith(("data/", "teaser/")):
            assert not re.search(r"event_|motion_|looks_|control_", text), name


def test_the_datasheet_says_how_many_opcodes_tell_apart(built: Any, served: dict[int, Any]) -> None:
    """The attack on `restricted`: each source whose counts of blocks no other project has leads to its project."""
    vectors = Counter((true["format"], json.dumps(true["opcodes"])) for true in served.values())
    key = key_of(secret_key(built.home), built.releases["restricted"])
    theirs = {key.one("project", project).hex(): true["author_id"] for project, true in served.items()}
    rows = [row for row in built.rows("restricted", "sources") if row["opcodes"] is not None]
    found = set()
    for row in rows:
        vector = (
            row["format"],
            json.dumps(json.loads(row["opcodes"], object_pairs_hook=lambda pairs: dict(sorted(pairs)))),
        )
        if vectors[vector] == 1:
            found.add(row["project_id"])
    alone = found | {key.one("project", project_with_words(built.database)).hex()}
    told = built.releases["restricted"].anonymity["sources"]
    assert told == {
        "with_counts_of_blocks": len(rows),
        "told_apart_by_their_opcodes": len(alone),
        "share": round(len(alone) / len(rows), 4),
    }
    assert len({theirs[one] for one in found}) > 0.5 * len(set(theirs.values()))
    text = (built.folder / "restricted/DATASHEET.md").read_text()
    assert "those counts are a fingerprint" in text
    assert f"- told apart by their opcodes: {len(alone)}\n" in text


# what is in ----------------------------------------------------------------------------------------------------------


def test_what_is_gone_refused_or_erased_is_left_out(
    embedded_server: Any, builder_with_sources: Any, served: dict[int, Any]
) -> None:
    builder, author = builder_with_sources, served[min(served)]["author_id"]
    theirs = {one for one, true in served.items() if true["author_id"] == author}
    gone, refused, other, *_ = sorted(served.keys() - theirs)
    with psycopg.connect(builder.database, autocommit=True) as connection:
        ((name,),) = connection.execute("SELECT username FROM scratch.users WHERE id = %s", [author]).fetchall()
    store_source(builder.database, other, worded_source(f"hi @{name}, it is me"))
    told: list[str] = []
    options = {"scope": KeyScope.PROJECT, "formats": PARQUET, "tombstones": Tombstones.FLAGS}
    builder("before", Profile.RESTRICTED, name="2026.01.0", on_progress=told.append, **options)
    assert "1 source without counts: `harvester source analyse` makes them" in told
    with psycopg.connect(builder.database, autocommit=True) as connection:
        connection.execute("UPDATE scratch.projects SET gone_at = now() WHERE id = %s", [gone])
        connection.execute("UPDATE source.projects SET outcome = 'refused' WHERE project_id = %s", [refused])
    older = embedded_server.create(psycopg.conninfo.conninfo_to_dict(builder.database)["dbname"])
    with psycopg.connect(builder.database, autocommit=True) as connection:
        erase(connection, builder.home, user=author)
    builder("after", Profile.RESTRICTED, name="2026.02.0", previous=builder.folder / "before", **options)
    key = key_of(secret_key(builder.home), builder.releases["before"])
    lost = {key.one("project", one).hex() for one in theirs | {gone, refused}}
    for table in TABLES:
        before, after = (builder.rows(name, table) for name in ("before", "after"))
        assert after == [row for row in before if not {row["project_id"], row.get("other_id")} & lost]
        assert 0 < len(after) < len(before)
    assert builder.releases["after"].changes["sources"] == {"added": 0, "withdrawn": len(lost)}
    lines = gzip.decompress((builder.folder / "after/withdrawn.csv.gz").read_bytes()).decode().splitlines()
    assert {line.replace('"', "").partition(",")[2] for line in lines if '"sources"' in line} == lost
    assert verify(builder.folder / "after") == []
    compared = diff(builder.folder / "before", builder.folder / "after").tables["sources"]
    assert (compared.removed, compared.added, compared.changed) == (len(lost), 0, 0)

    # An older copy of the warehouse has the person's sources still, and the rule stands beside the key. `internal` has
    # what is gone as it was last seen.
    older_builder = replace(builder, database=older)
    older_builder("older", Profile.INTERNAL, formats=PARQUET)
    scripts = by_project(older_builder, "older", "scripts")
    assert by_project(older_builder, "older", "sources").keys() == served.keys() - theirs | {project_with_words(older)}
    words = " ".join(row["words"] for row in scripts[other])
    assert f"hi @{REMOVED}, it is me" in words
    assert name not in words
    embedded_server.drop(older)


def test_a_past_state_has_the_source_of_then(built: Any, builder_with_sources: Any, served: dict[int, Any]) -> None:
    builder = builder_with_sources
    pairs = [(row["project_id"], row["other_id"]) for row in built.rows("internal", "remix_differences")]
    remix = pairs[0][0]
    its_own = {one for pair in pairs if remix in pair for one in pair}
    parent = next(other for _, other in pairs if other not in its_own)
    gone, read_again, *_ = sorted(served.keys() - {one for pair in pairs for one in pair})
    then = datetime.now(UTC)
    later = then + timedelta(minutes=1)
    with psycopg.connect(builder.database, autocommit=True) as connection:
        for changed in (remix, parent):
            connection.execute(
                "INSERT INTO source.versions"
                " (project_id, sha256, body_sha256, format, blocks, first_seen_at, last_seen_at)"
                " SELECT %s, sha256, body_sha256, format, blocks, %s, %s FROM source.versions WHERE project_id = %s",
                [changed, later, later, project_with_words(builder.database)],
            )
        connection.execute("UPDATE scratch.projects SET gone_at = now() WHERE id = %s", [gone])
        connection.execute("UPDATE source.versions SET last_seen_at = %s WHERE project_id = %s", [later, read_again])
    builder("now", Profile.INTERNAL, formats=PARQUET)
    options = {"as_of": then, "tombstones": Tombstones.DROP, "text": Text.NONE}
    builder("then", Profile.INTERNAL, formats=PARQUET, **options)
    now, before = (by_project(builder, name, "sources") for name in ("now", "then"))
    for project in (remix, parent):
        assert [row["size"] for row in now[project]] == [len(worded_source())]
        assert [row["size"] for row in before[project]] == [served[project]["bytes"]]
    assert [row["last_seen_at"] for row in now[read_again] + before[read_again]] == [later, then]
    # What is gone now is in `internal` as it was last seen, and was there then. Words are there if asked for.
    assert gone in now.keys() & before.keys()
    assert "words" in builder.rows("now", "scripts")[0].keys() - builder.rows("then", "scripts")[0].keys()
    # No remix is compared with a version that is not in the release.
    differences = builder.rows("now", "remix_differences")
    assert {(row["project_id"], row["other_id"]) for row in differences} == {
        pair for pair in pairs if not {remix, parent} & set(pair)
    }
    assert len(builder.rows("then", "remix_differences")) == len(pairs)
