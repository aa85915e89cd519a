-- Studios: who runs them, what they hold, and which of them have members and projects in common.
--
-- All of what is there: a studio that is gone is in no figure, and what is gone counts in none.

CREATE VIEW analytics.live_studio_figures AS
SELECT
    studio_id,
    count(*) FILTER (WHERE what = 'project')::integer AS projects,
    count(DISTINCT person_id) FILTER (WHERE what = 'project')::integer AS adders,
    count(*) FILTER (WHERE what = 'member')::integer AS members,
    count(*) FILTER (WHERE role = 'manager')::integer AS managers,
    count(*) FILTER (WHERE role = 'curator')::integer AS curators,
    count(*) FILTER (WHERE what = 'comment')::integer AS comments,
    count(DISTINCT person_id) FILTER (WHERE what = 'comment')::integer AS commenters,
    min(said_at) AS first_comment_at,
    max(said_at) AS last_comment_at
FROM (
    SELECT studio_id, 'project' AS what, added_by_id AS person_id, NULL AS role, NULL::timestamptz AS said_at
    FROM scratch.present_studio_projects
    UNION ALL
    SELECT studio_id, 'member', user_id, role, NULL FROM scratch.present_studio_members
    UNION ALL
    SELECT place_id, 'comment', author_id, NULL, created_at FROM scratch.present_comments WHERE kind = 'studio'
) parts
GROUP BY 1;

COMMENT ON VIEW analytics.live_studio_figures IS
    'Defines analytics.studio_figures, and is always up to date: quick for one studio, slow for all.';

CREATE MATERIALIZED VIEW analytics.studio_figures AS SELECT * FROM analytics.live_studio_figures;

CREATE UNIQUE INDEX ON analytics.studio_figures (studio_id);

COMMENT ON MATERIALIZED VIEW analytics.studio_figures IS
    'What each studio holds that is there and has anything: members, projects and comments, known and not gone.';
COMMENT ON COLUMN analytics.studio_figures.studio_id IS 'The studio. Soft reference to studios.';
COMMENT ON COLUMN analytics.studio_figures.projects IS 'Projects in it.';
COMMENT ON COLUMN analytics.studio_figures.adders IS
    'Different people who added them, as far as the studio''s own list was read.';
COMMENT ON COLUMN analytics.studio_figures.members IS 'Its host, managers and curators.';
COMMENT ON COLUMN analytics.studio_figures.managers IS 'Its managers, without the host.';
COMMENT ON COLUMN analytics.studio_figures.curators IS 'Its curators.';
COMMENT ON COLUMN analytics.studio_figures.comments IS 'Comments and replies in it.';
COMMENT ON COLUMN analytics.studio_figures.commenters IS 'Different people who wrote them.';
COMMENT ON COLUMN analytics.studio_figures.first_comment_at IS 'When the first of them was written.';
COMMENT ON COLUMN analytics.studio_figures.last_comment_at IS 'When the last of them was written.';

CREATE VIEW analytics.studio_memberships AS
SELECT
    user_id,
    count(*)::integer AS studios,
    count(*) FILTER (WHERE role = 'host')::integer AS hosts,
    count(*) FILTER (WHERE role = 'manager')::integer AS manages,
    count(*) FILTER (WHERE role = 'curator')::integer AS curates
FROM scratch.present_studio_members
GROUP BY 1;

COMMENT ON VIEW analytics.studio_memberships IS
    'In how many studios each member of any has a part, and in which role; always up to date.';
COMMENT ON COLUMN analytics.studio_memberships.user_id IS 'The user.';
COMMENT ON COLUMN analytics.studio_memberships.studios IS 'Studios of which the user is host, manager or curator.';
COMMENT ON COLUMN analytics.studio_memberships.hosts IS 'Studios that the user hosts.';
COMMENT ON COLUMN analytics.studio_memberships.manages IS 'Studios that the user manages without being the host.';
COMMENT ON COLUMN analytics.studio_memberships.curates IS 'Studios in which the user is a curator.';

CREATE FUNCTION analytics.studio_overlap(studio bigint)
RETURNS TABLE (other_id bigint, shared_members integer, shared_projects integer, member_jaccard numeric)
LANGUAGE sql STABLE AS $$
SELECT
    other_id,
    members::integer,
    projects::integer,
    round(members / nullif(
        (SELECT count(*) FROM scratch.present_studio_members m WHERE m.studio_id = $1)
        + (SELECT count(*) FROM scratch.present_studio_members m WHERE m.studio_id = other_id)
        - members, 0)::numeric, 4)
FROM (
    SELECT other_id, count(*) FILTER (WHERE is_member) AS members, count(*) FILTER (WHERE NOT is_member) AS projects
    FROM (
        SELECT b.studio_id AS other_id, true AS is_member
        FROM scratch.present_studio_members a JOIN scratch.present_studio_members b ON b.user_id = a.user_id
        WHERE a.studio_id = $1 AND b.studio_id <> $1
        UNION ALL
        SELECT b.studio_id, false
        FROM scratch.present_studio_projects a JOIN scratch.present_studio_projects b ON b.project_id = a.project_id
        WHERE a.studio_id = $1 AND b.studio_id <> $1
    ) both_have
    GROUP BY 1
) others
$$;

COMMENT ON FUNCTION analytics.studio_overlap IS
    'Studios that have members or projects in common with one, always up to date: how many, and the common members as a share of the members of either (Jaccard).';
