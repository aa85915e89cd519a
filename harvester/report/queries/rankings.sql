-- By ranking: how many of the places of a reading were held by something that stood there at the reading before.
-- Rankings that differ in the word that was looked for alone are taken together: the word is not shown.
WITH readings AS MATERIALIZED (
    SELECT CASE WHEN ranking LIKE '%%?%%'
            THEN split_part(ranking, '?', 1) || ', ' || substring(ranking FROM '[&]mode=([a-z]+)') ELSE ranking END AS place,
        dense_rank() OVER (ORDER BY ranking) AS number, ranking, seen_at,
        row_number() OVER (PARTITION BY ranking ORDER BY seen_at) AS reading
    FROM (
        SELECT DISTINCT ranking, seen_at FROM history.rankings
        WHERE seen_at > %(at)s - interval '90 days' AND seen_at <= %(at)s
    ) r
),
entries AS (
    -- Sorted by the number of the ranking: its text is long, and there are a few hundred entries to each reading.
    SELECT r.number, e.kind, e.thing_id, r.reading,
        lag(r.reading) OVER (PARTITION BY r.number, e.kind, e.thing_id ORDER BY r.reading) AS reading_before
    FROM readings r
    JOIN history.rankings e ON e.ranking = r.ranking AND e.seen_at = r.seen_at
    GROUP BY r.number, e.kind, e.thing_id, r.reading
),
things AS (
    SELECT number, kind, thing_id,
        count(*) FILTER (WHERE reading > 1) AS read_again,
        count(*) FILTER (WHERE reading_before = reading - 1) AS kept
    FROM entries
    GROUP BY number, kind, thing_id
),
places AS (
    SELECT place, number, count(*) AS readings FROM readings GROUP BY place, number
)
SELECT p.place, count(DISTINCT p.number) AS rankings,
    (SELECT sum(q.readings) FROM places q WHERE q.place IS NOT DISTINCT FROM p.place)::bigint AS readings,
    count(DISTINCT (t.kind, t.thing_id)) AS different_things,
    sum(t.read_again)::bigint AS places_read_again,
    sum(t.kept)::bigint AS kept
FROM places p
JOIN things t USING (number)
GROUP BY p.place
ORDER BY p.place
