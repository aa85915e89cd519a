"""Figures for analysts: tables of what is heavy to work out, and views, as plain SQL files, one a subject."""

from importlib.resources import files

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FILES = (
    "earlier", "activity", "cohorts", "countries", "remixes", "threads", "network", "studios", "life", "rankings",
    "freshness",
)  # fmt: skip
COPIES = (
    "daily_activity", "user_months", "cohort_activity", "countries", "remix_nodes", "remix_trees", "threads",
    "follow_degrees", "studio_figures", "life_curves", "ranking_stays",
)  # fmt: skip
VIEWS = (
    "freshness", "stream_freshness", "ranking_countries", "ranking_readings", "ranking_moves", "studio_memberships",
    "degree_distribution", "follow_network", "reply_latency", "cohort_retention", "cohorts", "monthly_activity",
    *(f"live_{name}" for name in COPIES), "project_life",
)  # fmt: skip

# A copy and the view that defines it have the same columns: what they mean is said once.
SAME_COMMENTS = """
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT c.relname, a.attname, col_description(c.oid, a.attnum) AS said
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'analytics'::regnamespace AND c.relkind = 'r'
            AND to_regclass('analytics.live_' || c.relname) IS NOT NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN analytics.%I.%I IS %L', 'live_' || one.relname, one.attname, one.said);
    END LOOP;
END $$
"""


