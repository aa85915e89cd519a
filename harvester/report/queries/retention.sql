-- By the year of joining: the share of users who did something in the first, second, ... year after they joined.
-- Years that are not over for the whole cohort are left out, and cohorts of fewer than {fewest} users.
WITH acts AS (
    SELECT author_id AS user_id, created_at AS at FROM scratch.project_comments
    UNION ALL SELECT author_id, created_at FROM scratch.studio_comments
    UNION ALL SELECT author_id, created_at FROM scratch.profile_comments
    UNION ALL SELECT author_id, shared_at FROM scratch.projects
    UNION ALL SELECT actor_id, created_at FROM scratch.studio_activity
),
members AS (
    SELECT u.id, u.joined_at, extract(year FROM u.joined_at AT TIME ZONE 'UTC')::int AS cohort
    FROM scratch.users u
    JOIN crawl.walks w ON w.stream = 'user_projects' AND w.entity_id = u.id AND w.visits > 0
    WHERE u.joined_at IS NOT NULL
),
cohorts AS (SELECT cohort, count(*) AS users FROM members GROUP BY cohort HAVING count(*) >= {fewest}),
active AS (
    SELECT DISTINCT m.cohort, m.id, floor(extract(epoch FROM a.at - m.joined_at) / 31557600)::int AS year
    FROM acts a JOIN members m ON m.id = a.user_id
    WHERE a.at >= m.joined_at
)
SELECT c.cohort, c.users, year, count(a.id) AS active, round(100.0 * count(a.id) / c.users, 1) AS percent
FROM cohorts c
CROSS JOIN generate_series(0, 9) AS year
LEFT JOIN active a USING (cohort, year)
WHERE make_timestamptz(c.cohort + year + 2, 1, 1, 0, 0, 0, 'UTC') <= (SELECT max(at) FROM acts)
GROUP BY c.cohort, c.users, year
ORDER BY c.cohort, year
