-- By day, over the 53 weeks up to the newest thing held: comments written, projects shared, events in studios.
WITH days AS (
    SELECT day, sum(items)::bigint AS acts FROM {daily_activity} WHERE stream NOT IN ('users', 'studios') GROUP BY day
),
newest AS (SELECT max(day)::timestamp AS day FROM days)
SELECT d::date AS day, coalesce(acts, 0) AS acts
FROM newest, generate_series(date_trunc('week', newest.day) - interval '52 weeks', newest.day, interval '1 day') d
LEFT JOIN days ON days.day = d::date
ORDER BY d
