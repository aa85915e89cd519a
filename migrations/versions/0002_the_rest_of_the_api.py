"""The rest of the API: rankings, health, message counts, why things are gone, and the operator's own account."""

from importlib.resources import files

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


COMMENTS_BEFORE = """
-- All comments with their kind: the ids of the three kinds collide, so (kind, id) is the key.
CREATE VIEW scratch.comments AS
SELECT 'project' AS kind, id, project_id AS place_id, parent_id, author_id, commentee_id, content, content_served,
       created_at, modified_at, visibility, reply_count, first_seen_at, gone_at, extra
FROM scratch.project_comments
UNION ALL
SELECT 'studio', id, studio_id, parent_id, author_id, commentee_id, content, content_served,
       created_at, modified_at, visibility, reply_count, first_seen_at, gone_at, extra
FROM scratch.studio_comments
UNION ALL
SELECT 'profile', id, user_id, parent_id, author_id, commentee_id, content, content_served,
       created_at, modified_at, visibility, reply_count, first_seen_at, gone_at, extra
FROM scratch.profile_comments;

COMMENT ON VIEW scratch.comments IS
    'Comments of all kinds; place_id is the project, studio or user they stand on.';
"""

ACCOUNT = "What the operator's own account is shown, if its session was given: in no view, report or dataset."


