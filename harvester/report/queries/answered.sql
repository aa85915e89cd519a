-- Comments that somebody else answered, by how long they waited for the first answer.
WITH classes AS (SELECT generate_series(1, 6) AS class),
waits AS (
    SELECT CASE WHEN wait <= interval '1 minute' THEN 1 WHEN wait <= interval '10 minutes' THEN 2
        WHEN wait <= interval '1 hour' THEN 3 WHEN wait <= interval '1 day' THEN 4
        WHEN wait <= interval '7 days' THEN 5 ELSE 6 END AS class
    FROM (SELECT first_answer_at - started_at AS wait FROM {threads}) t
    WHERE wait IS NOT NULL
)
SELECT c.class, count(w.class) AS comments
FROM classes c LEFT JOIN waits w USING (class)
GROUP BY c.class
ORDER BY c.class
