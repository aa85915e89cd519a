-- By the year of joining: the share of users who wrote a comment or shared a project in the first twelve months from
-- the one in which they joined on, in the next twelve, and so on. Years that are not over for the whole cohort are left
-- out, and cohorts of fewer than {fewest} users.
WITH months AS MATERIALIZED (SELECT user_id, month FROM {user_months}),
members AS (
    SELECT u.id, date_trunc('month', u.joined_at AT TIME ZONE 'UTC')::date AS joined
    FROM scratch.users u
    JOIN crawl.walks w ON w.stream = 'user_projects' AND w.entity_id = u.id AND w.visits > 0
    WHERE u.joined_at IS NOT NULL
),
cohorts AS (
    SELECT extract(year FROM joined)::int AS cohort, count(*) AS users FROM members GROUP BY 1 HAVING count(*) >= {fewest}
),
active AS (
    SELECT DISTINCT extract(year FROM joined)::int AS cohort, m.id,
        (12 * (extract(year FROM a.month) - extract(year FROM joined))
            + extract(month FROM a.month) - extract(month FROM joined))::int / 12 AS year
    FROM months a JOIN members m ON m.id = a.user_id AND a.month >= m.joined
)
SELECT c.cohort, c.users, year, count(a.id) AS active, round(100.0 * count(a.id) / c.users, 1) AS percent
FROM cohorts c
CROSS JOIN generate_series(0, 9) AS year
LEFT JOIN active a USING (cohort, year)
WHERE make_date(c.cohort + year + 2, 1, 1) <= (SELECT max(month) FROM months)
GROUP BY c.cohort, c.users, year
ORDER BY c.cohort, year
