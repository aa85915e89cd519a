-- By quarter: how many of those held joined, were shared, begun or written then.
WITH counted AS (
    SELECT date_trunc('quarter', at AT TIME ZONE 'UTC') AS quarter, kind, count(*) AS number
    FROM (
        SELECT 1 AS kind, joined_at AS at FROM scratch.users
        UNION ALL SELECT 2, shared_at FROM scratch.projects
        UNION ALL SELECT 3, created_at FROM scratch.studios
        UNION ALL SELECT 4, created_at FROM scratch.project_comments
        UNION ALL SELECT 4, created_at FROM scratch.studio_comments
        UNION ALL SELECT 4, created_at FROM scratch.profile_comments
    ) things
    WHERE at IS NOT NULL
    GROUP BY 1, 2
)
SELECT q::date AS quarter,
    coalesce(sum(number) FILTER (WHERE kind = 1), 0)::bigint AS users_joined,
    coalesce(sum(number) FILTER (WHERE kind = 2), 0)::bigint AS projects_shared,
    coalesce(sum(number) FILTER (WHERE kind = 3), 0)::bigint AS studios_begun,
    coalesce(sum(number) FILTER (WHERE kind = 4), 0)::bigint AS comments_written
FROM generate_series((SELECT min(quarter) FROM counted), (SELECT max(quarter) FROM counted), interval '3 months') q
LEFT JOIN counted ON counted.quarter = q
GROUP BY q
ORDER BY q
