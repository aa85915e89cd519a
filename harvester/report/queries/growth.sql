-- By quarter: how many of those held joined, were shared, begun or written then, and the last day of one.
WITH counted AS (
    SELECT date_trunc('quarter', day::timestamp) AS quarter, stream, sum(items)::bigint AS number, max(day) AS last_day
    FROM {daily_activity}
    GROUP BY 1, 2
)
SELECT q::date AS quarter,
    coalesce(sum(number) FILTER (WHERE stream = 'users'), 0)::bigint AS users_joined,
    coalesce(sum(number) FILTER (WHERE stream = 'projects'), 0)::bigint AS projects_shared,
    coalesce(sum(number) FILTER (WHERE stream = 'studios'), 0)::bigint AS studios_begun,
    coalesce(sum(number) FILTER (WHERE stream LIKE '%%comments'), 0)::bigint AS comments_written,
    max(last_day) AS last_day
FROM generate_series((SELECT min(quarter) FROM counted), (SELECT max(quarter) FROM counted), interval '3 months') q
LEFT JOIN counted ON counted.quarter = q
GROUP BY q
ORDER BY q
