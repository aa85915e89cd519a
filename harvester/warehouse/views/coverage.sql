-- What is known of each list and object in scope: whether a gap comes from missing activity or from missing collection.
CREATE VIEW analytics.coverage AS
SELECT
    w.stream,
    w.entity_id,
    CASE
        WHEN w.visits = 0 THEN 'not read yet'
        WHEN w.gone_at IS NOT NULL THEN 'gone'
        WHEN w.certificate IS NULL THEN 'read'
        WHEN (w.certificate ->> 'complete')::boolean THEN 'certified'
        ELSE 'unproved'
    END AS state,
    w.certificate ->> 'proven_by' AS proven_by,
    w.certified_from,
    w.certified_at,
    w.last_full_read_at,
    w.item_count,
    CASE WHEN t.timed THEN to_timestamp((w.certificate ->> 'key')::bigint) END AS newest_at,
    -- A visit under way has a hole between what it read so far and what was certified before.
    CASE WHEN t.timed AND w.state ? 'key' THEN to_timestamp((w.state ->> 'key')::bigint) END AS hole_before,
    CASE WHEN t.timed AND w.state ? 'key' THEN to_timestamp((w.certificate ->> 'key')::bigint) END AS hole_after,
    (w.certificate ->> 'capped')::boolean IS TRUE AS capped,
    (w.certificate ->> 'confirmed')::boolean IS TRUE AS confirmed,
    -- Items that stand in the list and could not be used; `harvester quarantine list` shows them.
    coalesce(h.holes, 0) AS holes,
    w.visited_at,
    w.due_at
FROM crawl.frontier w
LEFT JOIN (
    SELECT stream, entity_id, count(*)::int AS holes FROM crawl.quarantine WHERE item_id IS NOT NULL GROUP BY 1, 2
) h ON h.stream = w.stream AND h.entity_id = w.entity_id
CROSS JOIN LATERAL (
    SELECT w.stream IN (
        'project_comments', 'studio_comments', 'profile_comments', 'studio_activity', 'user_projects'
    ) AS timed
) t;

COMMENT ON VIEW analytics.coverage IS
    'Per list or object: what is certified, on which proven_by and when. All items of the list at certified_from are held, but for the holes.';

CREATE FUNCTION analytics.explain_gap(stream text, entity_id bigint, after timestamptz, before timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
SELECT CASE
    WHEN c.state IS NULL THEN 'not_collected: not in scope'
    WHEN c.state = 'not read yet' THEN 'not_collected: not read yet'
    WHEN c.state = 'gone' THEN 'no_activity: the page itself is gone'
    WHEN c.state = 'unproved' THEN 'unknown: no visit could be certified'
    WHEN c.capped THEN 'unknown: the site serves no more than the newest pages'
    WHEN c.hole_after < $4 AND c.hole_before > $3 THEN 'not_collected: a visit is under way'
    WHEN c.certified_from >= $4 THEN 'no_activity'
    WHEN c.certified_from > $3 THEN 'no_activity until the last visit, not_collected after it'
    ELSE 'not_collected: not read since'
END
FROM (SELECT $1 AS stream, $2 AS entity_id) asked
LEFT JOIN analytics.coverage c ON c.stream = asked.stream AND c.entity_id = asked.entity_id
$$;

COMMENT ON FUNCTION analytics.explain_gap IS
    'Reason why a list has no rows between two times: no_activity (nothing was there), not_collected (it was not read) or unknown.';

-- Ids count up over the whole site: the share of them that is held says how much of a month the warehouse can have.
CREATE VIEW analytics.id_gaps AS
SELECT kind, date_trunc('month', created_at AT TIME ZONE 'UTC')::date AS month, count(*) AS held, min(id) AS lowest_id, max(id) AS highest_id,
    max(id) - min(id) + 1 - count(*) AS ids_not_held,
    round(count(*)::numeric / (max(id) - min(id) + 1), 6) AS share_held
FROM (
    SELECT 'project' AS kind, id, created_at FROM scratch.projects
    UNION ALL SELECT 'studio', id, created_at FROM scratch.studios
    UNION ALL SELECT 'user', id, joined_at FROM scratch.users
    UNION ALL SELECT 'project comment', id, created_at FROM scratch.project_comments
    UNION ALL SELECT 'studio comment', id, created_at FROM scratch.studio_comments
    UNION ALL SELECT 'profile comment', id, created_at FROM scratch.profile_comments
) things
WHERE created_at IS NOT NULL
GROUP BY 1, 2;

COMMENT ON VIEW analytics.id_gaps IS
    'Per kind and month: the ids from the lowest to the highest held, and how many of them are not.';

COMMENT ON COLUMN analytics.coverage.stream IS 'The stream.';
COMMENT ON COLUMN analytics.coverage.entity_id IS 'The user, project, studio or comment that is visited.';
COMMENT ON COLUMN analytics.coverage.state IS
    'not read yet, gone, read (what has no list), certified (proved to be read whole), or unproved.';
COMMENT ON COLUMN analytics.coverage.proven_by IS 'What the proof rests on: key, identity, agreement of two reads, or none.';
COMMENT ON COLUMN analytics.coverage.certified_from IS 'When the proved visit began: all that stood in the list then is held.';
COMMENT ON COLUMN analytics.coverage.certified_at IS 'When it ended.';
COMMENT ON COLUMN analytics.coverage.last_full_read_at IS 'When the last visit of the whole list began.';
COMMENT ON COLUMN analytics.coverage.item_count IS 'Items that the list held then, and new ones since.';
COMMENT ON COLUMN analytics.coverage.newest_at IS 'The time of the newest item under the proof, for lists in order of time.';
COMMENT ON COLUMN analytics.coverage.hole_before IS 'A visit is under way: what is older than this is not read yet,';
COMMENT ON COLUMN analytics.coverage.hole_after IS 'down to this.';
COMMENT ON COLUMN analytics.coverage.capped IS 'Whether the site serves no more than the newest pages.';
COMMENT ON COLUMN analytics.coverage.confirmed IS
    'Whether a later visit saw the list end at the same place; else the end rests on a single read.';
COMMENT ON COLUMN analytics.coverage.holes IS 'Items of the list that could not be used and are set aside.';
COMMENT ON COLUMN analytics.coverage.visited_at IS 'When the last completed visit began.';
COMMENT ON COLUMN analytics.coverage.due_at IS 'When the next visit must take place at the latest.';
COMMENT ON COLUMN analytics.id_gaps.kind IS 'project, studio, user, project comment, studio comment or profile comment.';
COMMENT ON COLUMN analytics.id_gaps.month IS 'The first day of the month in which they were created, in UTC.';
COMMENT ON COLUMN analytics.id_gaps.held IS 'Rows that are held.';
COMMENT ON COLUMN analytics.id_gaps.lowest_id IS 'The lowest id of them.';
COMMENT ON COLUMN analytics.id_gaps.highest_id IS 'The highest.';
COMMENT ON COLUMN analytics.id_gaps.ids_not_held IS 'Ids in between that are not held.';
COMMENT ON COLUMN analytics.id_gaps.share_held IS 'Rows held as a share of the ids from the lowest to the highest.';