def upgrade():
    op.execute(sa.schema.CreateSchema("account", if_not_exists=True))
    quoted = ACCOUNT.replace("'", "''")
    op.execute(f"COMMENT ON SCHEMA account IS '{quoted}'")
    op.execute("DROP VIEW scratch.comments")
    op.create_table(
        "activity",
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="The user's id of the account."),
        sa.Column("type", sa.Text(), nullable=False, comment="The kind of event."),
        sa.Column("id", sa.BigInteger(), nullable=False, comment="Its id among those of its kind."),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True, comment="When it happened."),
        sa.Column("actor_id", sa.BigInteger(), nullable=True, comment="Who acted."),
        sa.Column("actor_username", sa.Text(), nullable=True, comment="The name of who acted."),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="All other fields, as served.",
        ),
        sa.PrimaryKeyConstraint("account_id", "type", "id", name=op.f("activity_pkey")),
        schema="account",
        comment="What the users did whom the account follows.",
    )
    op.create_table(
        "alerts",
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="The user's id of the account."),
        sa.Column("id", sa.BigInteger(), nullable=False, comment="The alert."),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="All other fields, as served.",
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("alerts_pkey")),
        schema="account",
        comment="Messages of the site's moderators to the account.",
    )
    op.create_table(
        "messages",
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="The user's id of the account."),
        sa.Column("type", sa.Text(), nullable=False, comment="The kind of event."),
        sa.Column("id", sa.BigInteger(), nullable=False, comment="Its id among those of its kind."),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True, comment="When it happened."),
        sa.Column("actor_id", sa.BigInteger(), nullable=True, comment="Who acted."),
        sa.Column("actor_username", sa.Text(), nullable=True, comment="The name of who acted."),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="All other fields, as served.",
        ),
        sa.PrimaryKeyConstraint("account_id", "type", "id", name=op.f("messages_pkey")),
        schema="account",
        comment="Messages to the account.",
    )
    op.create_table(
        "projects",
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="The user's id of the account."),
        sa.Column("list", sa.Text(), nullable=False, comment="The stream."),
        sa.Column("id", sa.BigInteger(), nullable=False, comment="The project."),
        sa.Column("title", sa.Text(), nullable=True, comment="Its title."),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True, comment="When it was last listed."),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="All other fields, as served.",
        ),
        sa.PrimaryKeyConstraint("account_id", "list", "id", name=op.f("projects_pkey")),
        schema="account",
        comment="Projects that are listed for the account: loved or shared by whom it follows, recently viewed.",
    )
    op.create_table(
        "states",
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="The user's id of the account."),
        sa.Column("stream", sa.Text(), nullable=False, comment="The stream."),
        sa.Column("thing_id", sa.BigInteger(), nullable=False, comment="The project or studio; 0 for none."),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True, comment="When it was read."),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="All other fields, as served.",
        ),
        sa.PrimaryKeyConstraint("account_id", "stream", "thing_id", name=op.f("states_pkey")),
        schema="account",
        comment="Objects about the account: its invites, the visibility of a project of its own, its role in a studio, whether it loves a project.",
    )
    op.create_table(
        "queries",
        sa.Column(
            "id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="The entity_id of its walk."
        ),
        sa.Column("stream", sa.Text(), nullable=False, comment="The stream."),
        sa.Column(
            "query",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="The word that is looked for; * is everything.",
        ),
        sa.Column("mode", sa.Text(), server_default=sa.text("''"), nullable=False, comment="popular or trending."),
        sa.Column(
            "language",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="The language that the ranking is asked for in.",
        ),
        sa.Column(
            "pages", sa.Integer(), server_default=sa.text("1"), nullable=False, comment="Pages of 40 that are read."
        ),
        sa.Column("depth", sa.SmallInteger(), nullable=False, comment="Hops from what is found that are walked too."),
        sa.Column(
            "seeded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it was first put in scope.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("queries_pkey")),
        sa.UniqueConstraint("stream", "query", "mode", "language", name=op.f("queries_stream_query_mode_language_key")),
        schema="crawl",
        comment="Rankings that the operator put in scope: explore, search, the front page.",
    )
    op.create_table(
        "absences",
        sa.Column("kind", sa.Text(), nullable=False, comment="The table in scratch."),
        sa.Column("thing_id", sa.BigInteger(), nullable=False, comment="The first column of the row's key."),
        sa.Column(
            "other_id",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="The second column of the key of an edge, else 0.",
        ),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=False, comment="When it was shown to be absent."),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=False, comment="When it was seen again."),
        sa.Column("gone_reason", sa.Text(), nullable=True, comment="What the absence meant."),
        sa.PrimaryKeyConstraint("kind", "thing_id", "other_id", "gone_at", name=op.f("absences_pkey")),
        schema="history",
        comment="Absences that ended: things that were gone and came back. One that lasts is in the row itself.",
    )
    op.create_table(
        "site_health",
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="When."),
        sa.Column("trouble", sa.Text(), nullable=True, comment="What is wrong; null while all is well."),
        sa.Column("version", sa.Text(), nullable=True, comment="The version of the API."),
        sa.Column("uptime", sa.Double(), nullable=True, comment="Seconds since its server started."),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Load, database pools and cache, as served.",
        ),
        sa.PrimaryKeyConstraint("seen_at", name=op.f("site_health_pkey")),
        schema="history",
        comment="What the API said of its own servers, at the start of each run.",
    )
    op.create_table(
        "message_counts",
        sa.Column("user_id", sa.BigInteger(), nullable=False, comment="The user."),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="When."),
        sa.Column("count", sa.Integer(), nullable=False, comment="The number."),
        sa.ForeignKeyConstraint(["user_id"], ["scratch.users.id"], name=op.f("message_counts_user_id_fkey")),
        sa.PrimaryKeyConstraint("user_id", "seen_at", name=op.f("message_counts_pkey")),
        schema="history",
        comment="How many unread messages a user has, which the site shows to everybody.",
    )
    op.alter_column(
        "walks",
        "owner_id",
        existing_type=sa.BIGINT(),
        comment="For replies: the project or studio on whose page the thread stands. Of the own account: its user id.",
        existing_comment="For replies: the project or studio on whose page the thread stands.",
        existing_nullable=True,
        schema="crawl",
    )
    op.add_column(
        "rankings",
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="What else stood there, by its served name.",
        ),
        schema="history",
    )
    op.alter_column(
        "rankings",
        "ranking",
        existing_type=sa.TEXT(),
        comment="Which ranking, with its query, mode and language; or a row of the front page.",
        existing_comment="Which ranking, with its mode, query and language.",
        existing_nullable=False,
        schema="history",
    )
    op.alter_column(
        "rankings",
        "seen_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="When the reading of the ranking began.",
        existing_comment="When.",
        existing_nullable=False,
        schema="history",
    )
    op.alter_column(
        "rankings",
        "thing_id",
        existing_type=sa.BIGINT(),
        comment="What stood there. Soft reference to projects or studios.",
        existing_comment="What stood there.",
        existing_nullable=False,
        schema="history",
    )
    op.create_index(
        op.f("rankings_kind_thing_id_idx"), "rankings", ["kind", "thing_id"], unique=False, schema="history"
    )
    op.add_column(
        "favorites",
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        schema="scratch",
    )
    op.add_column(
        "follows",
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        schema="scratch",
    )
    op.add_column(
        "news",
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        schema="scratch",
    )
    op.add_column(
        "profile_comments",
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        schema="scratch",
    )
    op.drop_constraint(
        op.f("profile_comments_parent_id_fkey"), "profile_comments", schema="scratch", type_="foreignkey"
    )
    op.create_foreign_key(
        op.f("profile_comments_parent_id_fkey"),
        "profile_comments",
        "profile_comments",
        ["parent_id"],
        ["id"],
        source_schema="scratch",
        referent_schema="scratch",
        initially="DEFERRED",
        deferrable=True,
    )
    op.add_column(
        "project_comments",
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        schema="scratch",
    )
    op.add_column(
        "projects",
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        schema="scratch",
    )
    op.add_column(
        "studio_activity",
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        schema="scratch",
    )
    op.add_column(
        "studio_comments",
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        schema="scratch",
    )
    op.add_column(
        "studio_members",
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        schema="scratch",
    )
    op.add_column(
        "studio_projects",
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        schema="scratch",
    )
    op.add_column(
        "studios",
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        schema="scratch",
    )
    op.add_column(
        "users",
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        schema="scratch",
    )
    op.execute((files("harvester") / "warehouse" / "views" / "comments.sql").read_text())


