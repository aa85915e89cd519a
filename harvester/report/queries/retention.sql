-- By the year of joining: the share of users who wrote a comment or shared a project in the first twelve months from
-- the one in which they joined on, in the next twelve, and so on. Years that are not over for the whole cohort are left
-- out, and cohorts of fewer than {fewest} users. In a large warehouse one user in {one_in} is asked about, by id.
WITH calendar AS MATERIALIZED (
    -- Months are counted, so that those between two of them are a difference.
    SELECT month::date AS month, extract(year FROM month)::int AS year, (row_number() OVER (ORDER BY month))::int AS number
    FROM generate_series(timestamp '2005-01-01', now() AT TIME ZONE 'UTC' + interval '1 year', interval '1 month') month
),
members AS (
    SELECT u.id, c.year AS cohort, c.number
    FROM scratch.users u
    JOIN crawl.walks w ON w.stream = 'user_projects' AND w.entity_id = u.id AND w.visits > 0
    JOIN calendar c ON c.month = date_trunc('month', u.joined_at AT TIME ZONE 'UTC')::date
    WHERE mod(u.id, {one_in}) = 0
),
cohorts AS (
    SELECT cohort, count(*) AS users FROM members GROUP BY 1 HAVING count(*) >= {fewest}
),
patterns AS (
    -- A bit for each year in which somebody was active; few patterns stand for many people.
    SELECT cohort, years, count(*) AS users
    FROM (
        SELECT m.id, m.cohort, bit_or(1::bigint << (c.number - m.number) / 12) AS years
        FROM {user_months} a
        JOIN calendar c USING (month)
        JOIN members m ON m.id = a.user_id AND m.number <= c.number
        GROUP BY 1, 2
    ) people
    GROUP BY 1, 2
)
SELECT c.cohort, c.users, year, coalesce(sum(p.users), 0)::bigint AS active,
    round(100.0 * coalesce(sum(p.users), 0) / c.users, 1) AS percent, {one_in} AS one_in
FROM cohorts c
CROSS JOIN generate_series(0, 9) AS year
LEFT JOIN patterns p ON p.cohort = c.cohort AND p.years & (1::bigint << year) > 0
WHERE make_date(c.cohort + year + 2, 1, 1) <= (
    SELECT max(day) FROM {daily_activity} WHERE stream = 'projects' OR stream LIKE '%%comments'
)
GROUP BY c.cohort, c.users, year
ORDER BY c.cohort, year
