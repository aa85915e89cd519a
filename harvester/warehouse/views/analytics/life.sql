-- The life of projects: their counters against their age, as far as they were looked at.
--
-- A counter is known at the times of the visits only. A version holds from the visit that first showed it to the one
-- that first showed another; what happened between two visits lies between their values.

CREATE VIEW analytics.project_life AS
SELECT
    v.project_id,
    v.seen_from,
    v.seen_until,
    extract(epoch FROM v.seen_from - v.born_at)::double precision / 86400 AS age_days,
    v.views,
    v.loves,
    v.favorites,
    v.remixes,
    v.seen_until IS NULL AS is_current
FROM (
    SELECT s.project_id, s.valid_from AS seen_from, s.valid_to AS seen_until, s.views, s.loves, s.favorites, s.remixes,
        coalesce(p.shared_at, p.created_at) AS born_at
    FROM history.project_stats s
    JOIN scratch.projects p ON p.id = s.project_id
    UNION ALL
    SELECT p.id, coalesce(h.superseded_at, p.first_seen_at), NULL, p.views, p.loves, p.favorites, p.remixes,
        coalesce(p.shared_at, p.created_at)
    FROM scratch.projects p
    LEFT JOIN (SELECT project_id, max(valid_to) AS superseded_at FROM history.project_stats GROUP BY 1) h
        ON h.project_id = p.id
) v
WHERE v.views IS NOT NULL OR v.loves IS NOT NULL OR v.favorites IS NOT NULL OR v.remixes IS NOT NULL;

COMMENT ON VIEW analytics.project_life IS
    'The counters of each project as they were seen, against its age; always up to date.';
COMMENT ON COLUMN analytics.project_life.project_id IS 'The project.';
COMMENT ON COLUMN analytics.project_life.seen_from IS 'The visit that first showed these values.';
COMMENT ON COLUMN analytics.project_life.seen_until IS 'The visit that first showed others; null for those in force.';
COMMENT ON COLUMN analytics.project_life.age_days IS
    'Days from its sharing (or creation, for want of that) to seen_from; negative where it was shared again since.';
COMMENT ON COLUMN analytics.project_life.views IS 'Views; null while not served.';
COMMENT ON COLUMN analytics.project_life.loves IS 'Loves; null while not served.';
COMMENT ON COLUMN analytics.project_life.favorites IS 'Favorites; null while not served.';
COMMENT ON COLUMN analytics.project_life.remixes IS 'Remixes; null while not served.';
COMMENT ON COLUMN analytics.project_life.is_current IS 'Whether these are the values in force.';

CREATE VIEW analytics.live_life_curves AS
SELECT
    b.older_than AS older_than_days,
    2 * b.older_than AS younger_than_days,
    count(DISTINCT v.project_id) AS projects,
    count(*) AS versions,
    round(avg(v.views), 2) AS mean_views,
    round(avg(v.loves), 2) AS mean_loves,
    round(avg(v.favorites), 2) AS mean_favorites,
    round(avg((v.views >= 10)::integer), 4) AS share_viewed_ten_times
FROM analytics.project_life v
CROSS JOIN LATERAL (
    SELECT (2 ^ (width_bucket(
        v.age_days, '{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192}'::double precision[]
    ) - 1))::integer AS older_than
) b
WHERE v.age_days >= 1
GROUP BY 1, 2;

COMMENT ON VIEW analytics.live_life_curves IS
    'Defines analytics.life_curves: reads the whole history of counters at each look.';
