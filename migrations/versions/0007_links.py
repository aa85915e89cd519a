"""What links a studio or a project is there while these are."""

import re
from importlib.resources import files

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

AS_OF = ("favorites", "studio_projects", "studio_members")
STATEMENT = r"CREATE (?:FUNCTION|VIEW) (\w+\.\w+).*?;(?=\n\n)"


def upgrade():
    views = files("harvester") / "warehouse" / "views"
    text = (views / "as_of.sql").read_text() + (views / "analytics" / "studios.sql").read_text()
    changed = [f"history.{name}_at" for name in AS_OF] + ["analytics.studio_memberships", "analytics.studio_overlap"]
    for statement in re.finditer(STATEMENT, text, re.DOTALL):
        if statement[1] in changed:
            op.execute(statement[0].replace("CREATE ", "CREATE OR REPLACE ", 1))


def downgrade():
    for statement in BEFORE:
        op.execute(statement)


BEFORE = (
    """
CREATE OR REPLACE FUNCTION history.favorites_at(timestamptz) RETURNS TABLE (user_id bigint, project_id bigint, first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.user_id,
    t.project_id,
    t.first_seen_at,
    t.extra
FROM scratch.favorites t
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'favorites' AND a.thing_id = t.user_id AND a.other_id = t.project_id
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
$$;
""",
    """
CREATE OR REPLACE FUNCTION history.studio_projects_at(timestamptz) RETURNS TABLE (studio_id bigint, project_id bigint, added_by_id bigint, first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.studio_id,
    t.project_id,
    t.added_by_id,
    t.first_seen_at,
    t.extra
FROM scratch.studio_projects t
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'studio_projects' AND a.thing_id = t.studio_id AND a.other_id = t.project_id
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
$$;
""",
    """
CREATE OR REPLACE FUNCTION history.studio_members_at(timestamptz) RETURNS TABLE (studio_id bigint, user_id bigint, role text, first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.studio_id,
    t.user_id,
    CASE WHEN v0.valid_to IS NULL THEN t.role ELSE v0.role END,
    t.first_seen_at,
    t.extra
FROM scratch.studio_members t
LEFT JOIN LATERAL (
    SELECT h.* FROM history.member_revisions h
    WHERE h.studio_id = t.studio_id AND h.user_id = t.user_id AND h.valid_to > $1
    ORDER BY h.valid_to LIMIT 1
) v0 ON true
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'studio_members' AND a.thing_id = t.studio_id AND a.other_id = t.user_id
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
$$;
""",
    """
CREATE OR REPLACE VIEW analytics.studio_memberships AS
SELECT
    user_id,
    count(*)::integer AS studios,
    count(*) FILTER (WHERE role = 'host')::integer AS hosts,
    count(*) FILTER (WHERE role = 'manager')::integer AS manages,
    count(*) FILTER (WHERE role = 'curator')::integer AS curates
FROM scratch.studio_members
WHERE gone_at IS NULL
GROUP BY 1;
""",
    """
CREATE OR REPLACE FUNCTION analytics.studio_overlap(studio bigint)
RETURNS TABLE (other_id bigint, shared_members integer, shared_projects integer, member_jaccard numeric)
LANGUAGE sql STABLE AS $$
SELECT
    other_id,
    members::integer,
    projects::integer,
    round(members / nullif(
        (SELECT count(*) FROM scratch.studio_members m WHERE m.studio_id = $1 AND m.gone_at IS NULL)
        + (SELECT count(*) FROM scratch.studio_members m WHERE m.studio_id = other_id AND m.gone_at IS NULL)
        - members, 0)::numeric, 4)
FROM (
    SELECT other_id, count(*) FILTER (WHERE is_member) AS members, count(*) FILTER (WHERE NOT is_member) AS projects
    FROM (
        SELECT b.studio_id AS other_id, true AS is_member
        FROM scratch.studio_members a JOIN scratch.studio_members b ON b.user_id = a.user_id
        WHERE a.studio_id = $1 AND b.studio_id <> $1 AND a.gone_at IS NULL AND b.gone_at IS NULL
        UNION ALL
        SELECT b.studio_id, false
        FROM scratch.studio_projects a JOIN scratch.studio_projects b ON b.project_id = a.project_id
        WHERE a.studio_id = $1 AND b.studio_id <> $1 AND a.gone_at IS NULL AND b.gone_at IS NULL
    ) both_have
    GROUP BY 1
) others
$$;
""",
)