def upgrade():
    op.execute(
        "COMMENT ON SCHEMA analytics IS 'For analysts: views, and tables of what is heavy to work out, as of the last refresh.'"
    )
    op.create_table(
        "cohort_activity",
        sa.Column(
            "cohort", sa.Date(), nullable=False, comment="The first day of the month in which they joined, in UTC."
        ),
        sa.Column("month", sa.Date(), nullable=False, comment="The first day of the month in which they were active."),
        sa.Column(
            "active",
            sa.Integer(),
            nullable=False,
            comment="Users that last shared a project or wrote a comment in that month.",
        ),
        sa.Column("sharing", sa.Integer(), nullable=False, comment="Users that last shared a project in that month."),
        sa.Column("commenting", sa.Integer(), nullable=False, comment="Users that wrote a comment in that month."),
        sa.PrimaryKeyConstraint("cohort", "month", name=op.f("cohort_activity_pkey")),
        schema="analytics",
        comment="How many users of each cohort were active in each month, summed up from user_months.",
    )
    op.create_table(
        "countries",
        sa.Column(
            "country",
            sa.Text(),
            nullable=False,
            comment="The country as declared; unknown while the profile was not read.",
        ),
        sa.Column(
            "users", sa.BigInteger(), nullable=False, comment="Users that are known, those that are gone included."
        ),
        sa.Column("share", sa.Numeric(), nullable=False, comment="users as a share of all."),
        sa.Column("gone_users", sa.BigInteger(), nullable=False, comment="Users that are gone."),
        sa.Column("sharers", sa.BigInteger(), nullable=False, comment="Users that shared a project."),
        sa.Column("commenters", sa.BigInteger(), nullable=False, comment="Users that wrote a comment."),
        sa.Column("projects", sa.BigInteger(), nullable=False, comment="Projects that they shared."),
        sa.Column("comments", sa.BigInteger(), nullable=False, comment="Comments that they wrote."),
        sa.PrimaryKeyConstraint("country", name=op.f("countries_pkey")),
        schema="analytics",
        comment="Users and what they did, by the country that they declare.",
    )
    op.create_table(
        "daily_activity",
        sa.Column(
            "stream",
            sa.Text(),
            nullable=False,
            comment="users (who joined), projects (last shared), studios (created), project_comments, studio_comments, profile_comments, or studio_activity.",
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="The day, in UTC."),
        sa.Column("items", sa.Integer(), nullable=False, comment="How many of them."),
        sa.Column(
            "actors",
            sa.Integer(),
            nullable=False,
            comment="How many different people did it: who joined, shared, hosts, wrote or acted.",
        ),
        sa.Column(
            "replies",
            sa.Integer(),
            nullable=False,
            comment="How many of the items are replies; 0 for what is no comment.",
        ),
        sa.Column(
            "gone",
            sa.Integer(),
            nullable=False,
            comment="How many of the items are gone themselves. What stands on a page that is gone is not counted.",
        ),
        sa.PrimaryKeyConstraint("stream", "day", name=op.f("daily_activity_pkey")),
        schema="analytics",
        comment="What happened on each day (UTC), by stream, as far as it was read: what is gone by now counts, and is told apart.",
    )
    op.create_table(
        "follow_degrees",
        sa.Column("user_id", sa.BigInteger(), nullable=False, comment="The user. Soft reference to users."),
        sa.Column("followers", sa.Integer(), nullable=False, comment="Users that follow the user."),
        sa.Column("following", sa.Integer(), nullable=False, comment="Users that the user follows."),
        sa.Column("mutual", sa.Integer(), nullable=False, comment="Users that the user follows and that follow back."),
        sa.PrimaryKeyConstraint("user_id", name=op.f("follow_degrees_pkey")),
        schema="analytics",
        comment="Each user's place in the network of followers: edges that are known and not gone. Who has none is left out.",
    )
    op.create_table(
        "life_curves",
        sa.Column(
            "older_than_days",
            sa.Integer(),
            nullable=False,
            comment="The age from which the class begins; the first day is left out.",
        ),
        sa.Column("younger_than_days", sa.Integer(), nullable=False, comment="The age at which it ends."),
        sa.Column("projects", sa.BigInteger(), nullable=False, comment="Projects that were seen at such an age."),
        sa.Column("versions", sa.BigInteger(), nullable=False, comment="Versions of their counters."),
        sa.Column("mean_views", sa.Numeric(), nullable=True, comment="Mean of the views."),
        sa.Column("mean_loves", sa.Numeric(), nullable=True, comment="Mean of the loves."),
        sa.Column("mean_favorites", sa.Numeric(), nullable=True, comment="Mean of the favorites."),
        sa.Column(
            "share_viewed_ten_times",
            sa.Numeric(),
            nullable=True,
            comment="Share of the versions with ten views or more.",
        ),
        sa.PrimaryKeyConstraint("older_than_days", name=op.f("life_curves_pkey")),
        schema="analytics",
        comment="Counters of projects by age, in classes that double: each version counts at the age at which it was first seen. Projects that are visited more often count more often; views are so uneven that a mean follows the few.",
    )
    op.create_table(
        "ranking_stays",
        sa.Column("ranking", sa.Text(), nullable=False, comment="The ranking, with its query, mode and language."),
        sa.Column("kind", sa.Text(), nullable=False, comment="project or studio."),
        sa.Column(
            "thing_id",
            sa.BigInteger(),
            nullable=False,
            comment="What stood there. Soft reference to projects or studios.",
        ),
        sa.Column(
            "first_seen_at", sa.DateTime(timezone=True), nullable=False, comment="The first reading that showed it."
        ),
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), nullable=False, comment="The last reading that showed it."
        ),
        sa.Column(
            "sightings",
            sa.Integer(),
            nullable=False,
            comment="Readings that showed it; ranking_readings tells of how many.",
        ),
        sa.Column("best_position", sa.Integer(), nullable=False, comment="The best place that it had, from 0."),
        sa.Column("mean_position", sa.Numeric(), nullable=False, comment="The mean of its places."),
        sa.PrimaryKeyConstraint("ranking", "kind", "thing_id", name=op.f("ranking_stays_pkey")),
        schema="analytics",
        comment="How long and how high each thing stood in each ranking, by the readings that showed it.",
    )
    op.create_index(
        op.f("ranking_stays_kind_thing_id_idx"), "ranking_stays", ["kind", "thing_id"], unique=False, schema="analytics"
    )
    op.create_table(
        "refreshes",
        sa.Column("relation", sa.Text(), nullable=False, comment="The table."),
        sa.Column(
            "refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="It holds what the warehouse held then."
        ),
        sa.Column(
            "whole",
            sa.Boolean(),
            nullable=False,
            comment="Whether it was made anew, not only where something had changed.",
        ),
        sa.Column("written", sa.BigInteger(), nullable=False, comment="Rows that were written by that."),
        sa.Column("row_count", sa.BigInteger(), nullable=False, comment="Rows that it has."),
        sa.Column(
            "mark",
            sa.BigInteger(),
            nullable=True,
            comment="Rows of older transactions than this one were all seen; null: next time all is made anew.",
        ),
        sa.Column(
            "written_by",
            sa.BigInteger(),
            nullable=True,
            comment="The transaction that wrote this row: a copy of it in another server tells itself by that.",
        ),
        sa.PrimaryKeyConstraint("relation", name=op.f("refreshes_pkey")),
        schema="analytics",
        comment="When each table of this schema was last brought up to date, and how.",
    )
    op.create_table(
        "remix_nodes",
        sa.Column(
            "project_id",
            sa.BigInteger(),
            nullable=False,
            comment="The project. Soft reference to projects: it may never have been seen.",
        ),
        sa.Column(
            "parent_id",
            sa.BigInteger(),
            nullable=True,
            comment="What it hangs from; null for the root. Soft reference to projects.",
        ),
        sa.Column(
            "root_id", sa.BigInteger(), nullable=False, comment="The root of its tree. Soft reference to projects."
        ),
        sa.Column("depth", sa.Integer(), nullable=False, comment="Steps from the root, which has 0."),
        sa.Column(
            "is_assumed",
            sa.Boolean(),
            nullable=False,
            comment="Whether its parent is unknown, so that it hangs from the root that it or its first remix states: its depth is the least it can be.",
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("remix_nodes_pkey")),
        schema="analytics",
        comment="Trees of remixes, one row for each project in one. Projects that are gone, or that were never seen, have their place too; projects without a remix are in no tree.",
    )
    op.create_index(op.f("remix_nodes_root_id_idx"), "remix_nodes", ["root_id"], unique=False, schema="analytics")
    op.create_table(
        "remix_trees",
        sa.Column(
            "root_id",
            sa.BigInteger(),
            nullable=False,
            comment="What all the others come from. Soft reference to projects.",
        ),
        sa.Column(
            "nodes",
            sa.Integer(),
            nullable=False,
            comment="Projects in the tree, the root and those that are gone included.",
        ),
        sa.Column("depth", sa.Integer(), nullable=False, comment="Steps from the root to the farthest remix."),
        sa.Column(
            "breadth", sa.Integer(), nullable=False, comment="The most projects that are equally far from the root."
        ),
        sa.Column("direct_remixes", sa.Integer(), nullable=False, comment="Remixes of the root itself."),
        sa.Column("gone", sa.Integer(), nullable=False, comment="Projects of the tree that are gone."),
        sa.Column(
            "never_seen",
            sa.Integer(),
            nullable=False,
            comment="Projects of which nothing is known but that others came from them.",
        ),
        sa.Column(
            "assumed",
            sa.Integer(),
            nullable=False,
            comment="Projects whose parent is unknown: they hang from the root.",
        ),
        sa.Column(
            "first_shared_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the first of its projects was last shared.",
        ),
        sa.Column(
            "last_shared_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the last of its projects was last shared.",
        ),
        sa.PrimaryKeyConstraint("root_id", name=op.f("remix_trees_pkey")),
        schema="analytics",
        comment="Each tree of remixes: how large, how deep and how broad.",
    )
    op.create_table(
        "studio_figures",
        sa.Column("studio_id", sa.BigInteger(), nullable=False, comment="The studio. Soft reference to studios."),
        sa.Column("projects", sa.Integer(), nullable=False, comment="Projects in it."),
        sa.Column(
            "adders",
            sa.Integer(),
            nullable=False,
            comment="Different people who added them, as far as the studio's own list was read.",
        ),
        sa.Column("members", sa.Integer(), nullable=False, comment="Its host, managers and curators."),
        sa.Column("managers", sa.Integer(), nullable=False, comment="Its managers, without the host."),
        sa.Column("curators", sa.Integer(), nullable=False, comment="Its curators."),
        sa.Column("comments", sa.Integer(), nullable=False, comment="Comments and replies in it."),
        sa.Column("commenters", sa.Integer(), nullable=False, comment="Different people who wrote them."),
        sa.Column(
            "first_comment_at", sa.DateTime(timezone=True), nullable=True, comment="When the first of them was written."
        ),
        sa.Column(
            "last_comment_at", sa.DateTime(timezone=True), nullable=True, comment="When the last of them was written."
        ),
        sa.PrimaryKeyConstraint("studio_id", name=op.f("studio_figures_pkey")),
        schema="analytics",
        comment="What each studio holds that has anything: members, projects and comments that are known and not gone.",
    )
    op.create_table(
        "threads",
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="project, studio or profile: ids of the three kinds collide."
        ),
        sa.Column(
            "thread_id",
            sa.BigInteger(),
            nullable=False,
            comment="The comment at the top. Soft reference to the comments of its kind.",
        ),
        sa.Column(
            "place_id", sa.BigInteger(), nullable=False, comment="The project, studio or user that it stands on."
        ),
        sa.Column(
            "author_id",
            sa.BigInteger(),
            nullable=True,
            comment="Who wrote it; null for one that was removed. Soft reference to users.",
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True, comment="When it was written."),
        sa.Column("is_gone", sa.Boolean(), nullable=False, comment="Whether it is gone itself."),
        sa.Column("replies", sa.Integer(), nullable=False, comment="Replies that are known."),
        sa.Column("own_replies", sa.Integer(), nullable=False, comment="Replies by the author of the thread."),
        sa.Column("gone_replies", sa.Integer(), nullable=False, comment="Replies that are gone."),
        sa.Column("repliers", sa.Integer(), nullable=False, comment="How many different people replied."),
        sa.Column(
            "first_reply_at", sa.DateTime(timezone=True), nullable=True, comment="When the first reply was written."
        ),
        sa.Column(
            "first_answer_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the first reply by somebody else than the author was written; null without one.",
        ),
        sa.Column(
            "last_reply_at", sa.DateTime(timezone=True), nullable=True, comment="When the last reply was written."
        ),
        sa.PrimaryKeyConstraint("kind", "thread_id", name=op.f("threads_pkey")),
        schema="analytics",
        comment="Comments that have replies, with what their thread holds; replies that are gone count.",
    )
    op.create_index(
        op.f("threads_kind_place_id_idx"), "threads", ["kind", "place_id"], unique=False, schema="analytics"
    )
    op.create_table(
        "user_months",
        sa.Column("user_id", sa.BigInteger(), nullable=False, comment="The user. Soft reference to users."),
        sa.Column("month", sa.Date(), nullable=False, comment="The first day of the month, in UTC."),
        sa.Column(
            "projects",
            sa.Integer(),
            nullable=False,
            comment="Projects last shared in that month, those that are gone included.",
        ),
        sa.Column(
            "comments",
            sa.Integer(),
            nullable=False,
            comment="Comments and replies of all three kinds written in that month, those that are gone included.",
        ),
        sa.PrimaryKeyConstraint("user_id", "month", name=op.f("user_months_pkey")),
        schema="analytics",
        comment="What each user did in each month in which they did anything public that was read.",
    )
    op.create_index(
        op.f("projects_root_id_idx"),
        "projects",
        ["root_id"],
        unique=False,
        schema="scratch",
        postgresql_where=sa.text("root_id IS NOT NULL"),
    )
    for name in FILES:
        op.execute((files("harvester") / "warehouse" / "views" / "analytics" / f"{name}.sql").read_text())
    op.execute(SAME_COMMENTS)


