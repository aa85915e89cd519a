-- Studios by how long ago something happened in them, seen from the newest event held.
WITH last AS (SELECT studio_id, max(created_at) AS at FROM scratch.studio_activity GROUP BY studio_id),
classes (class, within) AS (
    VALUES (1, interval '7 days'), (2, interval '30 days'), (3, interval '90 days'), (4, interval '365 days'),
        (5, interval '100 years')
)
SELECT class, count(studio_id) AS studios
FROM classes c
LEFT JOIN (
    SELECT studio_id, (SELECT min(class) FROM classes WHERE (SELECT max(at) FROM last) - last.at <= within) AS class
    FROM last
) dated USING (class)
GROUP BY class
ORDER BY class