def downgrade():
    op.execute("DROP VIEW scratch.comments")
    op.drop_column("users", "gone_reason", schema="scratch")
    op.drop_column("studios", "gone_reason", schema="scratch")
    op.drop_column("studio_projects", "gone_reason", schema="scratch")
    op.drop_column("studio_members", "gone_reason", schema="scratch")
    op.drop_column("studio_comments", "gone_reason", schema="scratch")
    op.drop_column("studio_activity", "gone_reason", schema="scratch")
    op.drop_column("projects", "gone_reason", schema="scratch")
    op.drop_column("project_comments", "gone_reason", schema="scratch")
    op.drop_constraint(
        op.f("profile_comments_parent_id_fkey"), "profile_comments", schema="scratch", type_="foreignkey"
    )
    op.create_foreign_key(
        op.f("profile_comments_parent_id_fkey"),
        "profile_comments",
        "profile_comments",
        ["parent_id"],
        ["id"],
        source_schema="scratch",
        referent_schema="scratch",
    )
    op.drop_column("profile_comments", "gone_reason", schema="scratch")
    op.drop_column("news", "gone_reason", schema="scratch")
    op.drop_column("follows", "gone_reason", schema="scratch")
    op.drop_column("favorites", "gone_reason", schema="scratch")
    op.drop_index(op.f("rankings_kind_thing_id_idx"), table_name="rankings", schema="history")
    op.alter_column(
        "rankings",
        "thing_id",
        existing_type=sa.BIGINT(),
        comment="What stood there.",
        existing_comment="What stood there. Soft reference to projects or studios.",
        existing_nullable=False,
        schema="history",
    )
    op.alter_column(
        "rankings",
        "seen_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="When.",
        existing_comment="When the reading of the ranking began.",
        existing_nullable=False,
        schema="history",
    )
    op.alter_column(
        "rankings",
        "ranking",
        existing_type=sa.TEXT(),
        comment="Which ranking, with its mode, query and language.",
        existing_comment="Which ranking, with its query, mode and language; or a row of the front page.",
        existing_nullable=False,
        schema="history",
    )
    op.alter_column(
        "walks",
        "owner_id",
        existing_type=sa.BIGINT(),
        comment="For replies: the project or studio on whose page the thread stands.",
        existing_comment="For replies: the project or studio on whose page the thread stands. Of the own account: its user id.",
        existing_nullable=True,
        schema="crawl",
    )
    op.drop_column("rankings", "extra", schema="history")
    op.drop_table("message_counts", schema="history")
    op.drop_table("site_health", schema="history")
    op.drop_table("absences", schema="history")
    op.drop_table("queries", schema="crawl")
    op.drop_table("states", schema="account")
    op.drop_table("projects", schema="account")
    op.drop_table("messages", schema="account")
    op.drop_table("alerts", schema="account")
    op.drop_table("activity", schema="account")
    op.execute("DROP SCHEMA account")
    op.execute(COMMENTS_BEFORE)
