-- Replies by how long after the comment they answer they came.
WITH classes AS (SELECT generate_series(1, 6) AS class),
waits AS (
    SELECT r.created_at - c.created_at AS wait
    FROM scratch.project_comments r JOIN scratch.project_comments c ON c.id = r.parent_id
    UNION ALL
    SELECT r.created_at - c.created_at
    FROM scratch.studio_comments r JOIN scratch.studio_comments c ON c.id = r.parent_id
    UNION ALL
    SELECT r.created_at - c.created_at
    FROM scratch.profile_comments r JOIN scratch.profile_comments c ON c.id = r.parent_id
)
SELECT class, count(wait) AS replies
FROM classes c
LEFT JOIN (
    SELECT wait, CASE WHEN wait <= interval '1 minute' THEN 1 WHEN wait <= interval '10 minutes' THEN 2
        WHEN wait <= interval '1 hour' THEN 3 WHEN wait <= interval '1 day' THEN 4
        WHEN wait <= interval '7 days' THEN 5 ELSE 6 END AS class
    FROM waits WHERE wait IS NOT NULL
) w USING (class)
GROUP BY class
ORDER BY class
