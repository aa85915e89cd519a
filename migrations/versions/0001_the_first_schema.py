"""The first schema: scratch, history and crawl, the view of all comments, and the role that may read."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


SCHEMAS = {
    "scratch": "The public community as it is now.",
    "history": "What was superseded: earlier texts, settings and counters, each with the time it held.",
    "crawl": "The operator's tables: the frontier with its checkpoints, runs, the budget, the quarantine.",
}
READER = "harvester_reader"
READABLE = ("scratch", "history")

COMMENTS = """
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


def upgrade():
    for name, comment in SCHEMAS.items():
        op.execute(sa.schema.CreateSchema(name, if_not_exists=True))
        quoted = comment.replace("'", "''")
        op.execute(f"COMMENT ON SCHEMA {name} IS '{quoted}'")
    op.create_table(
        "budget",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False, comment="Always 1."),
        sa.Column(
            "next_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the next request may be sent.",
        ),
        sa.Column(
            "closed_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="No request is sent before: the site asked for a pause.",
        ),
        sa.Column("closed_reason", sa.Text(), nullable=True, comment="Why."),
        sa.CheckConstraint("id = 1", name=op.f("budget_one_row_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("budget_pkey")),
        schema="crawl",
        comment="One row: the request budget that all workers share (generic cell rate algorithm).",
    )
    op.create_table(
        "designs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="The design."),
        sa.Column("name", sa.Text(), nullable=False, comment="The kind of design."),
        sa.Column(
            "parameters",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Its parameters, frame and seed.",
        ),
        sa.Column(
            "drawn_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="When."
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("designs_pkey")),
        schema="crawl",
        comment="How a sample was drawn.",
    )
    op.create_table(
        "drift",
        sa.Column("stream", sa.Text(), nullable=False, comment="The stream."),
        sa.Column("field", sa.Text(), nullable=False, comment="The field, or the list's order."),
        sa.Column("change", sa.Text(), nullable=False, comment="What is different."),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When first seen.",
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When last seen.",
        ),
        sa.Column("count", sa.BigInteger(), server_default=sa.text("1"), nullable=False, comment="How often."),
        sa.Column("example", sa.Text(), nullable=True, comment="One example."),
        sa.PrimaryKeyConstraint("stream", "field", "change", name=op.f("drift_pkey")),
        schema="crawl",
        comment="Where the source departs from what is declared of it.",
    )
    op.create_table(
        "erasures",
        sa.Column(
            "person", sa.Text(), nullable=False, comment="HMAC of the user's id under the key of this installation."
        ),
        sa.Column(
            "erased_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="When."
        ),
        sa.PrimaryKeyConstraint("person", name=op.f("erasures_pkey")),
        schema="crawl",
        comment="People who are left out, as keyed hashes: nothing here tells who they are.",
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="The case."),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="When."
        ),
        sa.Column("stream", sa.Text(), nullable=False, comment="The stream."),
        sa.Column("entity_id", sa.BigInteger(), nullable=False, comment="The entity that was visited."),
        sa.Column("path", sa.Text(), nullable=False, comment="What was asked for, path and query."),
        sa.Column("status", sa.Integer(), nullable=True, comment="The HTTP status."),
        sa.Column("reason", sa.Text(), nullable=False, comment="Why the response could not be used."),
        sa.Column("body", sa.LargeBinary(), nullable=True, comment="The response as it came."),
        sa.PrimaryKeyConstraint("id", name=op.f("quarantine_pkey")),
        schema="crawl",
        comment="Responses that could not be used, whole.",
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="The run."),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it began.",
        ),
        sa.Column(
            "ended_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it ended; null while it runs, or if it was killed.",
        ),
        sa.Column("command", sa.Text(), nullable=False, comment="What was asked for."),
        sa.Column("version", sa.Text(), nullable=False, comment="The version of the harvester."),
        sa.Column("api_url", sa.Text(), nullable=False, comment="The API that was read."),
        sa.Column("contact", sa.Text(), nullable=True, comment="The contact that was stated to the site."),
        sa.Column("permission", sa.Text(), nullable=True, comment="What entitled the operator, as stated."),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=True,
            comment="done, bounded, interrupted or failed; null while it runs, or if it was killed.",
        ),
        sa.Column("requests", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="Requests sent."),
        sa.Column(
            "counts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Rows inserted, updated and unchanged by table.",
        ),
        sa.CheckConstraint("outcome IN ('done', 'bounded', 'interrupted', 'failed')", name=op.f("runs_outcome_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("runs_pkey")),
        schema="crawl",
        comment="One row per run of a crawl.",
    )
    op.create_table(
        "seeds",
        sa.Column("kind", sa.Text(), nullable=False, comment="user, project or studio."),
        sa.Column("entity_id", sa.BigInteger(), nullable=False, comment="Which one."),
        sa.Column("depth", sa.SmallInteger(), nullable=False, comment="Hops from it that are walked too."),
        sa.Column(
            "seeded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it was first seeded.",
        ),
        sa.CheckConstraint("kind IN ('user', 'project', 'studio')", name=op.f("seeds_kind_check")),
        sa.CheckConstraint("depth >= 0", name=op.f("seeds_depth_check")),
        sa.PrimaryKeyConstraint("kind", "entity_id", name=op.f("seeds_pkey")),
        schema="crawl",
        comment="What the operator put in scope.",
    )
    op.create_table(
        "comment_revisions",
        sa.Column("kind", sa.Text(), nullable=False, comment="project, studio or profile."),
        sa.Column("comment_id", sa.BigInteger(), nullable=False, comment="The id in the table of that kind."),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), nullable=False, comment="When this version was first seen."
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False, comment="When it was first seen superseded."),
        sa.Column("content", sa.Text(), nullable=True, comment="The text as a reader saw it."),
        sa.Column("content_served", sa.Text(), nullable=True, comment="The text as served, where it differed."),
        sa.Column("visibility", sa.Text(), nullable=True, comment="Visibility as the site stated it."),
        sa.PrimaryKeyConstraint("kind", "comment_id", "valid_to", name=op.f("comment_revisions_pkey")),
        schema="history",
        comment="Earlier texts and visibilities of comments. The version in force is in scratch.",
    )
    op.create_table(
        "project_revisions",
        sa.Column("project_id", sa.BigInteger(), nullable=False, comment="The id in scratch.projects."),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), nullable=False, comment="When this version was first seen."
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False, comment="When it was first seen superseded."),
        sa.Column("title", sa.Text(), nullable=True, comment="The title."),
        sa.Column("description", sa.Text(), nullable=True, comment="The text `Notes and Credits`."),
        sa.Column("instructions", sa.Text(), nullable=True, comment="The text `Instructions`."),
        sa.Column("visibility", sa.Text(), nullable=True, comment="Visibility as the site states it, such as visible."),
        sa.Column("public", sa.Boolean(), nullable=True, comment="Whether the project is public."),
        sa.Column("comments_allowed", sa.Boolean(), nullable=True, comment="Whether its author lets others comment."),
        sa.Column("is_published", sa.Boolean(), nullable=True, comment="Whether it is published."),
        sa.Column(
            "shared_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last shared; null for one that never was.",
        ),
        sa.PrimaryKeyConstraint("project_id", "valid_to", name=op.f("project_revisions_pkey")),
        schema="history",
        comment="Earlier texts and settings of projects. The version in force is in scratch.projects.",
    )
    op.create_table(
        "project_stats",
        sa.Column("project_id", sa.BigInteger(), nullable=False, comment="The id in scratch.projects."),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), nullable=False, comment="When this version was first seen."
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False, comment="When it was first seen superseded."),
        sa.Column("views", sa.Integer(), nullable=True, comment="Views."),
        sa.Column("loves", sa.Integer(), nullable=True, comment="Loves."),
        sa.Column("favorites", sa.Integer(), nullable=True, comment="Favorites."),
        sa.Column(
            "remixes",
            sa.Integer(),
            nullable=True,
            comment="Remixes, as the project's own page states them; lists serve 0 and are not believed.",
        ),
        sa.PrimaryKeyConstraint("project_id", "valid_to", name=op.f("project_stats_pkey")),
        schema="history",
        comment="Earlier counters of projects. Those in force are in scratch.projects.",
    )
    op.create_table(
        "rankings",
        sa.Column("ranking", sa.Text(), nullable=False, comment="Which ranking, with its mode, query and language."),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="When."),
        sa.Column("position", sa.Integer(), nullable=False, comment="The place, from 0."),
        sa.Column("kind", sa.Text(), nullable=False, comment="project or studio."),
        sa.Column("thing_id", sa.BigInteger(), nullable=False, comment="What stood there."),
        sa.PrimaryKeyConstraint("ranking", "seen_at", "position", name=op.f("rankings_pkey")),
        schema="history",
        comment="Sightings in rankings (explore, search, front page), which hold no list to be complete of.",
    )
    op.create_table(
        "site_counts",
        sa.Column("name", sa.Text(), nullable=False, comment="What is counted."),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="When."),
        sa.Column("count", sa.BigInteger(), nullable=False, comment="The number."),
        sa.PrimaryKeyConstraint("name", "seen_at", name=op.f("site_counts_pkey")),
        schema="history",
        comment="What the site states of itself.",
    )
    op.create_table(
        "studio_revisions",
        sa.Column("studio_id", sa.BigInteger(), nullable=False, comment="The id in scratch.studios."),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), nullable=False, comment="When this version was first seen."
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False, comment="When it was first seen superseded."),
        sa.Column(
            "host_id",
            sa.BigInteger(),
            nullable=True,
            comment="Who hosts it. Soft reference to users: only the id is served.",
        ),
        sa.Column("title", sa.Text(), nullable=True, comment="The title."),
        sa.Column("description", sa.Text(), nullable=True, comment="The description."),
        sa.Column("visibility", sa.Text(), nullable=True, comment="Visibility as the site states it."),
        sa.Column("public", sa.Boolean(), nullable=True, comment="Whether the studio is public."),
        sa.Column("open_to_all", sa.Boolean(), nullable=True, comment="Whether anyone may add projects."),
        sa.Column("comments_allowed", sa.Boolean(), nullable=True, comment="Whether commenting is open."),
        sa.PrimaryKeyConstraint("studio_id", "valid_to", name=op.f("studio_revisions_pkey")),
        schema="history",
        comment="Earlier texts and settings of studios. The version in force is in scratch.studios.",
    )
    op.create_table(
        "studio_stats",
        sa.Column("studio_id", sa.BigInteger(), nullable=False, comment="The id in scratch.studios."),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), nullable=False, comment="When this version was first seen."
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False, comment="When it was first seen superseded."),
        sa.Column(
            "comment_count",
            sa.Integer(),
            nullable=True,
            comment="Comments as the site states them: 100 means 100 or more.",
        ),
        sa.Column("follower_count", sa.Integer(), nullable=True, comment="Followers, exact."),
        sa.Column("manager_count", sa.Integer(), nullable=True, comment="Managers, the host included; 40 at most."),
        sa.Column(
            "project_count",
            sa.Integer(),
            nullable=True,
            comment="Projects as the site states them: 100 means 100 or more, unshared ones may count.",
        ),
        sa.PrimaryKeyConstraint("studio_id", "valid_to", name=op.f("studio_stats_pkey")),
        schema="history",
        comment="Earlier counters of studios. Those in force are in scratch.studios.",
    )
    op.create_table(
        "user_revisions",
        sa.Column("user_id", sa.BigInteger(), nullable=False, comment="The id in scratch.users."),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), nullable=False, comment="When this version was first seen."
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False, comment="When it was first seen superseded."),
        sa.Column(
            "username",
            sa.Text(),
            nullable=True,
            comment="The name as shown; looked up without regard to case. Null while only the id is known.",
        ),
        sa.Column(
            "scratch_team", sa.Boolean(), nullable=True, comment="Whether the account belongs to the Scratch Team."
        ),
        sa.Column(
            "country",
            sa.Text(),
            nullable=True,
            comment="The country, as declared by the person; first entries of the site's list are inflated.",
        ),
        sa.Column("status", sa.Text(), nullable=True, comment="The profile's text `What I'm working on`."),
        sa.Column("bio", sa.Text(), nullable=True, comment="The profile's text `About me`."),
        sa.PrimaryKeyConstraint("user_id", "valid_to", name=op.f("user_revisions_pkey")),
        schema="history",
        comment="Earlier names, countries and profile texts of users. The version in force is in scratch.users.",
    )
    op.create_table(
        "news",
        sa.Column("id", sa.Text(), nullable=False, comment="The id as served; beyond 64-bit floats, so kept as text."),
        sa.Column("headline", sa.Text(), nullable=False, comment="The headline."),
        sa.Column("url", sa.Text(), nullable=True, comment="Where it leads."),
        sa.Column("image", sa.Text(), nullable=True, comment="The picture."),
        sa.Column("copy", sa.Text(), nullable=True, comment="The text."),
        sa.Column(
            "stamp", sa.DateTime(timezone=True), nullable=True, comment="The time as served, which is years off."
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was first stored.",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown to be absent from the site; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.PrimaryKeyConstraint("id", "headline", name=op.f("news_pkey")),
        schema="scratch",
        comment="The site's announcements. Ids are used again for other items, so the headline is part of the key.",
    )
    op.create_table(
        "studios",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False, comment="The studio's id at the site."),
        sa.Column(
            "host_id",
            sa.BigInteger(),
            nullable=True,
            comment="Who hosts it. Soft reference to users: only the id is served.",
        ),
        sa.Column("title", sa.Text(), nullable=True, comment="The title."),
        sa.Column("description", sa.Text(), nullable=True, comment="The description."),
        sa.Column("visibility", sa.Text(), nullable=True, comment="Visibility as the site states it."),
        sa.Column("public", sa.Boolean(), nullable=True, comment="Whether the studio is public."),
        sa.Column("open_to_all", sa.Boolean(), nullable=True, comment="Whether anyone may add projects."),
        sa.Column("comments_allowed", sa.Boolean(), nullable=True, comment="Whether commenting is open."),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True, comment="When it was created."),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True, comment="When it was last changed."),
        sa.Column(
            "comment_count",
            sa.Integer(),
            nullable=True,
            comment="Comments as the site states them: 100 means 100 or more.",
        ),
        sa.Column("follower_count", sa.Integer(), nullable=True, comment="Followers, exact."),
        sa.Column("manager_count", sa.Integer(), nullable=True, comment="Managers, the host included; 40 at most."),
        sa.Column(
            "project_count",
            sa.Integer(),
            nullable=True,
            comment="Projects as the site states them: 100 means 100 or more, unshared ones may count.",
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was first stored.",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown to be absent from the site; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("studios_pkey")),
        schema="scratch",
        comment="Studios.",
    )
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False, comment="The user's id at the site."),
        sa.Column(
            "username",
            sa.Text(),
            nullable=True,
            comment="The name as shown; looked up without regard to case. Null while only the id is known.",
        ),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True, comment="When the account was registered."),
        sa.Column(
            "scratch_team", sa.Boolean(), nullable=True, comment="Whether the account belongs to the Scratch Team."
        ),
        sa.Column(
            "country",
            sa.Text(),
            nullable=True,
            comment="The country, as declared by the person; first entries of the site's list are inflated.",
        ),
        sa.Column("status", sa.Text(), nullable=True, comment="The profile's text `What I'm working on`."),
        sa.Column("bio", sa.Text(), nullable=True, comment="The profile's text `About me`."),
        sa.Column(
            "profile_id", sa.BigInteger(), nullable=True, comment="The id of the profile, which is not the user's id."
        ),
        sa.Column(
            "featured_project_id",
            sa.BigInteger(),
            nullable=True,
            comment="The project shown on the profile. Soft reference to projects.",
        ),
        sa.Column("featured_label", sa.Text(), nullable=True, comment="The label over the featured project."),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was first stored.",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown to be absent from the site; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
        schema="scratch",
        comment="Accounts. Whoever was met has a row; a column is null until a response with authority over it was read.",
    )
    op.create_index(
        "users_lower_username_idx", "users", [sa.literal_column("lower(username)")], unique=False, schema="scratch"
    )
    op.create_table(
        "draws",
        sa.Column("design_id", sa.BigInteger(), nullable=False, comment="The design."),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="The place in the draw, from 0."),
        sa.Column("entity_id", sa.BigInteger(), nullable=False, comment="What was drawn."),
        sa.Column("stratum", sa.Text(), nullable=True, comment="The stratum it was drawn from."),
        sa.Column(
            "inclusion_probability", sa.Double(), nullable=True, comment="The first-order inclusion probability."
        ),
        sa.Column("outcome", sa.Text(), nullable=True, comment="hit, or the kind of miss; null until visited."),
        sa.ForeignKeyConstraint(["design_id"], ["crawl.designs.id"], name=op.f("draws_design_id_fkey")),
        sa.PrimaryKeyConstraint("design_id", "position", name=op.f("draws_pkey")),
        schema="crawl",
        comment="What a design drew, misses included.",
    )
    op.create_table(
        "walks",
        sa.Column("stream", sa.Text(), nullable=False, comment="The stream of the catalogue."),
        sa.Column(
            "entity_id",
            sa.BigInteger(),
            nullable=False,
            comment="The user, project, studio or comment that is visited.",
        ),
        sa.Column(
            "owner_id",
            sa.BigInteger(),
            nullable=True,
            comment="For replies: the project or studio on whose page the thread stands.",
        ),
        sa.Column(
            "depth",
            sa.SmallInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Hops from here that are walked too, as seeded.",
        ),
        sa.Column(
            "spread_depth",
            sa.SmallInteger(),
            server_default=sa.text("-1"),
            nullable=False,
            comment="The depth with which what this walk met was put in scope; -1 before its first visit.",
        ),
        sa.Column("begun_depth", sa.SmallInteger(), nullable=True, comment="The depth when the walk under way began."),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, comment="When the next visit is due."),
        sa.Column(
            "signal", sa.Integer(), nullable=True, comment="For replies: the reply_count that made the visit due."
        ),
        sa.Column(
            "incremental",
            sa.Boolean(),
            server_default=sa.text("true"),
            nullable=False,
            comment="Whether the next visit may go on from the certificate.",
        ),
        sa.Column(
            "lease_token",
            sa.UUID(),
            nullable=True,
            comment="Whoever holds this may commit; null while nobody works on it.",
        ),
        sa.Column("lease_run", sa.BigInteger(), nullable=True, comment="The run that holds the lease."),
        sa.Column(
            "lease_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the lease may be taken over at the latest.",
        ),
        sa.Column(
            "position",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Pages committed since the walk was made: a page that expects another number is refused.",
        ),
        sa.Column(
            "state",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="The walk between two of its pages; null while none is under way.",
        ),
        sa.Column(
            "certificate",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="What the last complete walk proved, from where the next one goes on.",
        ),
        sa.Column(
            "certified_from",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the walk behind the certificate began.",
        ),
        sa.Column("certified_at", sa.DateTime(timezone=True), nullable=True, comment="When it ended."),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True, comment="When the walk under way began."),
        sa.Column("visits", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="Walks completed."),
        sa.Column(
            "items",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Items that its pages held, all visits together.",
        ),
        sa.Column(
            "failures",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Visits in a row that failed.",
        ),
        sa.Column("last_error", sa.Text(), nullable=True, comment="Why the last one failed."),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True, comment="When the entity answered 404."),
        sa.ForeignKeyConstraint(["lease_run"], ["crawl.runs.id"], name=op.f("walks_lease_run_fkey")),
        sa.PrimaryKeyConstraint("stream", "entity_id", name=op.f("walks_pkey")),
        schema="crawl",
        comment="The frontier and the checkpoints: one row for each list or object in scope.",
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(op.f("walks_due_at_idx"), "walks", ["due_at"], unique=False, schema="crawl")
    op.create_index(
        op.f("walks_lease_run_idx"),
        "walks",
        ["lease_run"],
        unique=False,
        schema="crawl",
        postgresql_where=sa.text("lease_run IS NOT NULL"),
    )
    op.create_index(
        "walks_unspread_idx",
        "walks",
        ["stream"],
        unique=False,
        schema="crawl",
        postgresql_where=sa.text("depth > spread_depth AND visits > 0"),
    )
    op.create_table(
        "follows",
        sa.Column("follower_id", sa.BigInteger(), nullable=False, comment="Who follows."),
        sa.Column("followee_id", sa.BigInteger(), nullable=False, comment="Who is followed."),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was first stored.",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown to be absent from the site; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.ForeignKeyConstraint(["followee_id"], ["scratch.users.id"], name=op.f("follows_followee_id_fkey")),
        sa.ForeignKeyConstraint(["follower_id"], ["scratch.users.id"], name=op.f("follows_follower_id_fkey")),
        sa.PrimaryKeyConstraint("follower_id", "followee_id", name=op.f("follows_pkey")),
        schema="scratch",
        comment="Who follows whom. The site serves no dates.",
    )
    op.create_index(op.f("follows_followee_id_idx"), "follows", ["followee_id"], unique=False, schema="scratch")
    op.create_table(
        "profile_comments",
        sa.Column(
            "id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The comment's id; ids of the three kinds collide.",
        ),
        sa.Column("user_id", sa.BigInteger(), nullable=False, comment="The user whose profile it stands on."),
        sa.Column(
            "parent_id",
            sa.BigInteger(),
            nullable=True,
            comment="The comment it replies to; null at the top of a thread.",
        ),
        sa.Column("author_id", sa.BigInteger(), nullable=True, comment="Who wrote it."),
        sa.Column(
            "commentee_id",
            sa.BigInteger(),
            nullable=True,
            comment="Whom a reply addresses; may be null. Soft reference to users.",
        ),
        sa.Column(
            "content", sa.Text(), nullable=True, comment="The text as a reader sees it; an emoji stands as :name:."
        ),
        sa.Column(
            "content_served",
            sa.Text(),
            nullable=True,
            comment="The text as served, where it differs from what a reader sees.",
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=True, comment="When it was written, to the second."
        ),
        sa.Column(
            "modified_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the site last touched it; a second after its creation in one of four.",
        ),
        sa.Column("visibility", sa.Text(), nullable=True, comment="Visibility as the site states it."),
        sa.Column(
            "reply_count",
            sa.Integer(),
            nullable=True,
            comment="Replies as the site states them: above 0 if there are any, else not exact.",
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was first stored.",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown to be absent from the site; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.ForeignKeyConstraint(["author_id"], ["scratch.users.id"], name=op.f("profile_comments_author_id_fkey")),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["scratch.profile_comments.id"], name=op.f("profile_comments_parent_id_fkey")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["scratch.users.id"], name=op.f("profile_comments_user_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("profile_comments_pkey")),
        schema="scratch",
        comment="Comments on profiles, with their replies.",
    )
    op.create_index(
        op.f("profile_comments_author_id_idx"), "profile_comments", ["author_id"], unique=False, schema="scratch"
    )
    op.create_index(
        op.f("profile_comments_parent_id_idx"),
        "profile_comments",
        ["parent_id"],
        unique=False,
        schema="scratch",
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        op.f("profile_comments_user_id_created_at_idx"),
        "profile_comments",
        ["user_id", "created_at"],
        unique=False,
        schema="scratch",
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False, comment="The project's id at the site."),
        sa.Column("author_id", sa.BigInteger(), nullable=True, comment="Who shared it."),
        sa.Column("title", sa.Text(), nullable=True, comment="The title."),
        sa.Column("description", sa.Text(), nullable=True, comment="The text `Notes and Credits`."),
        sa.Column("instructions", sa.Text(), nullable=True, comment="The text `Instructions`."),
        sa.Column("visibility", sa.Text(), nullable=True, comment="Visibility as the site states it, such as visible."),
        sa.Column("public", sa.Boolean(), nullable=True, comment="Whether the project is public."),
        sa.Column("comments_allowed", sa.Boolean(), nullable=True, comment="Whether its author lets others comment."),
        sa.Column("is_published", sa.Boolean(), nullable=True, comment="Whether it is published."),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True, comment="When it was created."),
        sa.Column(
            "modified_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last saved; the site has touched many at once, so no sign of change.",
        ),
        sa.Column(
            "shared_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last shared; null for one that never was.",
        ),
        sa.Column("views", sa.Integer(), nullable=True, comment="Views."),
        sa.Column("loves", sa.Integer(), nullable=True, comment="Loves."),
        sa.Column("favorites", sa.Integer(), nullable=True, comment="Favorites."),
        sa.Column(
            "remixes",
            sa.Integer(),
            nullable=True,
            comment="Remixes, as the project's own page states them; lists serve 0 and are not believed.",
        ),
        sa.Column(
            "parent_id",
            sa.BigInteger(),
            nullable=True,
            comment="The project it was remixed from. Soft reference: the parent may be unshared.",
        ),
        sa.Column(
            "root_id",
            sa.BigInteger(),
            nullable=True,
            comment="The first project of its tree of remixes. Soft reference.",
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was first stored.",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown to be absent from the site; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.ForeignKeyConstraint(["author_id"], ["scratch.users.id"], name=op.f("projects_author_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("projects_pkey")),
        schema="scratch",
        comment="Projects that are or were shared.",
    )
    op.create_index(op.f("projects_author_id_idx"), "projects", ["author_id"], unique=False, schema="scratch")
    op.create_index(op.f("projects_parent_id_idx"), "projects", ["parent_id"], unique=False, schema="scratch")
    op.create_table(
        "studio_activity",
        sa.Column("studio_id", sa.BigInteger(), nullable=False, comment="The studio."),
        sa.Column("id", sa.Text(), nullable=False, comment="The event's id as served: type-number."),
        sa.Column("type", sa.Text(), nullable=True, comment="The kind of event."),
        sa.Column("actor_id", sa.BigInteger(), nullable=True, comment="Who acted. Soft reference to users."),
        sa.Column("actor_username", sa.Text(), nullable=True, comment="The name of who acted, as served."),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True, comment="When it happened, to the second."),
        sa.Column("project_id", sa.BigInteger(), nullable=True, comment="The project concerned. Soft reference."),
        sa.Column("project_title", sa.Text(), nullable=True, comment="Its title at the time."),
        sa.Column(
            "username",
            sa.Text(),
            nullable=True,
            comment="The other person concerned: the inviter of a new curator, or who was removed.",
        ),
        sa.Column("recipient_username", sa.Text(), nullable=True, comment="Who was promoted."),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was first stored.",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown to be absent from the site; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.ForeignKeyConstraint(["studio_id"], ["scratch.studios.id"], name=op.f("studio_activity_studio_id_fkey")),
        sa.PrimaryKeyConstraint("studio_id", "id", name=op.f("studio_activity_pkey")),
        schema="scratch",
        comment="What happened in a studio.",
    )
    op.create_index(
        op.f("studio_activity_studio_id_created_at_idx"),
        "studio_activity",
        ["studio_id", "created_at"],
        unique=False,
        schema="scratch",
    )
    op.create_table(
        "studio_comments",
        sa.Column(
            "id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The comment's id; ids of the three kinds collide.",
        ),
        sa.Column("studio_id", sa.BigInteger(), nullable=False, comment="The studio it stands in."),
        sa.Column(
            "parent_id",
            sa.BigInteger(),
            nullable=True,
            comment="The comment it replies to; null at the top of a thread.",
        ),
        sa.Column("author_id", sa.BigInteger(), nullable=True, comment="Who wrote it."),
        sa.Column(
            "commentee_id",
            sa.BigInteger(),
            nullable=True,
            comment="Whom a reply addresses; may be null. Soft reference to users.",
        ),
        sa.Column(
            "content", sa.Text(), nullable=True, comment="The text as a reader sees it; an emoji stands as :name:."
        ),
        sa.Column(
            "content_served",
            sa.Text(),
            nullable=True,
            comment="The text as served, where it differs from what a reader sees.",
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=True, comment="When it was written, to the second."
        ),
        sa.Column(
            "modified_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the site last touched it; a second after its creation in one of four.",
        ),
        sa.Column("visibility", sa.Text(), nullable=True, comment="Visibility as the site states it."),
        sa.Column(
            "reply_count",
            sa.Integer(),
            nullable=True,
            comment="Replies as the site states them: above 0 if there are any, else not exact.",
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was first stored.",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown to be absent from the site; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.ForeignKeyConstraint(["author_id"], ["scratch.users.id"], name=op.f("studio_comments_author_id_fkey")),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["scratch.studio_comments.id"], name=op.f("studio_comments_parent_id_fkey")
        ),
        sa.ForeignKeyConstraint(["studio_id"], ["scratch.studios.id"], name=op.f("studio_comments_studio_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("studio_comments_pkey")),
        schema="scratch",
        comment="Comments in studios, with their replies.",
    )
    op.create_index(
        op.f("studio_comments_author_id_idx"), "studio_comments", ["author_id"], unique=False, schema="scratch"
    )
    op.create_index(
        op.f("studio_comments_parent_id_idx"),
        "studio_comments",
        ["parent_id"],
        unique=False,
        schema="scratch",
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        op.f("studio_comments_studio_id_created_at_idx"),
        "studio_comments",
        ["studio_id", "created_at"],
        unique=False,
        schema="scratch",
    )
    op.create_table(
        "studio_members",
        sa.Column("studio_id", sa.BigInteger(), nullable=False, comment="The studio."),
        sa.Column("user_id", sa.BigInteger(), nullable=False, comment="The member."),
        sa.Column(
            "role",
            sa.Text(),
            nullable=True,
            comment="host, manager or curator; null while known from the member's own list alone.",
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was first stored.",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown to be absent from the site; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.CheckConstraint("role IN ('host', 'manager', 'curator')", name=op.f("studio_members_role_check")),
        sa.ForeignKeyConstraint(["studio_id"], ["scratch.studios.id"], name=op.f("studio_members_studio_id_fkey")),
        sa.ForeignKeyConstraint(["user_id"], ["scratch.users.id"], name=op.f("studio_members_user_id_fkey")),
        sa.PrimaryKeyConstraint("studio_id", "user_id", name=op.f("studio_members_pkey")),
        schema="scratch",
        comment="Who runs a studio. Each member has one role, the highest.",
    )
    op.create_index(op.f("studio_members_user_id_idx"), "studio_members", ["user_id"], unique=False, schema="scratch")
    op.create_table(
        "favorites",
        sa.Column("user_id", sa.BigInteger(), nullable=False, comment="Whose favorite it is."),
        sa.Column("project_id", sa.BigInteger(), nullable=False, comment="The project."),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was first stored.",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown to be absent from the site; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.ForeignKeyConstraint(["project_id"], ["scratch.projects.id"], name=op.f("favorites_project_id_fkey")),
        sa.ForeignKeyConstraint(["user_id"], ["scratch.users.id"], name=op.f("favorites_user_id_fkey")),
        sa.PrimaryKeyConstraint("user_id", "project_id", name=op.f("favorites_pkey")),
        schema="scratch",
        comment="Which projects a user marked as favorite. The site serves no dates.",
    )
    op.create_index(op.f("favorites_project_id_idx"), "favorites", ["project_id"], unique=False, schema="scratch")
    op.create_table(
        "project_comments",
        sa.Column(
            "id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The comment's id; ids of the three kinds collide.",
        ),
        sa.Column("project_id", sa.BigInteger(), nullable=False, comment="The project it stands on."),
        sa.Column(
            "parent_id",
            sa.BigInteger(),
            nullable=True,
            comment="The comment it replies to; null at the top of a thread.",
        ),
        sa.Column("author_id", sa.BigInteger(), nullable=True, comment="Who wrote it."),
        sa.Column(
            "commentee_id",
            sa.BigInteger(),
            nullable=True,
            comment="Whom a reply addresses; may be null. Soft reference to users.",
        ),
        sa.Column(
            "content", sa.Text(), nullable=True, comment="The text as a reader sees it; an emoji stands as :name:."
        ),
        sa.Column(
            "content_served",
            sa.Text(),
            nullable=True,
            comment="The text as served, where it differs from what a reader sees.",
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=True, comment="When it was written, to the second."
        ),
        sa.Column(
            "modified_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the site last touched it; a second after its creation in one of four.",
        ),
        sa.Column("visibility", sa.Text(), nullable=True, comment="Visibility as the site states it."),
        sa.Column(
            "reply_count",
            sa.Integer(),
            nullable=True,
            comment="Replies as the site states them: above 0 if there are any, else not exact.",
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was first stored.",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown to be absent from the site; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.ForeignKeyConstraint(["author_id"], ["scratch.users.id"], name=op.f("project_comments_author_id_fkey")),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["scratch.project_comments.id"], name=op.f("project_comments_parent_id_fkey")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["scratch.projects.id"], name=op.f("project_comments_project_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("project_comments_pkey")),
        schema="scratch",
        comment="Comments on projects, with their replies.",
    )
    op.create_index(
        op.f("project_comments_author_id_idx"), "project_comments", ["author_id"], unique=False, schema="scratch"
    )
    op.create_index(
        op.f("project_comments_parent_id_idx"),
        "project_comments",
        ["parent_id"],
        unique=False,
        schema="scratch",
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        op.f("project_comments_project_id_created_at_idx"),
        "project_comments",
        ["project_id", "created_at"],
        unique=False,
        schema="scratch",
    )
    op.create_table(
        "studio_projects",
        sa.Column("studio_id", sa.BigInteger(), nullable=False, comment="The studio."),
        sa.Column("project_id", sa.BigInteger(), nullable=False, comment="The project."),
        sa.Column(
            "added_by_id",
            sa.BigInteger(),
            nullable=True,
            comment="Who added it; null until the studio's own list was read. Soft reference to users.",
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was first stored.",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown to be absent from the site; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.ForeignKeyConstraint(["project_id"], ["scratch.projects.id"], name=op.f("studio_projects_project_id_fkey")),
        sa.ForeignKeyConstraint(["studio_id"], ["scratch.studios.id"], name=op.f("studio_projects_studio_id_fkey")),
        sa.PrimaryKeyConstraint("studio_id", "project_id", name=op.f("studio_projects_pkey")),
        schema="scratch",
        comment="Which projects are in which studio.",
    )
    op.create_index(
        op.f("studio_projects_project_id_idx"), "studio_projects", ["project_id"], unique=False, schema="scratch"
    )
    op.execute(COMMENTS)
    _grant()


def _grant():
    """The role belongs to the server, not to this database: another one may have made it already."""
    op.execute(f"""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN
                CREATE ROLE {READER} NOLOGIN;
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
    """)
    op.execute(f"COMMENT ON ROLE {READER} IS 'May read the community and its history, and nothing else.'")
    for name in READABLE:
        op.execute(f"GRANT USAGE ON SCHEMA {name} TO {READER}")
        op.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {READER}")
        op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {name} GRANT SELECT ON TABLES TO {READER}")


def downgrade():
    for name in READABLE:
        op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {name} REVOKE SELECT ON TABLES FROM {READER}")
        op.execute(f"REVOKE SELECT ON ALL TABLES IN SCHEMA {name} FROM {READER}")
        op.execute(f"REVOKE USAGE ON SCHEMA {name} FROM {READER}")
    op.execute("DROP VIEW scratch.comments")
    op.drop_index(op.f("studio_projects_project_id_idx"), table_name="studio_projects", schema="scratch")
    op.drop_table("studio_projects", schema="scratch")
    op.drop_index(op.f("project_comments_project_id_created_at_idx"), table_name="project_comments", schema="scratch")
    op.drop_index(
        op.f("project_comments_parent_id_idx"),
        table_name="project_comments",
        schema="scratch",
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.drop_index(op.f("project_comments_author_id_idx"), table_name="project_comments", schema="scratch")
    op.drop_table("project_comments", schema="scratch")
    op.drop_index(op.f("favorites_project_id_idx"), table_name="favorites", schema="scratch")
    op.drop_table("favorites", schema="scratch")
    op.drop_index(op.f("studio_members_user_id_idx"), table_name="studio_members", schema="scratch")
    op.drop_table("studio_members", schema="scratch")
    op.drop_index(op.f("studio_comments_studio_id_created_at_idx"), table_name="studio_comments", schema="scratch")
    op.drop_index(
        op.f("studio_comments_parent_id_idx"),
        table_name="studio_comments",
        schema="scratch",
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.drop_index(op.f("studio_comments_author_id_idx"), table_name="studio_comments", schema="scratch")
    op.drop_table("studio_comments", schema="scratch")
    op.drop_index(op.f("studio_activity_studio_id_created_at_idx"), table_name="studio_activity", schema="scratch")
    op.drop_table("studio_activity", schema="scratch")
    op.drop_index(op.f("projects_parent_id_idx"), table_name="projects", schema="scratch")
    op.drop_index(op.f("projects_author_id_idx"), table_name="projects", schema="scratch")
    op.drop_table("projects", schema="scratch")
    op.drop_index(op.f("profile_comments_user_id_created_at_idx"), table_name="profile_comments", schema="scratch")
    op.drop_index(
        op.f("profile_comments_parent_id_idx"),
        table_name="profile_comments",
        schema="scratch",
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.drop_index(op.f("profile_comments_author_id_idx"), table_name="profile_comments", schema="scratch")
    op.drop_table("profile_comments", schema="scratch")
    op.drop_index(op.f("follows_followee_id_idx"), table_name="follows", schema="scratch")
    op.drop_table("follows", schema="scratch")
    op.drop_index(
        "walks_unspread_idx",
        table_name="walks",
        schema="crawl",
        postgresql_where=sa.text("depth > spread_depth AND visits > 0"),
    )
    op.drop_index(
        op.f("walks_lease_run_idx"),
        table_name="walks",
        schema="crawl",
        postgresql_where=sa.text("lease_run IS NOT NULL"),
    )
    op.drop_index(op.f("walks_due_at_idx"), table_name="walks", schema="crawl")
    op.drop_table("walks", schema="crawl")
    op.drop_table("draws", schema="crawl")
    op.drop_index("users_lower_username_idx", table_name="users", schema="scratch")
    op.drop_table("users", schema="scratch")
    op.drop_table("studios", schema="scratch")
    op.drop_table("news", schema="scratch")
    op.drop_table("user_revisions", schema="history")
    op.drop_table("studio_stats", schema="history")
    op.drop_table("studio_revisions", schema="history")
    op.drop_table("site_counts", schema="history")
    op.drop_table("rankings", schema="history")
    op.drop_table("project_stats", schema="history")
    op.drop_table("project_revisions", schema="history")
    op.drop_table("comment_revisions", schema="history")
    op.drop_table("seeds", schema="crawl")
    op.drop_table("runs", schema="crawl")
    op.drop_table("quarantine", schema="crawl")
    op.drop_table("erasures", schema="crawl")
    op.drop_table("drift", schema="crawl")
    op.drop_table("designs", schema="crawl")
    op.drop_table("budget", schema="crawl")
    # The schema crawl stays: the version of the schema is kept in it.
    op.execute("DROP SCHEMA history")
    op.execute("DROP SCHEMA scratch")
