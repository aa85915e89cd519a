"""The tables. Views, functions, comments on them and grants are re-applied by `harvester db migrate` (`sql_parts`).

While no version is released, this migration is changed in place and stays the only one.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "r001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMAS = {
    "scratch": "The public community as it is now.",
    "history": "What was superseded: earlier texts, settings and counters, each with the time it held.",
    "analytics": "For analysts: views, materialised as of the last refresh where they are heavy to work out.",
    "crawl": "The operator's tables: the frontier with its checkpoints, runs, the budget, the quarantine.",
    "account": "What the operator's own account is shown, if its session was given: in no view, report or dataset.",
    "source": "What projects are made of: their sources, each version once. Empty unless sources are read.",
}


def upgrade():
    for name, comment in SCHEMAS.items():
        op.execute(sa.schema.CreateSchema(name, if_not_exists=True))
        quoted = comment.replace("'", "''")
        op.execute(f"COMMENT ON SCHEMA {name} IS '{quoted}'")
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
        sa.CheckConstraint("length(type) <= 200", name=op.f("activity_type_length_check")),
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
        sa.CheckConstraint("length(type) <= 200", name=op.f("messages_type_length_check")),
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
        "refreshes",
        sa.Column("relation", sa.Text(), nullable=False, comment="The materialised view."),
        sa.Column(
            "refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="It holds what the warehouse held then."
        ),
        sa.Column("row_count", sa.BigInteger(), nullable=False, comment="Rows that it has."),
        sa.PrimaryKeyConstraint("relation", name=op.f("refreshes_pkey")),
        schema="analytics",
        comment="When each materialised view of this schema was last refreshed.",
    )
    op.create_table(
        "rate_limit",
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
        sa.Column(
            "breaker_trips",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Pauses in a row, each longer, because nothing answered any more; 0 while the site answers.",
        ),
        sa.Column(
            "probing_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="One request is on its way to see whether the site answers again; others wait until then.",
        ),
        sa.Column(
            "taken", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="Places handed out so far."
        ),
        sa.Column(
            "rate",
            sa.Double(),
            nullable=False,
            comment="Requests per second over all workers; 0: unlimited. That of the first run, until it is changed.",
        ),
        sa.CheckConstraint("id = 1", name=op.f("rate_limit_one_row_check")),
        sa.CheckConstraint("rate >= 0 AND rate < 'Infinity'", name=op.f("rate_limit_rate_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("rate_limit_pkey")),
        schema="crawl",
        comment="One row: the request budget that all workers share (generic cell rate algorithm).",
    )
    op.create_table(
        "source",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False, comment="Always 1."),
        sa.Column("api_url", sa.Text(), nullable=False, comment="The API that is read."),
        sa.Column("site_url", sa.Text(), nullable=False, comment="The site whose pages are read."),
        sa.Column(
            "sandbox",
            sa.Text(),
            nullable=True,
            comment="The community of the sandbox: its rows are synthetic. Null for any other source.",
        ),
        sa.Column(
            "projects_url",
            sa.Text(),
            nullable=True,
            comment="The host of the sources of projects; null where none were read.",
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="When its first response came.",
        ),
        sa.CheckConstraint("id = 1", name=op.f("source_one_row_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("source_pkey")),
        schema="crawl",
        comment="One row: the source of all rows. A run with another one is refused.",
    )
    op.create_table(
        "rate_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="In their order."),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="When.",
        ),
        sa.Column("rate", sa.Double(), nullable=False, comment="Requests per second from then on; 0: unlimited."),
        sa.Column(
            "previous_rate",
            sa.Double(),
            nullable=True,
            comment="Requests per second until then; null: the warehouse had no rate yet.",
        ),
        sa.Column(
            "changed_by",
            sa.Text(),
            nullable=False,
            comment="The operating system's user and host of the command: user@host.",
        ),
        sa.Column(
            "database_role",
            sa.Text(),
            server_default=sa.text("session_user"),
            nullable=False,
            comment="The role of its session.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("rate_changes_pkey")),
        schema="crawl",
        comment="Each change of the rate of requests (`budget.rate`), the first record of it included.",
    )
    op.create_table(
        "designs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="The design."),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="The kind of design; walk: a random walk. Values: uniform, stratified, panel, authors, walk.",
        ),
        sa.Column(
            "parameters",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Its parameters, frame and seed.",
        ),
        sa.Column(
            "drawn_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="When."
        ),
        sa.Column(
            "kind",
            sa.Text(),
            server_default=sa.text("'project'"),
            nullable=False,
            comment="What it draws. Values: user, project, studio.",
        ),
        sa.Column(
            "parent_id",
            sa.BigInteger(),
            nullable=True,
            comment="For authors and random walks: the design from whose hits they come or start.",
        ),
        sa.Column(
            "depth",
            sa.SmallInteger(),
            server_default=sa.text("-1"),
            nullable=False,
            comment="Hops from a hit that are visited too; -1: the hit alone, without its lists.",
        ),
        sa.Column(
            "completed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the last unit was drawn; null while authors or steps of a random walk are to come.",
        ),
        sa.Column(
            "cancelled_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When its visits were ended; what was visited by then stays recorded.",
        ),
        sa.CheckConstraint("kind IN ('user', 'project', 'studio')", name=op.f("designs_kind_check")),
        sa.CheckConstraint(
            "name IN ('uniform', 'stratified', 'panel', 'authors', 'walk')", name=op.f("designs_name_check")
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["crawl.designs.id"], name=op.f("designs_parent_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("designs_pkey")),
        schema="crawl",
        comment="How a sample was drawn.",
    )
    op.create_table(
        "sql_parts",
        sa.Column("name", sa.Text(), nullable=False, comment="The file, without its ending."),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of its text."),
        sa.Column(
            "views",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="The views that it made, plain and materialised.",
        ),
        sa.Column(
            "functions",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="The functions that it made, with their argument types.",
        ),
        sa.Column(
            "applied_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it was applied.",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("sql_parts_pkey")),
        schema="crawl",
        comment="The SQL files of views and functions, as `harvester db migrate` last applied them.",
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
        sa.CheckConstraint("length(field) <= 200", name=op.f("drift_field_length_check")),
        sa.CheckConstraint("length(change) <= 200", name=op.f("drift_change_length_check")),
        sa.PrimaryKeyConstraint("stream", "field", "change", name=op.f("drift_pkey")),
        schema="crawl",
        comment="Where the source departs from what is declared of it.",
    )
    op.create_table(
        "erasures",
        sa.Column(
            "hash",
            sa.Text(),
            nullable=False,
            comment="HMAC of the kind and the id, or the name, under the key of this installation.",
        ),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="What is hashed. other name: of somebody else, which could be read as a variant of an erased one; unknown: it was repeated by its hash; key: shows with which key the others were made. Values: user, name, other name, project, studio, unknown, key.",
        ),
        sa.Column(
            "erased_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="When."
        ),
        sa.CheckConstraint(
            "kind IN ('user', 'name', 'other name', 'project', 'studio', 'unknown', 'key')",
            name=op.f("erasures_kind_check"),
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("erasures_pkey")),
        schema="crawl",
        comment="People who are left out, with what is theirs, as keyed hashes: nothing here tells who they are.",
    )
    op.create_table(
        "erasure_requests",
        sa.Column(
            "request_id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="The number of the request.",
        ),
        sa.Column(
            "channel",
            sa.Text(),
            nullable=True,
            comment="How it arrived; null once closed. Values: e-mail, letter, forum, message, other.",
        ),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, comment="When it arrived."),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When it must be answered: a month later (GDPR, Article 12(3)), unless set.",
        ),
        sa.Column(
            "opened_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it was recorded.",
        ),
        sa.Column(
            "user_id",
            sa.BigInteger(),
            nullable=True,
            comment="The account; null where no id is known, and from the erasure on.",
        ),
        sa.Column(
            "username",
            sa.Text(),
            nullable=True,
            comment="Its name, by which its profile is read; null from the erasure on.",
        ),
        sa.Column(
            "hash", sa.Text(), nullable=False, comment="HMAC of the account's id, or of the name where no id is known."
        ),
        sa.Column(
            "verified_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was shown that the account is the person's.",
        ),
        sa.Column("verified_by", sa.Text(), nullable=True, comment="By what; null once closed. Values: profile, hand."),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="What showed it, where it was verified by hand; null once closed.",
        ),
        sa.Column(
            "erased_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the person was removed from the tables.",
        ),
        sa.Column(
            "removed",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="Counts of what was removed, by table, and of files; null once closed.",
        ),
        sa.Column(
            "releases",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="Releases in which the person may be, by name; null once closed.",
        ),
        sa.Column(
            "carried_out_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the person was removed from the files and archives as well.",
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True, comment="When it was closed."),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=True,
            comment="How it ended; null before. Values: erased, withdrawn, unproven.",
        ),
        sa.CheckConstraint(
            "channel IN ('e-mail', 'letter', 'forum', 'message', 'other')",
            name=op.f("erasure_requests_channel_check"),
        ),
        sa.CheckConstraint("verified_by IN ('profile', 'hand')", name=op.f("erasure_requests_verified_by_check")),
        sa.CheckConstraint(
            "outcome IN ('erased', 'withdrawn', 'unproven')", name=op.f("erasure_requests_outcome_check")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("erasure_requests_pkey")),
        schema="crawl",
        comment="Requests of people to be erased: they tell who asked until the erasure; a closed one is a keyed hash with dates.",
    )
    op.create_index(
        "erasure_requests_open_key",
        "erasure_requests",
        ["hash"],
        unique=True,
        schema="crawl",
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "releases",
        sa.Column(
            "release_id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="The number of the build."
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="The name of the release."),
        sa.Column(
            "profile", sa.Text(), nullable=False, comment="For whom it was made. Values: open, restricted, internal."
        ),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False, comment="The time whose state it shows."),
        sa.Column(
            "fingerprint",
            sa.Text(),
            nullable=True,
            comment="Keyed hash of all exact figures: an equal release spends nothing again. Null unless open.",
        ),
        sa.Column("epsilon", sa.Double(), nullable=True, comment="Epsilon of its figures. Null unless open."),
        sa.Column("delta", sa.Double(), nullable=True, comment="Delta of its figures. Null unless open."),
        sa.Column(
            "built_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When, just before its folder got its name.",
        ),
        sa.CheckConstraint("profile IN ('open', 'restricted', 'internal')", name=op.f("releases_profile_check")),
        sa.PrimaryKeyConstraint("release_id", name=op.f("releases_pkey")),
        schema="crawl",
        comment="Datasets that were built of this warehouse: whose holders to tell of an erasure, and what privacy they spent.",
    )
    op.create_table(
        "forecasts",
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, comment="When it was made."),
        sa.Column(
            "requests_a_day",
            sa.Double(),
            nullable=False,
            comment="Requests a day in the week before, for which it is made.",
        ),
        sa.Column(
            "predicted",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="The mean delay in days, by stream.",
        ),
        sa.Column(
            "observed",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="By stream the new items that were found in the week, and the days that they waited together.",
        ),
        sa.PrimaryKeyConstraint("made_at", name=op.f("forecasts_pkey")),
        schema="crawl",
        comment="Weekly forecasts of how long new items wait until they are found, and what was observed in the week after.",
    )
    op.create_table(
        "announcements",
        sa.Column("stream", sa.Text(), nullable=False, comment="The list."),
        sa.Column("announced_by", sa.Text(), nullable=False, comment="What announces it."),
        sa.Column("missed", sa.Double(), nullable=False, comment="The sum of missed_items of crawl.frontier."),
        sa.Column("expected", sa.Double(), nullable=False, comment="The sum of expected_items."),
        sa.Column(
            "share",
            sa.Double(),
            nullable=True,
            comment="The share of new items that is taken to be announced; null: what announces them is not crawled.",
        ),
        sa.Column(
            "classed_share",
            sa.Double(),
            nullable=True,
            comment="The share when the lists were last put into classes.",
        ),
        sa.Column(
            "fitted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="When."
        ),
        sa.PrimaryKeyConstraint("stream", name=op.f("announcements_pkey")),
        schema="crawl",
        comment="Lists whose new items another list or object announces, and the share that it was seen to announce.",
    )
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
            "classed_rate", sa.Double(), nullable=False, comment="The mean when its lists were last put into classes."
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
        "quarantine",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="The case."),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it came first; of an item, when the visit began that showed it first.",
        ),
        sa.Column(
            "seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it came last.",
        ),
        sa.Column("stream", sa.Text(), nullable=False, comment="The stream."),
        sa.Column("entity_id", sa.BigInteger(), nullable=False, comment="The entity that was visited."),
        sa.Column("path", sa.Text(), nullable=False, comment="What was asked for, path and query."),
        sa.Column("status", sa.Integer(), nullable=True, comment="The HTTP status."),
        sa.Column("reason", sa.Text(), nullable=False, comment="Why the response or the item could not be used."),
        sa.Column(
            "body",
            sa.LargeBinary(),
            nullable=True,
            comment="The response as it came, the last one; of an item, the item alone.",
        ),
        sa.Column("count", sa.Integer(), server_default=sa.text("1"), nullable=False, comment="How often it came."),
        sa.Column(
            "item_id",
            sa.BigInteger(),
            nullable=True,
            comment="Of one item of a list: what its list knows it by, or a number below 0 made of its bytes;"
            " null: a response.",
        ),
        sa.Column(
            "position",
            sa.Integer(),
            nullable=True,
            comment="Of one item: its position on the page that was asked for, from 0.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("quarantine_pkey")),
        schema="crawl",
        comment="Responses that could not be used, whole, and items of lists that could not.",
    )
    op.create_index(
        op.f("quarantine_stream_entity_id_item_id_idx"),
        "quarantine",
        ["stream", "entity_id", "item_id"],
        unique=True,
        schema="crawl",
        postgresql_where=sa.text("item_id IS NOT NULL"),
    )
    op.create_index(
        "quarantine_stream_entity_id_path_idx",
        "quarantine",
        ["stream", "entity_id", sa.literal_column("hashtextextended(path, 0)")],
        unique=True,
        schema="crawl",
        postgresql_where=sa.text("item_id IS NULL"),
    )
    op.create_table(
        "queries",
        sa.Column(
            "id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="The entity_id of its frontier entry.",
        ),
        sa.Column("stream", sa.Text(), nullable=False, comment="The stream."),
        sa.Column(
            "query",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="The word that is looked for; * is everything.",
        ),
        sa.Column(
            "mode",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="The order that is asked for; empty for the front page, which has none. Values: popular, trending.",
        ),
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
        sa.Column("depth", sa.SmallInteger(), nullable=False, comment="Hops from what is found that are visited too."),
        sa.Column(
            "seeded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it was first put in scope.",
        ),
        sa.CheckConstraint("mode IN ('', 'popular', 'trending')", name=op.f("queries_mode_check")),
        sa.CheckConstraint("length(query) <= 200", name=op.f("queries_query_length_check")),
        sa.CheckConstraint("length(language) <= 200", name=op.f("queries_language_length_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("queries_pkey")),
        sa.UniqueConstraint("stream", "query", "mode", "language", name=op.f("queries_stream_query_mode_language_key")),
        schema="crawl",
        comment="Rankings that the operator put in scope: explore, search, the front page.",
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
            comment="When it ended, or was found to live no more; null while it runs.",
        ),
        sa.Column("command", sa.Text(), nullable=False, comment="What was asked for."),
        sa.Column("version", sa.Text(), nullable=False, comment="The version of the harvester."),
        sa.Column("api_url", sa.Text(), nullable=False, comment="The API that was read."),
        sa.Column("contact", sa.Text(), nullable=True, comment="The contact that was stated to the site."),
        sa.Column("permission", sa.Text(), nullable=True, comment="What entitled the operator, as stated."),
        sa.Column("user_agent", sa.Text(), nullable=True, comment="The User-Agent of its requests."),
        sa.Column(
            "rate",
            sa.Double(),
            nullable=True,
            comment="Requests per second that the warehouse allowed when it began; 0: unlimited.",
        ),
        sa.Column(
            "shares",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="The shares of the request budget, by purpose, that it kept to.",
        ),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=True,
            comment="How it ended; null while it runs. Values: done, degraded, bounded, interrupted, failed, killed.",
        ),
        sa.Column("requests", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="Requests sent."),
        sa.Column(
            "counts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Rows inserted, updated, unchanged and found to be gone, by table.",
        ),
        sa.Column(
            "requests_by_purpose",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Requests by what they were for: see the shares of the budget.",
        ),
        sa.Column(
            "responses",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Responses by stream and status; - where none came.",
        ),
        sa.Column(
            "findings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=True,
            comment="What is wrong with the run, in words; empty where nothing is.",
        ),
        sa.Column(
            "parent_run_id",
            sa.BigInteger(),
            nullable=True,
            comment="The run of the command that started this one as a worker of its own; null elsewhere.",
        ),
        sa.CheckConstraint(
            "outcome IN ('done', 'degraded', 'bounded', 'interrupted', 'failed', 'killed')",
            name=op.f("runs_outcome_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("runs_pkey")),
        schema="crawl",
        comment="One row per run of a crawl.",
    )
    op.create_index(op.f("runs_ended_at_idx"), "runs", ["ended_at"], unique=False, schema="crawl")
    op.create_table(
        "deleted_runs",
        sa.Column("kind", sa.Text(), nullable=False, comment="What is counted. Values: response, row, run."),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="The stream of a response, the table of a row, the outcome of a run.",
        ),
        sa.Column(
            "detail",
            sa.Text(),
            nullable=False,
            comment="The status of a response, what became of a row; empty for a run.",
        ),
        sa.Column("count", sa.BigInteger(), nullable=False, comment="How many."),
        sa.CheckConstraint("kind IN ('response', 'row', 'run')", name=op.f("deleted_runs_kind_check")),
        sa.PrimaryKeyConstraint("kind", "name", "detail", name=op.f("deleted_runs_pkey")),
        schema="crawl",
        comment="Sums over the runs whose records were deleted: what is counted over all runs never falls.",
    )
    op.create_table(
        "replays",
        sa.Column("hash", sa.Text(), nullable=False, comment="A digest of the names and sizes of the archives."),
        sa.Column(
            "transactions",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Transactions of the archives that are stored.",
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="When the replay was complete."),
        sa.PrimaryKeyConstraint("hash", name=op.f("replays_pkey")),
        schema="crawl",
        comment="The replay of archives that filled the warehouse, if one did: how far it has come, stored with the rows.",
    )
    op.create_table(
        "seeds",
        sa.Column("kind", sa.Text(), nullable=False, comment="What it is. Values: user, project, studio."),
        sa.Column("entity_id", sa.BigInteger(), nullable=False, comment="Which one."),
        sa.Column("depth", sa.SmallInteger(), nullable=False, comment="Hops from it that are visited too."),
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
        "seen_items",
        sa.Column("stream", sa.Text(), nullable=False, comment="The stream."),
        sa.Column("entity_id", sa.BigInteger(), nullable=False, comment="Whose list it is."),
        sa.Column("item_id", sa.BigInteger(), nullable=False, comment="The item."),
        sa.PrimaryKeyConstraint("stream", "entity_id", "item_id", name=op.f("seen_items_pkey")),
        schema="crawl",
        comment="What a visit of a whole list has shown so far; empty once it ended.",
    )
    op.create_table(
        "name_changes",
        sa.Column("user_id", sa.BigInteger(), nullable=False, comment="The account."),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=False, comment="When that was noticed."),
        sa.Column(
            "found_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When its present name was met; null while its visits by name wait for that.",
        ),
        sa.Column(
            "retracted",
            sa.Integer(),
            nullable=False,
            comment="Rows taken back that its lists had stored since its name was proven last.",
        ),
        sa.PrimaryKeyConstraint("user_id", "noticed_at", name=op.f("name_changes_pkey")),
        schema="crawl",
        comment="Accounts whose name was seen to be another one, or another account's.",
    )
    op.create_table(
        "missing_items",
        sa.Column("stream", sa.Text(), nullable=False, comment="The stream."),
        sa.Column("entity_id", sa.BigInteger(), nullable=False, comment="Whose list it is."),
        sa.Column("item_id", sa.BigInteger(), nullable=False, comment="The item."),
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), nullable=False, comment="When it was last known to be present."
        ),
        sa.Column("missed_at", sa.DateTime(timezone=True), nullable=False, comment="When that visit ended."),
        sa.PrimaryKeyConstraint("stream", "entity_id", "item_id", name=op.f("missing_items_pkey")),
        schema="crawl",
        comment="What one visit of a whole list did not show: gone if another visit, or asking for it, agrees.",
    )
    op.create_table(
        "frontier",
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
            comment="For replies: the project or studio on whose page the thread stands. Of the own account: its user id.",
        ),
        sa.Column(
            "depth",
            sa.SmallInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Hops from here that are visited too, as seeded; -1: it alone, without its lists.",
        ),
        sa.Column(
            "propagated_depth",
            sa.SmallInteger(),
            server_default=sa.text("-1"),
            nullable=False,
            comment="The depth with which what this visit met was put in scope; -1 before its first visit.",
        ),
        sa.Column(
            "started_depth", sa.SmallInteger(), nullable=True, comment="The depth when the visit under way began."
        ),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When a visit must take place at the latest: at once, for a second look, or to read the list in full again.",
        ),
        sa.Column(
            "signal",
            sa.Integer(),
            nullable=True,
            comment="The counter that last announced something new, such as a comment's reply_count for its replies.",
        ),
        sa.Column(
            "announced_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When another list or object announced something new; null once it was visited after that.",
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
            comment="The token with which pages may be committed; null while the entry is not leased.",
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
            comment="Pages committed since the entry was made: a page that expects another number is refused.",
        ),
        sa.Column(
            "state",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="The paginator between two pages; null while none is under way.",
        ),
        sa.Column(
            "certificate",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="What the last complete visit proved, from where the next one goes on.",
        ),
        sa.Column(
            "certified_from",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the visit behind the certificate began.",
        ),
        sa.Column("certified_at", sa.DateTime(timezone=True), nullable=True, comment="When it ended."),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True, comment="When the visit under way began."),
        sa.Column("visits", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="Visits completed."),
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
        sa.Column(
            "visited_at", sa.DateTime(timezone=True), nullable=True, comment="When the last completed visit began."
        ),
        sa.Column(
            "proven_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Of what is asked for by a user's name: until when what was stored of it rests on a name that was shown to be the account's.",
        ),
        sa.Column(
            "last_full_read_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the last visit began that went through the whole list, or read all that is kept of the object.",
        ),
        sa.Column(
            "item_count", sa.Integer(), nullable=True, comment="Items that the list held then, and new ones since."
        ),
        sa.Column(
            "new_items_decayed",
            sa.REAL(),
            server_default=sa.text("0"),
            nullable=False,
            comment="New items seen since the first visit, earlier ones faded (`harvester.frontier.rates`).",
        ),
        sa.Column(
            "exposure",
            sa.REAL(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Days observed since the first visit, faded alike.",
        ),
        sa.Column(
            "missed_items",
            sa.REAL(),
            nullable=True,
            comment="Of a list that another one announces: new items that visits found which nothing announced, faded, less those that were to be expected since what announces them was read last.",
        ),
        sa.Column(
            "expected_items",
            sa.REAL(),
            nullable=True,
            comment="New items that were to be expected at the same visits until then, by the rate of the list.",
        ),
        sa.Column(
            "recent_items",
            sa.REAL(),
            nullable=True,
            comment="New items of the last days, faded until `visited_at` (`harvester.frontier.activity`).",
        ),
        sa.Column(
            "recent_expected",
            sa.REAL(),
            nullable=True,
            comment="New items that were to be expected in these days by the rate of the list, faded alike.",
        ),
        sa.Column(
            "cost",
            sa.REAL(),
            nullable=True,
            comment="Pages of the last incremental visit, without those that new items fill; null: there was none yet.",
        ),
        sa.Column(
            "stratum",
            sa.SmallInteger(),
            nullable=True,
            comment="Age of the entity and how much goes on there, as classes: see crawl.priors.",
        ),
        sa.Column(
            "queue",
            sa.SmallInteger(),
            nullable=True,
            comment="The spider (times 32) and the class of its rate: first in, first out. Null: not scheduled.",
        ),
        sa.PrimaryKeyConstraint("stream", "entity_id", name=op.f("frontier_pkey")),
        schema="crawl",
        comment="The frontier and the checkpoints: one row for each list or object in scope.",
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "frontier_due_idx", "frontier", ["due_at"], unique=False, schema="crawl", postgresql_where=sa.text("visits > 0")
    )
    op.create_index(
        "frontier_failing_idx",
        "frontier",
        ["stream"],
        unique=False,
        schema="crawl",
        postgresql_where=sa.text("failures > 0"),
    )
    op.create_index(
        "frontier_new_idx", "frontier", ["due_at"], unique=False, schema="crawl", postgresql_where=sa.text("visits = 0")
    )
    op.create_index(
        "frontier_queue_idx",
        "frontier",
        ["queue", "visited_at"],
        unique=False,
        schema="crawl",
        postgresql_where=sa.text("queue IS NOT NULL"),
    )
    op.create_index(
        "frontier_unpropagated_idx",
        "frontier",
        ["stream"],
        unique=False,
        schema="crawl",
        postgresql_where=sa.text("depth > propagated_depth AND visits > 0"),
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
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present before.",
        ),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=False, comment="When it was seen again."),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What the absence meant. Values: not found, deleted or banned, erased under the GDPR, unshared or deleted, closed or deleted, deleted, removed, no longer listed.",
        ),
        sa.CheckConstraint(
            "gone_reason IN ('not found', 'deleted or banned', 'erased under the GDPR', 'unshared or deleted', 'closed or deleted', 'deleted', 'removed', 'no longer listed')",
            name=op.f("absences_gone_reason_check"),
        ),
        sa.PrimaryKeyConstraint("kind", "thing_id", "other_id", "gone_at", name=op.f("absences_pkey")),
        schema="history",
        comment="Absences that ended: things that were gone and came back. One that lasts is in the row itself.",
    )
    op.create_table(
        "comment_revisions",
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="Where the comment stands. Values: project, studio, profile."
        ),
        sa.Column("comment_id", sa.BigInteger(), nullable=False, comment="The id in the table of that kind."),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), nullable=False, comment="When this version was first seen."
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the values that the next version has changed were last seen as they are here: the change was made after that and by valid_to.",
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False, comment="When it was first seen superseded."),
        sa.Column("content", sa.Text(), nullable=True, comment="The text as a reader saw it."),
        sa.Column("content_raw", sa.Text(), nullable=True, comment="The text as served, where it differed."),
        sa.Column("visibility", sa.Text(), nullable=True, comment="Visibility as the site stated it."),
        sa.CheckConstraint("kind IN ('project', 'studio', 'profile')", name=op.f("comment_revisions_kind_check")),
        sa.PrimaryKeyConstraint("kind", "comment_id", "valid_to", name=op.f("comment_revisions_pkey")),
        schema="history",
        comment="Earlier texts and visibilities of comments. The version in force is in scratch.",
    )
    op.create_table(
        "member_revisions",
        sa.Column("studio_id", sa.BigInteger(), nullable=False, comment="The studio."),
        sa.Column("user_id", sa.BigInteger(), nullable=False, comment="The member."),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), nullable=False, comment="When this version was first seen."
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the values that the next version has changed were last seen as they are here: the change was made after that and by valid_to.",
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False, comment="When it was first seen superseded."),
        sa.Column("role", sa.Text(), nullable=True, comment="The role. Values: host, manager, curator."),
        sa.CheckConstraint("role IN ('host', 'manager', 'curator')", name=op.f("member_revisions_role_check")),
        sa.PrimaryKeyConstraint("studio_id", "user_id", "valid_to", name=op.f("member_revisions_pkey")),
        schema="history",
        comment="Earlier roles in studios. The role in force is in scratch.studio_members.",
    )
    op.create_table(
        "project_revisions",
        sa.Column("project_id", sa.BigInteger(), nullable=False, comment="The id in scratch.projects."),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), nullable=False, comment="When this version was first seen."
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the values that the next version has changed were last seen as they are here: the change was made after that and by valid_to.",
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
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the values that the next version has changed were last seen as they are here: the change was made after that and by valid_to.",
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
        sa.Column(
            "ranking",
            sa.Text(),
            nullable=False,
            comment="Which ranking, with its query, mode and language; or a row of the front page.",
        ),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), nullable=False, comment="When the reading of the ranking began."
        ),
        sa.Column("position", sa.Integer(), nullable=False, comment="The position, from 0."),
        sa.Column("kind", sa.Text(), nullable=False, comment="What stood there. Values: project, studio."),
        sa.Column(
            "thing_id",
            sa.BigInteger(),
            nullable=False,
            comment="Its id. Soft reference to projects or studios.",
        ),
        sa.Column("views", sa.Integer(), nullable=True, comment="Views of a project, as the index says."),
        sa.Column("loves", sa.Integer(), nullable=True, comment="Loves of a project, as the index says."),
        sa.Column("favorites", sa.Integer(), nullable=True, comment="Favorites of a project, as the index says."),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=True, comment="When it was created, as the index says."
        ),
        sa.Column(
            "modified_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last saved, as the index says.",
        ),
        sa.Column(
            "shared_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When a project was last shared, as the index says.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Texts and what else stood there, by its served name.",
        ),
        sa.CheckConstraint("kind IN ('project', 'studio')", name=op.f("rankings_kind_check")),
        sa.CheckConstraint("length(ranking) <= 600", name=op.f("rankings_ranking_length_check")),
        sa.PrimaryKeyConstraint("ranking", "seen_at", "position", name=op.f("rankings_pkey")),
        schema="history",
        comment="Ranking entries (explore, search, front page), which hold no list to be complete of, with what the index that answers says of the thing: it may lag by months behind the thing's own page.",
    )
    op.create_index(
        op.f("rankings_kind_thing_id_idx"), "rankings", ["kind", "thing_id"], unique=False, schema="history"
    )
    op.create_table(
        "site_counts",
        sa.Column("name", sa.Text(), nullable=False, comment="What is counted: projects, unshared ones included."),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="When."),
        sa.Column("count", sa.BigInteger(), nullable=False, comment="The number."),
        sa.PrimaryKeyConstraint("name", "seen_at", name=op.f("site_counts_pkey")),
        schema="history",
        comment="What the site states of itself.",
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
        "studio_revisions",
        sa.Column("studio_id", sa.BigInteger(), nullable=False, comment="The id in scratch.studios."),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), nullable=False, comment="When this version was first seen."
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the values that the next version has changed were last seen as they are here: the change was made after that and by valid_to.",
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
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the values that the next version has changed were last seen as they are here: the change was made after that and by valid_to.",
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
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the values that the next version has changed were last seen as they are here: the change was made after that and by valid_to.",
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
        sa.Column(
            "featured_project_id",
            sa.BigInteger(),
            nullable=True,
            comment="The project shown on the profile. Soft reference to projects.",
        ),
        sa.Column("featured_label", sa.Text(), nullable=True, comment="The label over the featured project."),
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
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.CheckConstraint("length(id) <= 200", name=op.f("news_id_length_check")),
        schema="scratch",
        comment="The site's announcements. Ids are used again for other items, so the headline is part of the key.",
    )
    op.create_index(
        "news_id_headline_key",
        "news",
        ["id", sa.literal_column("hashtextextended(headline, 0)")],
        unique=True,
        schema="scratch",
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
            "from_index",
            sa.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Columns whose value is the one of the site's index (explore, search, front page), which may lag by months; empty as soon as better responses have told them all.",
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
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present. Values: closed or deleted.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.CheckConstraint("gone_reason IN ('closed or deleted')", name=op.f("studios_gone_reason_check")),
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
            "from_index",
            sa.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Columns whose value is the one of the site's index (explore, search, front page), which may lag by months; empty as soon as better responses have told them all.",
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
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present. Values: not found, deleted or banned, erased under the GDPR.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.CheckConstraint(
            "gone_reason IN ('not found', 'deleted or banned', 'erased under the GDPR')",
            name=op.f("users_gone_reason_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
        schema="scratch",
        comment="Accounts. Each account that was met has a row; a column is null until a response with authority over it was read.",
    )
    op.create_index(
        "users_lower_username_idx",
        "users",
        [sa.literal_column("lower(username)")],
        unique=False,
        schema="scratch",
        postgresql_using="hash",
    )
    op.create_table(
        "draws",
        sa.Column("design_id", sa.BigInteger(), nullable=False, comment="The design."),
        sa.Column(
            "position",
            sa.BigInteger(),
            nullable=False,
            comment="The position in the draw, from 0; of an author, that of the project; of random walks, one after the other.",
        ),
        sa.Column("entity_id", sa.BigInteger(), nullable=False, comment="What was drawn."),
        sa.Column("stratum", sa.Text(), nullable=True, comment="The stratum it was drawn from."),
        sa.Column(
            "inclusion_probability",
            sa.Double(),
            nullable=True,
            comment="The first-order inclusion probability; null where it is known up to a factor only (random walks).",
        ),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=True,
            comment="A hit, or the kind of miss, of random walks also burn-in and isolated; null until visited. Of a panel: in the current wave. Values: hit, not found, gone, not public, burn-in, isolated.",
        ),
        sa.Column(
            "cluster_id",
            sa.BigInteger(),
            nullable=True,
            comment="What was drawn independently: the project, an author's project, the number of the random walk.",
        ),
        sa.Column(
            "weight",
            sa.Double(),
            nullable=True,
            comment="What one draw stands for; of a random walk up to a common factor.",
        ),
        sa.Column(
            "measure",
            sa.Double(),
            nullable=True,
            comment="Of an author: projects in the frame. Of a step: degree plus restart times projects.",
        ),
        sa.Column(
            "panel_group",
            sa.SmallInteger(),
            nullable=True,
            comment="Of a rotating panel: the part that is replaced together.",
        ),
        sa.Column(
            "drawn_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="When."
        ),
        sa.Column(
            "visited_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the outcome was recorded: with the first visit after the draw or the start of the wave.",
        ),
        sa.Column(
            "replaced_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When another took its place in a rotating panel.",
        ),
        sa.CheckConstraint(
            "outcome IN ('hit', 'not found', 'gone', 'not public', 'burn-in', 'isolated')",
            name=op.f("draws_outcome_check"),
        ),
        sa.ForeignKeyConstraint(["design_id"], ["crawl.designs.id"], name=op.f("draws_design_id_fkey")),
        sa.PrimaryKeyConstraint("design_id", "position", name=op.f("draws_pkey")),
        schema="crawl",
        comment="What a design drew, misses included.",
    )
    op.create_index(
        "draws_open_idx",
        "draws",
        ["entity_id"],
        unique=False,
        schema="crawl",
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "waves",
        sa.Column("design_id", sa.BigInteger(), nullable=False, comment="The panel."),
        sa.Column("wave", sa.Integer(), nullable=False, comment="The wave; 0 is that of the draw."),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it began.",
        ),
        sa.ForeignKeyConstraint(["design_id"], ["crawl.designs.id"], name=op.f("waves_design_id_fkey")),
        sa.PrimaryKeyConstraint("design_id", "wave", name=op.f("waves_pkey")),
        schema="crawl",
        comment="The waves of a panel: each visits every unit that stands in the panel once more.",
    )
    op.create_table(
        "wave_outcomes",
        sa.Column("design_id", sa.BigInteger(), nullable=False, comment="The panel."),
        sa.Column("wave", sa.Integer(), nullable=False, comment="The wave."),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="The position in the draw."),
        sa.Column(
            "visit",
            sa.Text(),
            nullable=False,
            comment="What had become of its visit when the next wave began. Values: visited, failed, waiting.",
        ),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=True,
            comment="A hit, or the kind of miss; null where it was not visited. Values: hit, not found, gone, not public.",
        ),
        sa.Column("visited_at", sa.DateTime(timezone=True), nullable=True, comment="When the outcome was recorded."),
        sa.CheckConstraint("visit IN ('visited', 'failed', 'waiting')", name=op.f("wave_outcomes_visit_check")),
        sa.CheckConstraint(
            "outcome IN ('hit', 'not found', 'gone', 'not public')", name=op.f("wave_outcomes_outcome_check")
        ),
        sa.ForeignKeyConstraint(["design_id"], ["crawl.designs.id"], name=op.f("wave_outcomes_design_id_fkey")),
        sa.PrimaryKeyConstraint("design_id", "wave", "position", name=op.f("wave_outcomes_pkey")),
        schema="crawl",
        comment="What became of the units of a panel in the waves before the current one, whose outcomes are in"
        " crawl.draws.",
    )
    op.create_table(
        "strata",
        sa.Column("design_id", sa.BigInteger(), nullable=False, comment="The design."),
        sa.Column("stratum", sa.Text(), nullable=False, comment="The part."),
        sa.Column(
            "first_id",
            sa.BigInteger(),
            nullable=True,
            comment="Its first id; null for what is taken with certainty, which the others leave out.",
        ),
        sa.Column("last_id", sa.BigInteger(), nullable=True, comment="Its last id."),
        sa.Column("frame_size", sa.BigInteger(), nullable=False, comment="How many ids it has."),
        sa.ForeignKeyConstraint(["design_id"], ["crawl.designs.id"], name=op.f("strata_design_id_fkey")),
        sa.PrimaryKeyConstraint("design_id", "stratum", name=op.f("strata_pkey")),
        schema="crawl",
        comment="The frame of a design in parts: intervals of ids, each sampled on its own.",
    )
    op.create_table(
        "message_counts",
        sa.Column("user_id", sa.BigInteger(), nullable=False, comment="The user."),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="When."),
        sa.Column("count", sa.BigInteger(), nullable=False, comment="The number."),
        sa.ForeignKeyConstraint(["user_id"], ["scratch.users.id"], name=op.f("message_counts_user_id_fkey")),
        sa.PrimaryKeyConstraint("user_id", "seen_at", name=op.f("message_counts_pkey")),
        schema="history",
        comment="How many unread messages a user has, which the site shows to everybody.",
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
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present. Values: no longer listed.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.CheckConstraint("gone_reason IN ('no longer listed')", name=op.f("follows_gone_reason_check")),
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
            "content_raw",
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
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present. Values: deleted, removed.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.CheckConstraint("gone_reason IN ('deleted', 'removed')", name=op.f("profile_comments_gone_reason_check")),
        sa.ForeignKeyConstraint(["author_id"], ["scratch.users.id"], name=op.f("profile_comments_author_id_fkey")),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["scratch.profile_comments.id"],
            name=op.f("profile_comments_parent_id_fkey"),
            initially="DEFERRED",
            deferrable=True,
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
            "from_index",
            sa.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Columns whose value is the one of the site's index (explore, search, front page), which may lag by months; empty as soon as better responses have told them all.",
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
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present. Values: unshared or deleted.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.CheckConstraint("gone_reason IN ('unshared or deleted')", name=op.f("projects_gone_reason_check")),
        sa.ForeignKeyConstraint(["author_id"], ["scratch.users.id"], name=op.f("projects_author_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("projects_pkey")),
        schema="scratch",
        comment="Projects that are or were shared.",
    )
    op.create_index(op.f("projects_author_id_idx"), "projects", ["author_id"], unique=False, schema="scratch")
    op.create_index(op.f("projects_parent_id_idx"), "projects", ["parent_id"], unique=False, schema="scratch")
    op.create_index(
        op.f("projects_root_id_idx"),
        "projects",
        ["root_id"],
        unique=False,
        schema="scratch",
        postgresql_where=sa.text("root_id IS NOT NULL"),
    )
    op.create_table(
        "studio_activity",
        sa.Column("studio_id", sa.BigInteger(), nullable=False, comment="The studio."),
        sa.Column("id", sa.Text(), nullable=False, comment="The event's id as served: type-number."),
        sa.Column(
            "type",
            sa.Text(),
            nullable=True,
            comment="The kind of event: addprojecttostudio, removeprojectstudio, updatestudio, becomecurator,"
            " removecuratorstudio, becomeownerstudio (a manager now), becomehoststudio; others may come.",
        ),
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
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.ForeignKeyConstraint(["studio_id"], ["scratch.studios.id"], name=op.f("studio_activity_studio_id_fkey")),
        sa.CheckConstraint("length(id) <= 200", name=op.f("studio_activity_id_length_check")),
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
            "content_raw",
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
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present. Values: deleted.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.CheckConstraint("gone_reason IN ('deleted')", name=op.f("studio_comments_gone_reason_check")),
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
            comment="The highest role; null while known from the member's own list alone. Values: host, manager, curator.",
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
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present. Values: no longer listed.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.CheckConstraint("gone_reason IN ('no longer listed')", name=op.f("studio_members_gone_reason_check")),
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
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present. Values: no longer listed.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.CheckConstraint("gone_reason IN ('no longer listed')", name=op.f("favorites_gone_reason_check")),
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
            "content_raw",
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
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present. Values: deleted.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.CheckConstraint("gone_reason IN ('deleted')", name=op.f("project_comments_gone_reason_check")),
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
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was last known to be present: it vanished between this and gone_at.",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="What its absence means, as far as the site tells; null while present. Values: no longer listed.",
        ),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Served fields that have no column here, by their served name.",
        ),
        sa.CheckConstraint("gone_reason IN ('no longer listed')", name=op.f("studio_projects_gone_reason_check")),
        sa.ForeignKeyConstraint(["project_id"], ["scratch.projects.id"], name=op.f("studio_projects_project_id_fkey")),
        sa.ForeignKeyConstraint(["studio_id"], ["scratch.studios.id"], name=op.f("studio_projects_studio_id_fkey")),
        sa.PrimaryKeyConstraint("studio_id", "project_id", name=op.f("studio_projects_pkey")),
        schema="scratch",
        comment="Which projects are in which studio.",
    )
    op.create_index(
        op.f("studio_projects_project_id_idx"), "studio_projects", ["project_id"], unique=False, schema="scratch"
    )
    op.create_table(
        "bodies",
        sa.Column("sha256", sa.LargeBinary(), nullable=False, comment="The SHA-256 of the body."),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="Bytes of the body, unpacked."),
        sa.Column(
            "packed",
            sa.LargeBinary(),
            nullable=True,
            comment="The body, packed by gzip; null where a file holds it. It holds texts of the project's author.",
        ),
        sa.CheckConstraint("length(sha256) <= 32", name=op.f("bodies_sha256_length_check")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("bodies_pkey")),
        schema="source",
        comment="Sources of projects as they were served, each once, however many projects have it.",
    )
    op.create_table(
        "folders",
        sa.Column("path", sa.Text(), nullable=False, comment="The folder."),
        sa.Column(
            "first_used_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="When a crawl first used it.",
        ),
        sa.CheckConstraint("length(path) <= 600", name=op.f("folders_path_length_check")),
        sa.PrimaryKeyConstraint("path", name=op.f("folders_pkey")),
        schema="source",
        comment="Folders that hold bodies in files (HARVESTER_SOURCES_DIR), or held some.",
    )
    op.create_table(
        "projects",
        sa.Column("project_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="The project."),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=False,
            comment="What came of it. Values: read, refused, not found, damaged, too large.",
        ),
        sa.Column("reason", sa.Text(), nullable=True, comment="Why it was not read; null if it was."),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="When."),
        sa.CheckConstraint(
            "outcome IN ('read', 'refused', 'not found', 'damaged', 'too large')", name=op.f("projects_outcome_check")
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("projects_pkey")),
        schema="source",
        comment="What came of the last request for the source of each project.",
    )
    op.create_table(
        "versions",
        sa.Column("project_id", sa.BigInteger(), nullable=False, comment="The project."),
        sa.Column(
            "sha256",
            sa.LargeBinary(),
            nullable=False,
            comment="The SHA-256 of its canonical form, in which the order of keys does not count.",
        ),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False, comment="Its body as it was first served."),
        sa.Column(
            "format",
            sa.Text(),
            nullable=False,
            comment="The format in which it is stored, by the version of Scratch. Values: scratch3, scratch2, scratch1.",
        ),
        sa.Column(
            "blocks",
            sa.Integer(),
            nullable=True,
            comment="Blocks of all sprites; null for Scratch 1, of which they are not read.",
        ),
        sa.Column("editor", sa.Text(), nullable=True, comment="The editor that saved it, as the source names it."),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False, comment="When it was first read."),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When it was last read. The version with the latest is the present one.",
        ),
        sa.CheckConstraint("format IN ('scratch3', 'scratch2', 'scratch1')", name=op.f("versions_format_check")),
        sa.CheckConstraint("length(body_sha256) <= 32", name=op.f("versions_body_sha256_length_check")),
        sa.CheckConstraint("length(sha256) <= 32", name=op.f("versions_sha256_length_check")),
        sa.ForeignKeyConstraint(["body_sha256"], ["source.bodies.sha256"], name=op.f("versions_body_sha256_fkey")),
        sa.PrimaryKeyConstraint("project_id", "sha256", name=op.f("versions_pkey")),
        schema="source",
        comment="Each source that a project was seen to have.",
    )
    op.create_index(op.f("versions_body_sha256_idx"), "versions", ["body_sha256"], unique=False, schema="source")
    op.create_table(
        "assets",
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False, comment="The body."),
        sa.Column("kind", sa.Text(), nullable=False, comment="What it is. Values: costume, sound."),
        sa.Column(
            "file",
            sa.Text(),
            nullable=False,
            comment="The MD5 of its bytes, with an extension: the name by which Scratch serves it.",
        ),
        sa.Column("count", sa.Integer(), nullable=False, comment="How often the body has it."),
        sa.CheckConstraint("length(body_sha256) <= 32", name=op.f("assets_body_sha256_length_check")),
        sa.CheckConstraint("length(file) <= 200", name=op.f("assets_file_length_check")),
        sa.CheckConstraint("kind IN ('costume', 'sound')", name=op.f("assets_kind_check")),
        sa.ForeignKeyConstraint(
            ["body_sha256"], ["source.bodies.sha256"], name=op.f("assets_body_sha256_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("body_sha256", "kind", "file", name=op.f("assets_pkey")),
        schema="source",
        comment="Costumes and sounds of each body.",
    )
    op.create_index(op.f("assets_file_idx"), "assets", ["file"], unique=False, schema="source")
    op.create_table(
        "facts",
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False, comment="The body."),
        sa.Column(
            "rules",
            sa.Integer(),
            nullable=False,
            comment="The number of the rules by which the row was made. Rows of earlier rules are made again.",
        ),
        sa.Column("sprites", sa.Integer(), nullable=False, comment="Sprites, without the stage."),
        sa.Column("scripts", sa.Integer(), nullable=False, comment="Stacks of blocks and single blocks."),
        sa.Column(
            "blocks", sa.Integer(), nullable=False, comment="Blocks; the fields and menus of a block are a part of it."
        ),
        sa.Column("unreachable", sa.Integer(), nullable=False, comment="Blocks that no event leads to."),
        sa.Column("costumes", sa.Integer(), nullable=False, comment="Costumes and backdrops."),
        sa.Column("sounds", sa.Integer(), nullable=False, comment="Sounds."),
        sa.Column("variables", sa.Integer(), nullable=False, comment="Variables that are declared."),
        sa.Column(
            "cloud_variables", sa.Integer(), nullable=False, comment="Those of them that are stored in the cloud."
        ),
        sa.Column("lists", sa.Integer(), nullable=False, comment="Lists that are declared."),
        sa.Column(
            "broadcasts", sa.Integer(), nullable=False, comment="Messages that blocks name, whatever their case."
        ),
        sa.Column("clones", sa.Integer(), nullable=False, comment="Blocks that create a clone."),
        sa.Column("custom_blocks", sa.Integer(), nullable=False, comment="Definitions of custom blocks."),
        sa.Column("comments", sa.Integer(), nullable=False, comment="Comments beside the blocks."),
        sa.Column(
            "duplicate_scripts",
            sa.Integer(),
            nullable=False,
            comment="Scripts of five or more blocks that are the same as one before, up to names.",
        ),
        sa.Column(
            "default_names",
            sa.Integer(),
            nullable=False,
            comment="Sprites that have the name that the editor gave them.",
        ),
        sa.Column(
            "odd",
            sa.Integer(),
            nullable=False,
            comment="Parts that are of another shape than Scratch writes, and were left out.",
        ),
        sa.Column(
            "abstraction",
            sa.Integer(),
            nullable=False,
            comment="Score from 0 to 3: abstraction and problem decomposition.",
        ),
        sa.Column("parallelism", sa.Integer(), nullable=False, comment="Score from 0 to 3: parallelism."),
        sa.Column("logic", sa.Integer(), nullable=False, comment="Score from 0 to 3: logical thinking."),
        sa.Column("synchronization", sa.Integer(), nullable=False, comment="Score from 0 to 3: synchronization."),
        sa.Column("flow_control", sa.Integer(), nullable=False, comment="Score from 0 to 3: flow control."),
        sa.Column("user_interactivity", sa.Integer(), nullable=False, comment="Score from 0 to 3: user interactivity."),
        sa.Column(
            "data_representation", sa.Integer(), nullable=False, comment="Score from 0 to 3: data representation."
        ),
        sa.Column(
            "opcodes",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Blocks by opcode of Scratch 3; `unknown` for opcodes that Scratch has not.",
        ),
        sa.Column("categories", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="Blocks by palette."),
        sa.Column(
            "extensions",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="Extensions that are declared or used; `unknown` for those that are not Scratch's own.",
        ),
        sa.CheckConstraint("length(body_sha256) <= 32", name=op.f("facts_body_sha256_length_check")),
        sa.ForeignKeyConstraint(
            ["body_sha256"], ["source.bodies.sha256"], name=op.f("facts_body_sha256_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("body_sha256", name=op.f("facts_pkey")),
        schema="source",
        comment="What each body of Scratch 2 and 3 holds, counted and scored: `docs/sources.md` has the rules.",
    )
    op.create_table(
        "differences",
        sa.Column("project_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="The remix."),
        sa.Column("relation", sa.Text(), nullable=False, comment="What it is compared with. Values: parent, root."),
        sa.Column("sha256", sa.LargeBinary(), nullable=False, comment="The version of the remix."),
        sa.Column("other_id", sa.BigInteger(), nullable=False, comment="What it was made of."),
        sa.Column("other_sha256", sa.LargeBinary(), nullable=False, comment="The version of that."),
        sa.Column(
            "rules",
            sa.Integer(),
            nullable=False,
            comment="The number of the rules by which the row was made. Rows of earlier rules are made again.",
        ),
        sa.Column(
            "scripts_kept",
            sa.Integer(),
            nullable=False,
            comment="Scripts that are the same, up to names, as often as both have them.",
        ),
        sa.Column(
            "scripts_added", sa.Integer(), nullable=False, comment="Scripts that the remix has and the other has not."
        ),
        sa.Column(
            "scripts_removed", sa.Integer(), nullable=False, comment="Scripts that the other has and the remix has not."
        ),
        sa.Column("assets_kept", sa.Integer(), nullable=False, comment="Costumes and sounds that both have."),
        sa.Column(
            "assets_added", sa.Integer(), nullable=False, comment="Costumes and sounds that the remix alone has."
        ),
        sa.Column(
            "assets_removed", sa.Integer(), nullable=False, comment="Costumes and sounds that the other alone has."
        ),
        sa.Column(
            "untouched",
            sa.Boolean(),
            nullable=False,
            comment="Nothing differs: no script, name, value, comment or asset.",
        ),
        sa.CheckConstraint("length(sha256) <= 32", name=op.f("differences_sha256_length_check")),
        sa.CheckConstraint("length(other_sha256) <= 32", name=op.f("differences_other_sha256_length_check")),
        sa.CheckConstraint("relation IN ('parent', 'root')", name=op.f("differences_relation_check")),
        sa.ForeignKeyConstraint(
            ["other_id"], ["source.projects.project_id"], name=op.f("differences_other_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["source.projects.project_id"], name=op.f("differences_project_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "relation", name=op.f("differences_pkey")),
        schema="source",
        comment=(
            "What the present version of each remix keeps, adds and lacks of the present version of its parent and root."
            " Both are as they were last read: what either changed after the remix was made counts too, and no earlier"
            " version is compared."
        ),
    )
    op.create_index(op.f("differences_other_id_idx"), "differences", ["other_id"], unique=False, schema="source")


def downgrade():
    op.drop_index(op.f("differences_other_id_idx"), table_name="differences", schema="source")
    op.drop_table("differences", schema="source")
    op.drop_table("facts", schema="source")
    op.drop_index(op.f("assets_file_idx"), table_name="assets", schema="source")
    op.drop_table("assets", schema="source")
    op.drop_index(op.f("versions_body_sha256_idx"), table_name="versions", schema="source")
    op.drop_table("versions", schema="source")
    op.drop_table("projects", schema="source")
    op.drop_table("folders", schema="source")
    op.drop_table("bodies", schema="source")
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
    op.drop_index(
        op.f("projects_root_id_idx"),
        table_name="projects",
        schema="scratch",
        postgresql_where=sa.text("root_id IS NOT NULL"),
    )
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
    op.drop_table("message_counts", schema="history")
    op.drop_table("strata", schema="crawl")
    op.drop_table("wave_outcomes", schema="crawl")
    op.drop_table("waves", schema="crawl")
    op.drop_index("draws_open_idx", table_name="draws", schema="crawl", postgresql_where=sa.text("outcome IS NULL"))
    op.drop_table("draws", schema="crawl")
    op.drop_index("users_lower_username_idx", table_name="users", schema="scratch", postgresql_using="hash")
    op.drop_table("users", schema="scratch")
    op.drop_table("studios", schema="scratch")
    op.drop_index("news_id_headline_key", table_name="news", schema="scratch")
    op.drop_table("news", schema="scratch")
    op.drop_table("user_revisions", schema="history")
    op.drop_table("studio_stats", schema="history")
    op.drop_table("studio_revisions", schema="history")
    op.drop_table("site_health", schema="history")
    op.drop_table("site_counts", schema="history")
    op.drop_index(op.f("rankings_kind_thing_id_idx"), table_name="rankings", schema="history")
    op.drop_table("rankings", schema="history")
    op.drop_table("project_stats", schema="history")
    op.drop_table("project_revisions", schema="history")
    op.drop_table("member_revisions", schema="history")
    op.drop_table("comment_revisions", schema="history")
    op.drop_table("absences", schema="history")
    op.drop_index(
        "frontier_unpropagated_idx",
        table_name="frontier",
        schema="crawl",
        postgresql_where=sa.text("depth > propagated_depth AND visits > 0"),
    )
    op.drop_index(
        "frontier_queue_idx", table_name="frontier", schema="crawl", postgresql_where=sa.text("queue IS NOT NULL")
    )
    op.drop_index("frontier_new_idx", table_name="frontier", schema="crawl", postgresql_where=sa.text("visits = 0"))
    op.drop_index(
        "frontier_failing_idx", table_name="frontier", schema="crawl", postgresql_where=sa.text("failures > 0")
    )
    op.drop_index("frontier_due_idx", table_name="frontier", schema="crawl", postgresql_where=sa.text("visits > 0"))
    op.drop_table("frontier", schema="crawl")
    op.drop_table("missing_items", schema="crawl")
    op.drop_table("name_changes", schema="crawl")
    op.drop_table("seen_items", schema="crawl")
    op.drop_table("seeds", schema="crawl")
    op.drop_table("replays", schema="crawl")
    op.drop_table("deleted_runs", schema="crawl")
    op.drop_index(op.f("runs_ended_at_idx"), table_name="runs", schema="crawl")
    op.drop_table("runs", schema="crawl")
    op.drop_table("reply_decay", schema="crawl")
    op.drop_table("queries", schema="crawl")
    op.drop_index("quarantine_stream_entity_id_path_idx", table_name="quarantine", schema="crawl")
    op.drop_index(op.f("quarantine_stream_entity_id_item_id_idx"), table_name="quarantine", schema="crawl")
    op.drop_table("quarantine", schema="crawl")
    op.drop_table("priors", schema="crawl")
    op.drop_table("announcements", schema="crawl")
    op.drop_table("forecasts", schema="crawl")
    op.drop_table("releases", schema="crawl")
    op.drop_index(
        "erasure_requests_open_key",
        table_name="erasure_requests",
        schema="crawl",
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.drop_table("erasure_requests", schema="crawl")
    op.drop_table("erasures", schema="crawl")
    op.drop_table("drift", schema="crawl")
    op.drop_table("sql_parts", schema="crawl")
    op.drop_table("designs", schema="crawl")
    op.drop_table("rate_changes", schema="crawl")
    op.drop_table("source", schema="crawl")
    op.drop_table("rate_limit", schema="crawl")
    op.drop_table("refreshes", schema="analytics")
    op.drop_table("states", schema="account")
    op.drop_table("projects", schema="account")
    op.drop_table("messages", schema="account")
    op.drop_table("alerts", schema="account")
    op.drop_table("activity", schema="account")
    # The schema crawl stays: the version of the schema is kept in it.
    for name in ("source", "account", "analytics", "history", "scratch"):
        op.execute(f"DROP SCHEMA {name}")
