"""The schema as migrated equals the declared one, is commented, and can be downgraded and upgraded."""

from __future__ import annotations

import re

import psycopg
import pytest

from harvester.warehouse import schema
from harvester.warehouse.annotations import SCHEMAS
from harvester.warehouse.tables import metadata

every_postgres = pytest.mark.every_postgres

SAMPLING = {"samples", "sample_strata", "sample_units", "sample_visits", "sample_waves"}
CONTRACT = {
    "scratch": {
        "users", "projects", "studios", "project_comments", "studio_comments", "profile_comments", "follows",
        "favorites", "studio_projects", "studio_members", "studio_activity", "news", "comments",
        "present_users", "present_projects", "present_studios", "present_comments", "present_follows",
        "present_favorites", "present_studio_projects", "present_studio_members",
    },
    "history": {
        "project_stats", "studio_stats", "user_revisions", "project_revisions", "studio_revisions",
        "comment_revisions", "rankings", "site_counts", "site_health", "message_counts", "absences",
        "member_revisions",
    },
    "crawl": {
        "frontier", "runs", "quarantine", "rate_limit", "seeds", "designs", "draws", "erasures", "drift", "queries",
        "alembic_version", "sql_parts", "seen_items", "missing_items", "name_changes", "priors", "reply_decay",
        "announcements", "forecasts", "strata",
        "waves", "wave_outcomes", "rate_changes", "source", "deleted_runs", "replays", "erasure_requests", "releases",
    },
    "analytics": {
        "coverage", "id_gaps", "freshness", "stream_freshness", "refreshes",
        # What is heavy, each beside the view that defines it.
        *("daily_activity", "user_months", "cohort_activity", "countries", "remix_nodes", "remix_trees", "threads"),
        *("follow_degrees", "studio_figures", "life_curves", "ranking_stays"),
        *("live_daily_activity", "live_user_months", "live_cohort_activity", "live_countries", "live_remix_nodes"),
        *("live_remix_trees", "live_threads", "live_follow_degrees", "live_studio_figures", "live_life_curves"),
        "live_ranking_stays", "live_cohorts", "live_ranking_countries",
        "monthly_activity", "cohorts", "cohort_retention", "remix_edges", "reply_latency", "follow_network",
        "degree_distribution", "studio_memberships", "project_life", "ranking_moves", "ranking_readings", "index_lag",
        "ranking_countries", "live_reply_latency", "reply_waits", "follow_lists", "ranking_survival",
        "followers_over_time", "comments_over_time", "studio_lifetimes",
        "project_sources", "source_scores", "remix_changes", "asset_reuse",
        *SAMPLING,
    },
    "account": {"messages", "activity", "alerts", "projects", "states"},
    "source": {"bodies", "folders", "versions", "projects", "facts", "assets", "differences", "present_versions"},
}  # fmt: skip


def relations(url: str) -> dict[str, set[str]]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT relnamespace::regnamespace::text, array_agg(relname::text) FROM pg_class"
            " WHERE relnamespace IN (SELECT to_regnamespace(s)::oid FROM unnest(%s::text[]) s)"
            " AND relkind IN ('r', 'v', 'm') GROUP BY 1",
            [list(SCHEMAS)],
        ).fetchall()
    return {name: set(tables) for name, tables in found}


@every_postgres
def test_up_down_and_up_again(blank_database: str) -> None:
    schema.migrate(blank_database)
    assert relations(blank_database) == CONTRACT
    assert schema.drift(blank_database) is None
    schema.downgrade(blank_database, "base")
    assert relations(blank_database) == {"crawl": {"alembic_version"}}
    schema.migrate(blank_database)
    assert relations(blank_database) == CONTRACT
    assert schema.drift(blank_database) is None


@every_postgres
def test_every_relation_column_and_function_is_commented(database: str) -> None:
    with psycopg.connect(database) as connection:
        silent = connection.execute(
            "SELECT c.oid::regclass::text, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " WHERE n.nspname = ANY(%(schemas)s) AND c.relkind IN ('r', 'v', 'm') AND c.relname <> 'alembic_version'"
            " AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)"
            " UNION ALL SELECT oid::regprocedure::text, NULL FROM pg_proc"
            " WHERE pronamespace = ANY(%(schemas)s::regnamespace[]) AND obj_description(oid, 'pg_proc') IS NULL",
            {"schemas": list(SCHEMAS)},
        ).fetchall()
        assert silent == []
        for name, comment in SCHEMAS.items():
            row = connection.execute("SELECT obj_description(%s::regnamespace)", [name]).fetchone()
            assert row == (comment,)


@every_postgres
def test_a_drift_would_be_found(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE scratch.users ADD COLUMN stray int")
    found = schema.drift(database)
    assert found is not None
    assert "stray" in found


def test_every_row_of_the_community_tells_when_it_was_seen() -> None:
    for table in metadata.sorted_tables:
        if table.schema == "scratch":
            assert {"first_seen_at", "gone_at", "extra"} <= set(table.c.keys()), table.name


OURS = {
    "stream", "kind", "stratum", "hash", "relation", "list", "name", "version_num", "mode", "detail",
    "ranking",  # in analytics: a copy of what is bounded in history
}  # fmt: skip
"""Columns of words of this project's own, a few characters each."""


@every_postgres
def test_no_btree_holds_a_text_of_any_length(database: str) -> None:
    """An entry of a B-tree has room for 2,704 bytes: 600 characters that are four bytes each."""
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid, a.attnum, true),"
            " array(SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE k.conrelid = i.indrelid)"
            " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_attribute a ON a.attrelid = i.indexrelid AND NOT a.attisdropped"
            " WHERE n.nspname = ANY(%s) AND m.amname <> 'hash'"
            " AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'jsonb'::regtype, 'bytea'::regtype)",
            [list(SCHEMAS)],
        ).fetchall()
    assert len(found) > 20
    for index, column, constraints in found:
        bounds = [re.fullmatch(rf"CHECK \(\(length\({column}\) <= (\d+)\)\)", one) for one in constraints]
        longest = min((int(bound[1]) for bound in bounds if bound), default=None)
        assert column in OURS or (longest is not None and longest <= 600), (index, column)
