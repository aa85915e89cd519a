-- By the year of joining: the share of users who wrote a comment or shared a project in the first twelve months from
-- the one in which they joined on, in the next twelve, and so on; of those whose list of projects was read whole after
-- these months. Cohorts of fewer than {fewest} users, or observable ones, are left out. In a large warehouse one user
-- in {one_in} is asked about, by id.
WITH calendar AS MATERIALIZED (
    -- Months are counted, so that those between two of them are a difference.
    SELECT month::date AS month, extract(year FROM month)::int AS year, (row_number() OVER (ORDER BY month))::int AS number
    FROM generate_series(timestamp '2005-01-01', now() AT TIME ZONE 'UTC' + interval '1 year', interval '1 month') month
),
members AS (
    SELECT u.id, c.year AS cohort, c.number,
        -- Years of twelve months that were over when the proved reading began.
        CASE WHEN w.certificate ->> 'complete' = 'true' THEN greatest(0, r.number - c.number) / 12 ELSE 0 END AS whole_years,
        EXISTS (
            SELECT FROM crawl.draws x JOIN crawl.designs d ON d.id = x.design_id
            WHERE x.entity_id = u.id AND d.kind = 'user' AND d.name IN ('uniform', 'stratified', 'panel')
        ) AS is_drawn
    FROM scratch.users u
    JOIN crawl.frontier w ON w.stream = 'user_projects' AND w.entity_id = u.id AND w.visits > 0
    JOIN calendar c ON c.month = date_trunc('month', u.joined_at AT TIME ZONE 'UTC')::date
    LEFT JOIN calendar r ON r.month = date_trunc('month', w.certified_from AT TIME ZONE 'UTC')::date
    WHERE mod(u.id, {one_in}) = 0
),
cohorts AS (
    SELECT cohort, count(*) AS users, count(*) FILTER (WHERE is_drawn) AS drawn
    FROM members GROUP BY 1 HAVING count(*) >= {fewest}
),
spans AS (
    SELECT cohort, whole_years, count(*) AS users FROM members GROUP BY 1, 2
),
patterns AS (
    -- A bit for each year in which somebody was active; few patterns stand for many people.
    SELECT cohort, whole_years, years, count(*) AS users
    FROM (
        SELECT m.id, m.cohort, m.whole_years, bit_or(1::bigint << (c.number - m.number) / 12) AS years
        FROM {user_months} a
        JOIN calendar c USING (month)
        JOIN members m ON m.id = a.user_id AND m.number <= c.number
        GROUP BY 1, 2, 3
    ) people
    GROUP BY 1, 2, 3
)
SELECT c.cohort, c.users, c.drawn, year, o.observable,
    coalesce(p.active, 0)::bigint AS active,
    -- The same people in their first year: cohorts, and people of one, are observable for different spans.
    coalesce(p.active_first, 0)::bigint AS active_first,
    round(100.0 * coalesce(p.active, 0) / o.observable, 1) AS percent, {one_in} AS one_in
FROM cohorts c
CROSS JOIN generate_series(0, 9) AS year
CROSS JOIN LATERAL (
    SELECT sum(s.users)::bigint AS observable FROM spans s WHERE s.cohort = c.cohort AND s.whole_years > year
) o
CROSS JOIN LATERAL (
    SELECT sum(users) FILTER (WHERE years & (1::bigint << year) > 0) AS active,
        sum(users) FILTER (WHERE years & 1 > 0) AS active_first
    FROM patterns WHERE cohort = c.cohort AND whole_years > year
) p
WHERE o.observable >= {fewest}
ORDER BY c.cohort, year
