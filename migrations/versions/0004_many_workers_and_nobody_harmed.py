"""Many workers, a circuit breaker, what a run found out about itself, and the rule behind an erasure."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


# The clock of a replay, for sessions that look names up in this schema first.
CLOCK = ("now", "statement_timestamp")


def upgrade():
    for name in CLOCK:
        op.execute(
            f"CREATE FUNCTION crawl.{name}() RETURNS timestamptz LANGUAGE sql STABLE"
            " RETURN pg_catalog.current_setting('harvester.moment')::timestamptz"
        )
        op.execute(f"COMMENT ON FUNCTION crawl.{name} IS 'The time of the page that is replayed.'")
    op.add_column(
        "budget",
        sa.Column(
            "trips",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Pauses in a row, each longer, because nothing answered any more; 0 while the site answers.",
        ),
        schema="crawl",
    )
    op.add_column(
        "budget",
        sa.Column(
            "probing_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="One request is on its way to see whether the site answers again; others wait until then.",
        ),
        schema="crawl",
    )
    op.add_column(
        "budget",
        sa.Column(
            "taken", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="Places handed out so far."
        ),
        schema="crawl",
    )
    # Nothing could write it so far.
    op.drop_column("erasures", "person", schema="crawl")
    op.add_column(
        "erasures",
        sa.Column(
            "hash",
            sa.Text(),
            primary_key=True,
            comment="HMAC of the kind and the id, or the name, under the key of this installation.",
        ),
        schema="crawl",
    )
    op.add_column(
        "erasures",
        sa.Column("kind", sa.Text(), nullable=False, comment="user, name, project, studio or comment."),
        schema="crawl",
    )
    op.create_primary_key("erasures_pkey", "erasures", ["hash"], schema="crawl")
    op.create_table_comment(
        "erasures",
        "People who are left out, with what is theirs, as keyed hashes: nothing here tells who they are.",
        schema="crawl",
    )
    op.add_column(
        "quarantine",
        sa.Column(
            "count",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="How often such a response came.",
        ),
        schema="crawl",
    )
    op.alter_column(
        "quarantine",
        "body",
        existing_type=postgresql.BYTEA(),
        comment="The response as it came, the last one.",
        existing_comment="The response as it came.",
        existing_nullable=True,
        schema="crawl",
    )
    op.execute(
        "DELETE FROM crawl.quarantine q USING crawl.quarantine later WHERE later.id > q.id"
        " AND (later.stream, later.entity_id, later.path) = (q.stream, q.entity_id, q.path)"
    )
    op.create_unique_constraint(
        op.f("quarantine_stream_entity_id_path_key"), "quarantine", ["stream", "entity_id", "path"], schema="crawl"
    )
    op.add_column(
        "runs",
        sa.Column(
            "answers",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Responses by stream and status; - where none came.",
        ),
        schema="crawl",
    )
    op.add_column(
        "runs",
        sa.Column(
            "findings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=True,
            comment="What is wrong with the run, in words; empty where nothing is.",
        ),
        schema="crawl",
    )
    op.add_column(
        "runs",
        sa.Column(
            "crew",
            sa.BigInteger(),
            nullable=True,
            comment="The run of the command that started this one as a worker of its own; null elsewhere.",
        ),
        schema="crawl",
    )
    op.alter_column(
        "runs",
        "ended_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="When it ended, or was found to live no more; null while it runs.",
        existing_comment="When it ended; null while it runs, or if it was killed.",
        existing_nullable=True,
        schema="crawl",
    )
    op.alter_column(
        "runs",
        "outcome",
        existing_type=sa.TEXT(),
        comment="done, degraded, bounded, interrupted, failed or killed; null while it runs.",
        existing_comment="done, bounded, interrupted or failed; null while it runs, or if it was killed.",
        existing_nullable=True,
        schema="crawl",
    )
    op.drop_constraint(op.f("runs_outcome_check"), "runs", schema="crawl", type_="check")
    op.create_check_constraint(
        op.f("runs_outcome_check"),
        "runs",
        "outcome IN ('done', 'degraded', 'bounded', 'interrupted', 'failed', 'killed')",
        schema="crawl",
    )
    op.create_index(op.f("runs_ended_at_idx"), "runs", ["ended_at"], unique=False, schema="crawl")
    op.drop_index(
        op.f("walks_lease_run_idx"), table_name="walks", schema="crawl", postgresql_where="(lease_run IS NOT NULL)"
    )
    op.drop_constraint(op.f("walks_lease_run_fkey"), "walks", schema="crawl", type_="foreignkey")


def downgrade():
    for name in CLOCK:
        op.execute(f"DROP FUNCTION crawl.{name}")
    op.execute("UPDATE crawl.walks SET lease_run = NULL, lease_token = NULL, lease_until = NULL")
    op.create_foreign_key(
        op.f("walks_lease_run_fkey"),
        "walks",
        "runs",
        ["lease_run"],
        ["id"],
        source_schema="crawl",
        referent_schema="crawl",
    )
    op.create_index(
        op.f("walks_lease_run_idx"),
        "walks",
        ["lease_run"],
        unique=False,
        schema="crawl",
        postgresql_where="(lease_run IS NOT NULL)",
    )
    op.execute(
        "UPDATE crawl.runs SET outcome = CASE outcome WHEN 'degraded' THEN 'done' WHEN 'killed' THEN 'failed' END"
        " WHERE outcome IN ('degraded', 'killed')"
    )
    op.drop_constraint(op.f("runs_outcome_check"), "runs", schema="crawl", type_="check")
    op.create_check_constraint(
        op.f("runs_outcome_check"), "runs", "outcome IN ('done', 'bounded', 'interrupted', 'failed')", schema="crawl"
    )
    op.drop_index(op.f("runs_ended_at_idx"), table_name="runs", schema="crawl")
    op.alter_column(
        "runs",
        "outcome",
        existing_type=sa.TEXT(),
        comment="done, bounded, interrupted or failed; null while it runs, or if it was killed.",
        existing_comment="done, degraded, bounded, interrupted, failed or killed; null while it runs.",
        existing_nullable=True,
        schema="crawl",
    )
    op.alter_column(
        "runs",
        "ended_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="When it ended; null while it runs, or if it was killed.",
        existing_comment="When it ended, or was found to live no more; null while it runs.",
        existing_nullable=True,
        schema="crawl",
    )
    op.drop_column("runs", "crew", schema="crawl")
    op.drop_column("runs", "findings", schema="crawl")
    op.drop_column("runs", "answers", schema="crawl")
    op.drop_constraint(op.f("quarantine_stream_entity_id_path_key"), "quarantine", schema="crawl", type_="unique")
    op.alter_column(
        "quarantine",
        "body",
        existing_type=postgresql.BYTEA(),
        comment="The response as it came.",
        existing_comment="The response as it came, the last one.",
        existing_nullable=True,
        schema="crawl",
    )
    op.drop_column("quarantine", "count", schema="crawl")
    op.drop_column("erasures", "kind", schema="crawl")
    op.drop_column("erasures", "hash", schema="crawl")
    op.add_column(
        "erasures",
        sa.Column(
            "person", sa.Text(), primary_key=True, comment="HMAC of the user's id under the key of this installation."
        ),
        schema="crawl",
    )
    op.create_primary_key("erasures_pkey", "erasures", ["person"], schema="crawl")
    op.create_table_comment(
        "erasures", "People who are left out, as keyed hashes: nothing here tells who they are.", schema="crawl"
    )
    op.drop_column("budget", "taken", schema="crawl")
    op.drop_column("budget", "probing_until", schema="crawl")
    op.drop_column("budget", "trips", schema="crawl")
