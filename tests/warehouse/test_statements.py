"""Named statements: each is used by the module beside it, and is valid SQL for the schema."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import harvester
from harvester.warehouse.statements import statements

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(harvester.__file__).parent
IS_SQL = re.compile(
    r"(?m)^[\s(]*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH \w+ AS|CREATE (TEMP|TABLE|VIEW|FUNCTION)|ALTER TABLE)\b"
    r"|[( ](SELECT|UPDATE|DELETE FROM|INSERT INTO) |(WHERE|JOIN|ON CONFLICT) .*(=|IN|IS|ON) "
)
FILES = sorted(ROOT.glob("*/sql/*.sql"))
REPLAYED = {"staged": "pg_temp.staged_0", "columns": "id", "key": "id", "part": "0", "kind": ""}
"""What stands for the names of statements of a partial replay."""
NAMES = {
    "after": "",
    "ahead": "0",
    "always": "true",
    "at": "now()",
    "birth": "now()",
    "chosen": "SELECT 'user'::text AS stream, 1::bigint AS entity_id",
    "columns": "1 AS n",
    "comments": "scratch.project_comments",
    "conditions": "true",
    "conflict": "DO NOTHING",
    "counted": "project_count",
    "counters": "s.user_id::text",
    "dated": "joined_at",
    "differs": "true",
    "drawn": "(SELECT 1::bigint AS entity_id, 1 AS design_id, '' AS stratum, 1 AS inclusion_probability, 1 AS weight)",
    "entities": "scratch.users",
    "entity": "w.entity_id",
    "entries": "crawl.frontier",
    "first": "id",
    "free": "true",
    "held": "studio_projects h ON h.studio_id = t.id",
    "into": "id",
    "is_drawn": "true",
    "is_gone": "false",
    "is_named": "",
    "is_there": "",
    "item": "id",
    "joins": "",
    "k": "3",
    "kept": "",
    "key": "id",
    "kind": "'users'",
    "label": "''",
    "licence": "''",
    "match": "true",
    "now": "now()",
    "most": "30",
    "name": "project_comments",
    "named": "",
    "names": "NULL",
    "of_design": "true",
    "of_users": "true",
    "oldest": "1",
    "only": "true",
    "or_replies": "",
    "missed_reply": "NULL::timestamptz",
    "replies": "'x'",
    "order": "1",
    "own": "l.follower_id",
    "owner": "id",
    "past": "0::float8",
    "people": "3",
    "project": "own.id",
    "projects": "scratch.projects",
    "proven_seconds": "0::float8",
    "relation": "facts_project_comments",
    "renamed": "",
    "ended": "true",
    "ends": "",
    "gone": "0",
    "same": "true",
    "score": "0",
    "signal": "NULL::int",
    "since": "now()",
    "source": "scratch.users",
    "staged": "(SELECT 1::bigint AS id)",
    "step": "0",
    "strata": "",
    "sample": "",
    "stratum": "d.stratum",
    "stream": "'news'",
    "streams": "'{news}'",
    "studio": "t.id",
    "studios": "scratch.studios",
    "table": "scratch.users",
    "target": "scratch.users",
    "thing": "studios",
    "unique": "id",
    "unseen": "true",
    "user": "of_username",
    "users": "scratch.users",
    "values": "id",
    "versions": "source.present_versions",
    "view": "analytics.cohorts",
    "visits": "= 0",
    "weight": "1",
    "waits": "''",
}
"""What stands for the names that vary."""
_STATES = "states AS (SELECT user_id, valid_from, last_seen_at, valid_to FROM history.user_revisions)"
OWN = {
    "absences.present_comments": {
        "comments": "scratch.project_comments",
        "page": "c.project_id",
        "pages": "scratch.projects",
        "owner": "p.author_id",
    },
    "anonymity.make_facts": {"facts": "SELECT id, author_id AS person FROM scratch.project_comments"},
    "anonymity.make_coded": {"stratum": "'all'", "drawn": "false", "columns": ""},
    "anonymity.suppress_people": {"label": "00000000-0000-0000-0000-000000000000"},
    "anonymity.suppressed_shares": {"drawn": "false", "part": "'all'"},
    "anonymity.make_cells": {"columns": ""},
    "bias.counts": {"value": "id::text"},
    "bias.make_bounded": {"most": "5"},
    "bias.released": {"value": "id::text"},
    "bias.total": {"fact": "id", "most": "5"},
    "aggregates.make_follows": {"relation": "scratch.follows"},
    "aggregates.make_entries": {"relation": "scratch.studio_projects"},
    "aggregates.bound": {"kind": "comments", "columns": "NULL AS age", "name": "counted"},
    "aggregates.count_by": {"kind": "people"},
    "aggregates.count_cells": {"relation": "persons"},
    "aggregates.count_left_out": {"kind": "comments"},
    "as_of.function": {"table": "news", "types": "id bigint", "columns": "1::bigint"},
    "as_of.is_there": {"table": "users", "row": "t", "second": "0"},
    "as_of.version": {"log": "user_revisions", "same": "h.user_id = t.id", "version": "v0"},
    "as_of.is_shown": {"container": "users"},
    "dbt.last_refresh": {"relation": "'threads'"},
    "dbt.last_visit": {"streams": "'news'"},
    "build.count_added": {"table": "project_comments"},
    "build.make_withdrawn": {"table": "users"},
    "history.absences": {"each": "SELECT ''::text AS kind, 1 AS key, now() AS gone_at"},
    "history.absences_of": {"kept": "SELECT 1 AS id, 1 AS key", "table": "users"},
    "history.has_changed": {"log": "user_revisions"},
    "history.intervals": {
        "keys": "k.follower_id",
        "key": "follower_id",
        "kept": "SELECT *, 1 AS p_follower_id FROM scratch.follows",
        "table": "follows",
    },
    "history.kept": {"columns": "t.id", "source": "scratch.users"},
    "history.rankings": {"projects": "scratch.projects", "studios": "scratch.studios"},
    "history.revisions": {"key": "user_id", "changed": "'bio'", "states": _STATES},
    "history.stats": {"key": "user_id", "states": _STATES},
    "history.states": {
        "kept": "SELECT id AS user_id, first_seen_at, bio FROM scratch.users",
        "keys": "k.user_id",
        "earlier": "h.bio",
        "present": "k.bio",
        "log": "user_revisions",
        "log_keys": "h.user_id",
    },
    "history.table_at": {"table": "users", "life": "g.gone_at"},
    "history.told_apart": {"key": "user_id", "states": _STATES},
    "history.was_changed": {"column": "bio"},
    "removal.empty_comments": {"table": "scratch.project_comments", "emptied": "content = NULL"},
    "removal.empty_event_titles": {"table": "account.messages"},
    "removal.is_suspicious": {"text": "bio::text"},
    "removal.redact": {"texts": "bio = NULL", "values": "1"},
    "removal.suspicious_rows": {"texts": "bio::text", "condition": "true"},
    "fitting.newest_comments": {"table": "scratch.project_comments"},
    "source_facts.store_difference": {"columns": "rules", "values": "1", "excluded": "excluded.rules"},
    "source_facts.store_facts": {"columns": "rules", "values": "1", "excluded": "excluded.rules"},
    "scope.propagate": {"table": "scratch.follows", "owner": "NULL::bigint", "target": "l.followee_id"},
    "lake.export": {"rows": "SELECT id FROM scratch.users", "where": "true"},
    "lake.fingerprints": {"rows": "SELECT id FROM scratch.users", "columns": "q.id", "part": "0", "where": "true"},
    "partial_replay.create_staged": REPLAYED,
    "partial_replay.count_extra": REPLAYED,
    "partial_replay.count_part": REPLAYED,
    "partial_replay.delete_versions": REPLAYED,
    "partial_replay.insert_parents": REPLAYED,
    "partial_replay.insert_versions": REPLAYED,
    "partial_replay.is_chosen": {"owner": "t.id"},
    "partial_replay.leave": REPLAYED | {"key": "d.id"},
    "partial_replay.missing_parents": REPLAYED | {"column": "id", "parent": "scratch.users"},
    "partial_replay.of_chosen": {"things": "t.id", "chosen": "true"},
    "partial_replay.shown_by": {"shown": "true"},
    "partial_replay.shown_as_author": {"links": "scratch.projects", "target": "id"},
    "partial_replay.shown_in_ranking": {"kind": "'project'"},
    "partial_replay.shown_over_link": {"links": "scratch.projects", "target": "id"},
    "partial_replay.write": REPLAYED | {"sets": "id = excluded.id"},
    "rows.grown_until": {"table": "news"},
    "sources.kept": {"projects": "kept_projects"},
    "rows.is_missing": {"stream": "news", "entity": "t.id", "item": "t.id"},
    "rows.state_at": {"table": "users", "columns": "f.id"},
    "rows.user_of_name": {"column": "username"},
    "removal.delete_unused": {"table": "source.facts", "column": "body_sha256"},
    "rows.was_read": {"stream": "news", "entity": "t.id", "when": "visited_at"},
    "rows.without_hosts": {"columns": "s.id"},
    "ids.most_commented": {"owner": "c.project_id"},
    "shrinking.reach_linked": {"table": "scratch.follows", "target": "l.followee_id"},
    "upsert.ended": {"first": "t.id", "second": "0", "back": "true"},
    "upsert.is_superseded": {
        "column": "username",
        "from_index": "false",
        "log": "history.user_revisions",
        "was_served": "false",
    },
    "upsert.superseded": {
        "changed": "true",
        "into": "user_id, valid_from, last_seen_at, valid_to, username",
        "joined": "t.id = s.id",
        "kept": "t.username",
        "key": "t.id",
        "key_values": "t.id",
        "last_seen": "t.first_seen_at",
        "log": "history.user_revisions",
    },
    "upsert.role_last_seen": {"seen": "t.first_seen_at"},
    "upsert.upsert": {"thing": "NULL"},
    "upsert.value_changes": {"column": "username", "from_index": "false"},
    "upsert.value_first_seen": {"changes": "true", "column": "username", "log": "history.user_revisions"},
    "upsert.values_last_seen": {"change": "true", "seen": "t.first_seen_at", "visited": "now()"},
    "upsert.without_marks": {"marked": "'{views}'"},
}
"""What stands for a name in one statement, where that differs."""
_OF_USERS = "SELECT FROM scratch.users t WHERE {}"
_SHOWN = "SELECT FROM scratch.users r, crawl.frontier u WHERE {}"
AROUND = {
    "aggregates.followers": "SELECT FROM {} t",
    "aggregates.studio_sizes": "SELECT FROM {} t",
    "aggregates.tree_sizes": "SELECT FROM {} t",
    "aggregates.thread_sizes": "SELECT FROM {} t",
    "as_of.is_shown": _OF_USERS,
    "as_of.is_there": _OF_USERS.replace("t WHERE", "t, (SELECT $1::timestamptz) x WHERE"),
    "as_of.version": "SELECT FROM scratch.users t {}",
    "deletions.missed_reply": "SELECT {} FROM scratch.project_comments t",
    "deletions.unseen": "SELECT FROM scratch.users t, crawl.frontier w,"
    " (SELECT 1 AS entity_id, ARRAY[1] AS seen) l WHERE {}",
    "visit_ends.birth": "SELECT {} FROM crawl.frontier w, (SELECT 'user' AS kind) v",
    "visit_ends.past_of_stream": "SELECT CASE 'news' {} END FROM (SELECT w.*, now() FROM crawl.frontier w) k,"
    " (SELECT 1.0 AS days) m",
    "partial_replay.is_chosen": _OF_USERS,
    "partial_replay.of_chosen": _OF_USERS,
    "partial_replay.shown_by": "SELECT FROM scratch.users r WHERE {}",
    "partial_replay.shown_as_author": _SHOWN,
    "partial_replay.shown_in_ranking": _SHOWN,
    "partial_replay.shown_over_link": _SHOWN,
    "removal.is_suspicious": _OF_USERS,
    "leases.free": "SELECT FROM crawl.frontier w WHERE {}",
    "history.has_changed": "SELECT FROM scratch.users t WHERE {}",
    "history.not_by_erased_hosts": "SELECT FROM history.studio_revisions h WHERE {}",
    "history.not_of_erased_hosts": "SELECT FROM scratch.studios t WHERE {}",
    "history.rankings_without_words": "SELECT named.name FROM history.rankings r {}",
    "history.states": "WITH {} SELECT * FROM states",
    "history.table_at": "SELECT FROM {} t",
    "history.was_changed": "SELECT {} FROM history.user_revisions s WINDOW w AS (ORDER BY valid_to)",
    "rows.drawn": "SELECT FROM {} d",
    "rows.grown_until": "SELECT FROM {} t",
    "rows.is_missing": _OF_USERS,
    "rows.numbered_strata": "SELECT FROM crawl.draws d {}",
    "rows.state_at": "SELECT FROM {} t",
    "rows.user_of_name": "SELECT FROM scratch.users t {}",
    "rows.was_read": _OF_USERS,
    "rows.without_hosts": "SELECT FROM {} t",
    "sources.versions_at": "SELECT FROM {} v",
    "sources.was_read": "SELECT FROM kept_projects k WHERE {}",
    "upsert.ended": "WITH s AS (SELECT 1::bigint AS id) {}",
    "upsert.has_ended": "SELECT FROM scratch.users t, (SELECT 1 AS nth) s WHERE {}",
    "upsert.is_superseded": "SELECT FROM scratch.users t, (SELECT ''::text AS username) s WHERE {}",
    "upsert.last_complete_visit": "SELECT {} FROM scratch.users t",
    "upsert.last_complete_visit_by_then": "SELECT {} FROM scratch.users t, (SELECT 1 AS nth) s",
    "upsert.last_seen": "SELECT {} FROM scratch.users t",
    "upsert.role_last_seen": "SELECT {} FROM scratch.studio_members t, scratch.studio_members s",
    "upsert.renamed": "SELECT {} FROM scratch.users t, scratch.users v",
    "upsert.superseded": "WITH s AS (SELECT 1::bigint AS id) {}",
    "upsert.value_changes": "SELECT {} FROM scratch.users t, (SELECT ''::text AS username) s",
    "upsert.value_first_seen": "SELECT {} FROM scratch.users t",
    "upsert.values_last_seen": "SELECT {} FROM scratch.users t",
    "upsert.was_read": _OF_USERS,
    "upsert.was_served": _OF_USERS,
    "upsert.without_marks": "SELECT {} FROM scratch.projects t",
}
"""By name of a statement that is only a part of others, a statement in which it can be prepared."""
TEMPORARY = """
    CREATE TEMP TABLE kept_users (id bigint, gone boolean);
    CREATE TEMP TABLE kept_projects (LIKE kept_users);
    CREATE TEMP TABLE kept_studios (LIKE kept_users);
    CREATE TEMP TABLE kept_project_comments (LIKE kept_users);
    CREATE TEMP TABLE known_project_comments (id bigint, gone boolean, p bytea);
    CREATE TEMP TABLE kept_sources (LIKE kept_users);
    CREATE TEMP TABLE known_users (id bigint);
    CREATE TEMP TABLE known_sources (id bigint);
    CREATE TEMP TABLE erased_users (id bigint PRIMARY KEY);
    CREATE TEMP TABLE erased_projects (id bigint PRIMARY KEY);
    CREATE TEMP TABLE erased_studios (id bigint PRIMARY KEY);
    CREATE TEMP TABLE counted_follows (person bigint, id bigint);
    CREATE TEMP TABLE counted_studios (id bigint);
    CREATE TEMP TABLE counted_entries (studio bigint);
    CREATE TEMP TABLE counted_projects (tree bigint);
    CREATE TEMP TABLE regions (country text, region text);
    CREATE TEMP TABLE before_project_comments (id text, looks text);
    CREATE TEMP TABLE now_project_comments (id text, person bigint);
    CREATE TEMP TABLE before_users (id text);
    CREATE TEMP TABLE now_users (id text);
    CREATE TEMP TABLE ended (stream text, entity_id bigint, nth int, is_complete boolean);
