"""Samples: strata, clusters, weights, panels, and estimates from them."""

from importlib.resources import files

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "replicate_weights",
    "estimate(bigint, text)",
    "estimate(bigint, bigint[], double precision[])",
    "estimate_from_walks",
    "estimate_from_draws",
    "interval95",
    "t95",
)


def upgrade():
    op.add_column(
        "designs",
        sa.Column(
            "kind",
            sa.Text(),
            server_default=sa.text("'project'"),
            nullable=False,
            comment="What it draws: project, studio or user.",
        ),
        schema="crawl",
    )
    op.add_column(
        "designs",
        sa.Column(
            "parent_id",
            sa.BigInteger(),
            nullable=True,
            comment="For authors and walks: the design from whose hits they come or start.",
        ),
        schema="crawl",
    )
    op.add_column(
        "designs",
        sa.Column(
            "depth",
            sa.SmallInteger(),
            server_default=sa.text("-1"),
            nullable=False,
            comment="Hops from a hit that are walked too; -1: the hit alone, without its lists.",
        ),
        schema="crawl",
    )
    op.add_column(
        "designs",
        sa.Column(
            "completed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the last unit was drawn; null while authors or steps of a walk are to come.",
        ),
        schema="crawl",
    )
    op.create_foreign_key(
        op.f("designs_parent_id_fkey"),
        "designs",
        "designs",
        ["parent_id"],
        ["id"],
        source_schema="crawl",
        referent_schema="crawl",
    )
    op.create_check_constraint(
        op.f("designs_name_check"),
        "designs",
        "name IN ('uniform', 'stratified', 'panel', 'authors', 'walk')",
        schema="crawl",
    )
    op.create_check_constraint(
        op.f("designs_kind_check"), "designs", "kind IN ('project', 'studio', 'user')", schema="crawl"
    )
    op.alter_column(
        "designs",
        "name",
        existing_type=sa.Text(),
        existing_nullable=False,
        existing_comment="The kind of design.",
        comment="The kind of design: uniform, stratified, panel, authors or walk.",
        schema="crawl",
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
    for column in (
        sa.Column(
            "cluster_id",
            sa.BigInteger(),
            nullable=True,
            comment="What was drawn independently: the project, an author's project, the number of the walk.",
        ),
        sa.Column(
            "weight", sa.Double(), nullable=True, comment="What one draw stands for; of a walk up to a common factor."
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
            comment="When the outcome was recorded: with the first visit after the draw.",
        ),
        sa.Column(
            "replaced_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When another took its place in a rotating panel.",
        ),
    ):
        op.add_column("draws", column, schema="crawl")
    for name, old, new, kind in DRAWS:
        op.alter_column(
            "draws",
            name,
            existing_type=kind,
            existing_nullable=name != "position",
            existing_comment=old,
            comment=new,
            schema="crawl",
        )
    op.create_index(
        "draws_open_idx", "draws", ["entity_id"], schema="crawl", postgresql_where=sa.text("outcome IS NULL")
    )
    op.alter_column(
        "walks",
        "depth",
        existing_type=sa.SmallInteger(),
        existing_nullable=False,
        existing_server_default=sa.text("0"),
        existing_comment=DEPTH,
        comment=DEPTH_NOW,
        schema="crawl",
    )
    op.execute((files("harvester") / "warehouse" / "views" / "sampling.sql").read_text())


DEPTH = "Hops from here that are walked too, as seeded."
DEPTH_NOW = "Hops from here that are walked too, as seeded; -1: it alone, without its lists."
DRAWS = (
    (
        "position",
        "The place in the draw, from 0.",
        "The place in the draw, from 0; of an author, that of the project; of a walk, walk after walk.",
        sa.BigInteger(),
    ),
    (
        "inclusion_probability",
        "The first-order inclusion probability.",
        "The first-order inclusion probability; null where it is known up to a factor only (walks).",
        sa.Double(),
    ),
)


def downgrade():
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION analytics.{name}")
    op.execute("DROP VIEW analytics.sample_units, analytics.sample_strata, analytics.samples")
    op.alter_column(
        "walks",
        "depth",
        existing_type=sa.SmallInteger(),
        existing_nullable=False,
        existing_server_default=sa.text("0"),
        existing_comment=DEPTH_NOW,
        comment=DEPTH,
        schema="crawl",
    )
    op.drop_index("draws_open_idx", table_name="draws", schema="crawl", postgresql_where=sa.text("outcome IS NULL"))
    for name, old, new, kind in DRAWS:
        op.alter_column(
            "draws",
            name,
            existing_type=kind,
            existing_nullable=name != "position",
            existing_comment=new,
            comment=old,
            schema="crawl",
        )
    for name in ("replaced_at", "visited_at", "drawn_at", "panel_group", "measure", "weight", "cluster_id"):
        op.drop_column("draws", name, schema="crawl")
    op.drop_table("strata", schema="crawl")
    op.alter_column(
        "designs",
        "name",
        existing_type=sa.Text(),
        existing_nullable=False,
        existing_comment="The kind of design: uniform, stratified, panel, authors or walk.",
        comment="The kind of design.",
        schema="crawl",
    )
    op.drop_constraint(op.f("designs_kind_check"), "designs", schema="crawl", type_="check")
    op.drop_constraint(op.f("designs_name_check"), "designs", schema="crawl", type_="check")
    op.drop_constraint(op.f("designs_parent_id_fkey"), "designs", schema="crawl", type_="foreignkey")
    for name in ("completed_at", "depth", "parent_id", "kind"):
        op.drop_column("designs", name, schema="crawl")
