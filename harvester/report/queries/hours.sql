-- Comments by day of the week (1 is Monday) and hour, in UTC.
SELECT weekday, hour, coalesce(comments, 0)::bigint AS comments
FROM generate_series(1, 7) weekday
CROSS JOIN generate_series(0, 23) hour
LEFT JOIN (
    SELECT extract(isodow FROM created_at AT TIME ZONE 'UTC')::int AS weekday,
        extract(hour FROM created_at AT TIME ZONE 'UTC')::int AS hour, count(*) AS comments
    FROM (
        SELECT created_at FROM scratch.project_comments
        UNION ALL SELECT created_at FROM scratch.studio_comments
        UNION ALL SELECT created_at FROM scratch.profile_comments
    ) written
    WHERE created_at IS NOT NULL
    GROUP BY 1, 2
) counted USING (weekday, hour)
ORDER BY weekday, hour
