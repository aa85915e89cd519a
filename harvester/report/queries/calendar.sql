-- By day, over the 53 weeks up to the newest thing held: comments written, projects shared, events in studios.
WITH days AS (
    SELECT (at AT TIME ZONE 'UTC')::date AS day, count(*) AS acts
    FROM (
        SELECT created_at AS at FROM scratch.project_comments
        UNION ALL SELECT created_at FROM scratch.studio_comments
        UNION ALL SELECT created_at FROM scratch.profile_comments
        UNION ALL SELECT shared_at FROM scratch.projects
        UNION ALL SELECT created_at FROM scratch.studio_activity
    ) things
    WHERE at IS NOT NULL
    GROUP BY 1
),
newest AS (SELECT max(day) AS day FROM days)
SELECT d::date AS day, coalesce(acts, 0)::bigint AS acts
FROM newest, generate_series(date_trunc('week', newest.day::timestamp) - interval '52 weeks', newest.day::timestamp, interval '1 day') d
LEFT JOIN days ON days.day = d::date
ORDER BY d