def downgrade():
    op.execute("DROP FUNCTION analytics.studio_overlap, analytics.remix_tree, analytics.remix_roots")
    op.execute("DROP VIEW " + ", ".join(f"analytics.{name}" for name in (*VIEWS, "remix_edges")))
    op.drop_index(
        op.f("projects_root_id_idx"),
        table_name="projects",
        schema="scratch",
        postgresql_where=sa.text("root_id IS NOT NULL"),
    )
    op.drop_table("user_months", schema="analytics")
    op.drop_index(op.f("threads_kind_place_id_idx"), table_name="threads", schema="analytics")
    op.drop_table("threads", schema="analytics")
    op.drop_table("studio_figures", schema="analytics")
    op.drop_table("remix_trees", schema="analytics")
    op.drop_index(op.f("remix_nodes_root_id_idx"), table_name="remix_nodes", schema="analytics")
    op.drop_table("remix_nodes", schema="analytics")
    op.drop_table("refreshes", schema="analytics")
    op.drop_index(op.f("ranking_stays_kind_thing_id_idx"), table_name="ranking_stays", schema="analytics")
    op.drop_table("ranking_stays", schema="analytics")
    op.drop_table("life_curves", schema="analytics")
    op.drop_table("follow_degrees", schema="analytics")
    op.drop_table("daily_activity", schema="analytics")
    op.drop_table("countries", schema="analytics")
    op.drop_table("cohort_activity", schema="analytics")
    op.execute("COMMENT ON SCHEMA analytics IS 'Views for analysts.'")
