-- Studios by how long ago something happened in them, seen from when their list of events was last read whole.
WITH last AS (
    SELECT w.certified_from - (
            SELECT max(a.created_at) FROM scratch.studio_activity a WHERE a.studio_id = w.entity_id
        ) AS quiet
    FROM crawl.frontier w JOIN scratch.present_studios s ON s.id = w.entity_id
    WHERE w.stream = 'studio_activity' AND w.certificate ->> 'complete' = 'true'
),
classes (class, within) AS (
    VALUES (1, interval '7 days'), (2, interval '30 days'), (3, interval '90 days'), (4, interval '365 days'),
        (5, interval '100 years')
)
SELECT class, count(quiet) AS studios
FROM classes c
LEFT JOIN (SELECT quiet, (SELECT min(class) FROM classes WHERE quiet <= within) AS class FROM last) dated USING (class)
GROUP BY class
ORDER BY class