"""
"""Tables that a dataset makes of its rows, by no statement of its own."""


def _read(file: Path) -> Mapping[str, str]:
    return statements(f"harvester.{file.parent.parent.name}", file.stem)


def _filled(name: str, statement: str) -> str:
    """Return a statement with something for each name that varies, and around it what it needs to be one."""
    varying = NAMES | OWN.get(name, {})

    def fill(found: re.Match[str]) -> str:
        return {"{{": "{", "}}": "}"}.get(found[0]) or varying.get(found[1], found[0])

    return AROUND.get(name, "{}").replace("{}", re.sub(r"\{\{|\}\}|\{(\w+)\}", fill, statement))


def _prepared(statement: str) -> str:
    """Return the statement as PREPARE takes it, its values numbered."""
    numbers: dict[str, int] = {}

    def number(value: re.Match[str]) -> str:
        if value[0] == "%%":
            return "%"
        return f"${numbers.setdefault(value[1] or f'#{len(numbers)}', len(numbers) + 1)}"

    return "PREPARE tried AS " + re.sub(r"%%|%(?:\((\w+)\))?s", number, statement)


def test_each_statement_is_used() -> None:
    assert FILES
    for file in FILES:
        module = file.parent.parent / f"{file.stem}.py"
        # Either name of a choice, too.
        used = {
            name for found in re.findall(r"_SQL\[(.*?)\]", module.read_text()) for name in re.findall(r'"(\w+)"', found)
        }
        assert used == set(_read(file)), file


def test_sql_of_more_than_one_line_stands_in_files() -> None:
    found = []
    for file in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(file.read_text())
        documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        found += [
            f"{file.relative_to(ROOT)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant | ast.JoinedStr)
            and node.end_lineno != node.lineno
            and id(node) not in documentation
            and any(isinstance(part.value, str) and IS_SQL.search(part.value) for part in _parts(node))
        ]
    assert not found


def _parts(node: ast.Constant | ast.JoinedStr) -> list[ast.Constant]:
    return [part for part in ast.walk(node) if isinstance(part, ast.Constant)]


@pytest.mark.every_postgres
def test_each_statement_is_valid(database: str) -> None:
    refused = []
    with psycopg.connect(database) as connection:
        connection.execute(TEMPORARY)
        for file in FILES:
            for name, statement in _read(file).items():
                filled = _filled(f"{file.stem}.{name}", statement)
                # What is made is needed by later statements.
                is_made = filled.startswith("CREATE ")
                try:
                    with connection.transaction():
                        connection.execute(filled if is_made else _prepared(filled))
                except psycopg.Error as error:
                    refused.append(f"{file.stem}.{name}: {error}")
                else:
                    connection.execute("SELECT 1" if is_made else "DEALLOCATE tried")
    assert not refused, "\n".join(refused)
