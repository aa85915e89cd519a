"""When to visit next, what vanished between which reads, and the community as it was known at a time."""

from importlib.resources import files

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

READER = "harvester_reader"


def upgrade():
    op.execute(sa.schema.CreateSchema("analytics", if_not_exists=True))
    op.execute("COMMENT ON SCHEMA analytics IS 'Views for analysts.'")
    op.create_table(
        "priors",
        sa.Column("stream", sa.Text(), nullable=False, comment="The stream."),
        sa.Column(
            "stratum",
            sa.SmallInteger(),
            nullable=False,
            comment="Class of the entity's age (times 8) and activity; -1 for all together.",
        ),
        sa.Column("shape", sa.Double(), nullable=False, comment="The shape of the gamma distribution."),
        sa.Column("rate", sa.Double(), nullable=False, comment="Its mean, in items per list and day."),
        sa.Column(
            "classed_rate",
            sa.Double(),
            nullable=False,
            comment="The mean when its lists were last put into classes.",
        ),
        sa.Column("lists", sa.BigInteger(), nullable=False, comment="Lists that it was fitted to."),
        sa.Column(
            "fitted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="When."
        ),
        sa.PrimaryKeyConstraint("stream", "stratum", name=op.f("priors_pkey")),
        schema="crawl",
        comment="How many new items lists of a kind get: a gamma distribution of rates, fitted to what visits found.",
    )
    op.create_table(
        "reply_decay",
        sa.Column(
            "age_days", sa.Double(), autoincrement=False, nullable=False, comment="The age from which this holds."
        ),
        sa.Column("replies", sa.BigInteger(), nullable=False, comment="Replies that came at this age."),
        sa.Column(
            "exposure", sa.Double(), nullable=False, comment="Days that comments were observed at this age, together."
        ),
        sa.Column("hazard", sa.Double(), nullable=False, comment="Replies per comment and day at this age."),
        sa.Column(
            "fitted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="When."
        ),
        sa.PrimaryKeyConstraint("age_days", name=op.f("reply_decay_pkey")),
        schema="crawl",
        comment="How the replies that a comment gets thin out with its age, fitted to what is held.",
    )
    op.create_table(
        "sightings",
        sa.Column("stream", sa.Text(), nullable=False, comment="The stream."),
        sa.Column("entity_id", sa.BigInteger(), nullable=False, comment="Whose list it is."),
        sa.Column("item_id", sa.BigInteger(), nullable=False, comment="The item."),
        sa.PrimaryKeyConstraint("stream", "entity_id", "item_id", name=op.f("sightings_pkey")),
        schema="crawl",
        comment="What a walk through a whole list has shown so far; empty once it ended.",
    )
    op.create_table(
        "suspects",
        sa.Column("stream", sa.Text(), nullable=False, comment="The stream."),
        sa.Column("entity_id", sa.BigInteger(), nullable=False, comment="Whose list it is."),
        sa.Column("item_id", sa.BigInteger(), nullable=False, comment="The item."),
        sa.Column(
            "gone_after", sa.DateTime(timezone=True), nullable=False, comment="When it was last known to be present."
        ),
        sa.Column("missed_at", sa.DateTime(timezone=True), nullable=False, comment="When that walk ended."),
        sa.PrimaryKeyConstraint("stream", "entity_id", "item_id", name=op.f("suspects_pkey")),
        schema="crawl",
        comment="What one walk through a whole list did not show: gone if another walk, or asking for it, agrees.",
    )
    op.create_table(
        "member_revisions",
        sa.Column("studio_id", sa.BigInteger(), nullable=False, comment="The studio."),
        sa.Column("user_id", sa.BigInteger(), nullable=False, comment="The member."),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), nullable=False, comment="When this version was first seen."
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False, comment="When it was first seen superseded."),
        sa.Column("role", sa.Text(), nullable=True, comment="host, manager or curator."),
        sa.PrimaryKeyConstraint("studio_id", "user_id", "valid_to", name=op.f("member_revisions_pkey")),
        schema="history",
        comment="Earlier roles in studios. The role in force is in scratch.studio_members.",
    )
    op.add_column(
        "runs",
        sa.Column(
            "spent",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Requests by what they were for: see the shares of the budget.",
        ),
        schema="crawl",
    )
    op.add_column(
        "walks",
        sa.Column(
            "visited_at", sa.DateTime(timezone=True), nullable=True, comment="When the last completed visit began."
        ),
        schema="crawl",
    )
    op.add_column(
        "walks",
        sa.Column(
            "enumerated_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the last walk began that went through the whole list.",
        ),
        schema="crawl",
    )
    op.add_column(
        "walks",
        sa.Column("held", sa.Integer(), nullable=True, comment="Items that the list held then, and new ones since."),
        schema="crawl",
    )
    op.add_column(
        "walks",
        sa.Column(
            "news",
            sa.REAL(),
            server_default=sa.text("0"),
            nullable=False,
            comment="New items seen since the first visit, earlier ones discounted (e-fold in 90 days).",
        ),
        schema="crawl",
    )
    op.add_column(
        "walks",
        sa.Column(
            "exposure",
            sa.REAL(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Days observed since the first visit, discounted alike.",
        ),
        schema="crawl",
    )
    op.add_column(
        "walks",
        sa.Column(
            "stratum",
            sa.SmallInteger(),
            nullable=True,
            comment="Age of the entity and how much goes on there, as classes: see crawl.priors.",
        ),
        schema="crawl",
    )
    op.add_column(
        "walks",
        sa.Column(
            "queue",
            sa.SmallInteger(),
            nullable=True,
            comment="The spider (times 32) and the class of its rate: first in, first out. Null: not scheduled.",
        ),
        schema="crawl",
    )
    op.alter_column(
        "walks",
        "due_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="When a visit must take place at the latest: at once, for a second look, or to read the list in full again.",
        existing_comment="When the next visit is due.",
        existing_nullable=False,
        schema="crawl",
    )
    op.drop_index(op.f("walks_due_at_idx"), table_name="walks", schema="crawl")
    op.create_index(
        "walks_due_idx", "walks", ["due_at"], unique=False, schema="crawl", postgresql_where=sa.text("visits > 0")
    )
    op.create_index(
        "walks_failing_idx", "walks", ["stream"], unique=False, schema="crawl", postgresql_where=sa.text("failures > 0")
    )
    op.create_index(
        "walks_new_idx", "walks", ["due_at"], unique=False, schema="crawl", postgresql_where=sa.text("visits = 0")
    )
    op.create_index(
        "walks_queue_idx",
        "walks",
        ["queue", "visited_at"],
        unique=False,
        schema="crawl",
        postgresql_where=sa.text("queue IS NOT NULL"),
    )
    op.add_column(
        "absences",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present before.",
        ),
        schema="history",
    )
    op.add_column(
        "user_revisions",
        sa.Column(
            "featured_project_id",
            sa.BigInteger(),
            nullable=True,
            comment="The project shown on the profile. Soft reference to projects.",
        ),
        schema="history",
    )
    op.add_column(
        "user_revisions",
        sa.Column("featured_label", sa.Text(), nullable=True, comment="The label over the featured project."),
        schema="history",
    )
    op.add_column(
        "favorites",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        schema="scratch",
    )
    op.add_column(
        "follows",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        schema="scratch",
    )
    op.add_column(
        "news",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        schema="scratch",
    )
    op.add_column(
        "profile_comments",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        schema="scratch",
    )
    op.add_column(
        "project_comments",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        schema="scratch",
    )
    op.add_column(
        "projects",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        schema="scratch",
    )
    op.add_column(
        "studio_activity",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        schema="scratch",
    )
    op.add_column(
        "studio_comments",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        schema="scratch",
    )
    op.add_column(
        "studio_members",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        schema="scratch",
    )
    op.add_column(
        "studio_projects",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        schema="scratch",
    )
    op.add_column(
        "studios",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        schema="scratch",
    )
    op.add_column(
        "users",
        sa.Column(
            "gone_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        schema="scratch",
    )
    for name in ("as_of", "coverage"):
        op.execute((files("harvester") / "warehouse" / "views" / f"{name}.sql").read_text())
    op.execute(f"GRANT USAGE ON SCHEMA analytics TO {READER}")
    op.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO {READER}")
    op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA analytics GRANT SELECT ON TABLES TO {READER}")


AS_OF = (
    "users",
    "projects",
    "studios",
    "project_comments",
    "studio_comments",
    "profile_comments",
    "follows",
    "favorites",
    "studio_projects",
    "studio_members",
)


def downgrade():
    op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA analytics REVOKE SELECT ON TABLES FROM {READER}")
    op.execute("DROP FUNCTION analytics.gap_is_in")
    op.execute("DROP VIEW analytics.id_gaps, analytics.coverage")
    op.execute(f"REVOKE USAGE ON SCHEMA analytics FROM {READER}")
    op.execute("DROP SCHEMA analytics")
    for name in AS_OF:
        op.execute(f"DROP FUNCTION history.{name}_at")
    op.drop_column("users", "gone_after", schema="scratch")
    op.drop_column("studios", "gone_after", schema="scratch")
    op.drop_column("studio_projects", "gone_after", schema="scratch")
    op.drop_column("studio_members", "gone_after", schema="scratch")
    op.drop_column("studio_comments", "gone_after", schema="scratch")
    op.drop_column("studio_activity", "gone_after", schema="scratch")
    op.drop_column("projects", "gone_after", schema="scratch")
    op.drop_column("project_comments", "gone_after", schema="scratch")
    op.drop_column("profile_comments", "gone_after", schema="scratch")
    op.drop_column("news", "gone_after", schema="scratch")
    op.drop_column("follows", "gone_after", schema="scratch")
    op.drop_column("favorites", "gone_after", schema="scratch")
    op.drop_column("user_revisions", "featured_label", schema="history")
    op.drop_column("user_revisions", "featured_project_id", schema="history")
    op.drop_column("absences", "gone_after", schema="history")
    op.drop_index("walks_queue_idx", table_name="walks", schema="crawl", postgresql_where=sa.text("queue IS NOT NULL"))
    op.drop_index("walks_new_idx", table_name="walks", schema="crawl", postgresql_where=sa.text("visits = 0"))
    op.drop_index("walks_failing_idx", table_name="walks", schema="crawl", postgresql_where=sa.text("failures > 0"))
    op.drop_index("walks_due_idx", table_name="walks", schema="crawl", postgresql_where=sa.text("visits > 0"))
    op.create_index(op.f("walks_due_at_idx"), "walks", ["due_at"], unique=False, schema="crawl")
    op.alter_column(
        "walks",
        "due_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="When the next visit is due.",
        existing_comment="When a visit must take place at the latest: at once, for a second look, or to read the list in full again.",
        existing_nullable=False,
        schema="crawl",
    )
    op.drop_column("walks", "queue", schema="crawl")
    op.drop_column("walks", "stratum", schema="crawl")
    op.drop_column("walks", "exposure", schema="crawl")
    op.drop_column("walks", "news", schema="crawl")
    op.drop_column("walks", "held", schema="crawl")
    op.drop_column("walks", "enumerated_at", schema="crawl")
    op.drop_column("walks", "visited_at", schema="crawl")
    op.drop_column("runs", "spent", schema="crawl")
    op.drop_table("member_revisions", schema="history")
    op.drop_table("suspects", schema="crawl")
    op.drop_table("sightings", schema="crawl")
    op.drop_table("reply_decay", schema="crawl")
    op.drop_table("priors", schema="crawl")
