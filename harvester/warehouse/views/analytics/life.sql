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
    v.seen_until IS NULL AS is_current,
    v.known_until,
    extract(epoch FROM v.known_until - v.born_at)::double precision / 86400 AS known_age_days
FROM (
    SELECT s.project_id, s.valid_from AS seen_from, s.valid_to AS seen_until, s.valid_to AS known_until,
        s.views, s.loves, s.favorites, s.remixes, coalesce(p.shared_at, p.created_at) AS born_at
    FROM history.project_stats s
    JOIN scratch.projects p ON p.id = s.project_id
    UNION ALL
    SELECT p.id, coalesce(h.superseded_at, p.first_seen_at), NULL,
        -- A visit that found nothing confirms nothing.
        greatest(coalesce(h.superseded_at, p.first_seen_at), least(w.visited_at, p.last_seen_at)),
        p.views, p.loves, p.favorites, p.remixes, coalesce(p.shared_at, p.created_at)
    FROM scratch.projects p
    LEFT JOIN crawl.frontier w ON w.stream = 'project' AND w.entity_id = p.id
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
COMMENT ON COLUMN analytics.project_life.known_until IS
    'Until when they are known to have held: of earlier values the visit that showed others, of those in force the last visit that found the project.';
COMMENT ON COLUMN analytics.project_life.known_age_days IS 'Its age then.';

CREATE VIEW analytics.live_life_curves AS
SELECT
    s.older_than AS older_than_days,
    2 * s.older_than AS younger_than_days,
    count(*) AS projects,
    round(avg(s.views), 2) AS mean_views,
    round(avg(s.loves), 2) AS mean_loves,
    round(avg(s.favorites), 2) AS mean_favorites,
    round(avg((s.views >= 10)::integer), 4) AS share_viewed_ten_times
FROM (
    -- Of each project the first version that held within the class.
    SELECT DISTINCT ON (v.project_id, b.older_than) v.project_id, b.older_than, v.views, v.loves, v.favorites
    FROM analytics.project_life v
    CROSS JOIN LATERAL (
        SELECT (2 ^ n)::integer AS older_than FROM generate_series(0, 13) AS n
        WHERE v.age_days < 2 * 2 ^ n AND CASE WHEN v.is_current THEN v.known_age_days >= 2 ^ n ELSE v.known_age_days > 2 ^ n END
    ) b
    ORDER BY v.project_id, b.older_than, v.seen_from
) s
GROUP BY 1, 2;

COMMENT ON VIEW analytics.live_life_curves IS
    'Defines analytics.life_curves: reads the whole history of counters at each look.';

CREATE MATERIALIZED VIEW analytics.life_curves AS SELECT * FROM analytics.live_life_curves;

CREATE UNIQUE INDEX ON analytics.life_curves (older_than_days);

COMMENT ON MATERIALIZED VIEW analytics.life_curves IS
    'Counters of projects by age, in classes that double. Each project counts once in each class in which its counters are known: with those at the beginning of the class, or at its first visit within it. A version counts as long as a later visit confirms it or shows another. Views are so uneven that a mean follows the few.';
COMMENT ON COLUMN analytics.life_curves.older_than_days IS
    'The age from which the class begins; the first day is left out.';
COMMENT ON COLUMN analytics.life_curves.younger_than_days IS 'The age at which it ends.';
COMMENT ON COLUMN analytics.life_curves.projects IS 'Projects whose counters at such an age are known.';
COMMENT ON COLUMN analytics.life_curves.mean_views IS 'Mean of the views.';
COMMENT ON COLUMN analytics.life_curves.mean_loves IS 'Mean of the loves.';
COMMENT ON COLUMN analytics.life_curves.mean_favorites IS 'Mean of the favorites.';
COMMENT ON COLUMN analytics.life_curves.share_viewed_ten_times IS 'Share of the projects with ten views or more.';
