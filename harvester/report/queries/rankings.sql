-- By ranking: how many of the places of a reading were held by something that stood there at the reading before.
-- Rankings that differ in the word that was looked for alone are taken together: the word is not shown.
WITH entries AS (
    SELECT DISTINCT ranking, seen_at, kind, thing_id,
        dense_rank() OVER (PARTITION BY ranking ORDER BY seen_at) AS reading
    FROM history.rankings
    WHERE seen_at > %(at)s - interval '90 days' AND seen_at <= %(at)s
)
SELECT CASE WHEN s.ranking LIKE '%%?%%'
        THEN split_part(s.ranking, '?', 1) || ', ' || substring(s.ranking FROM '[&]mode=([a-z]+)') ELSE s.ranking END AS place,
    count(DISTINCT s.ranking) AS rankings, count(DISTINCT (s.ranking, s.reading)) AS readings,
    count(DISTINCT (s.kind, s.thing_id)) AS different_things,
    count(*) FILTER (WHERE s.reading > 1) AS places_read_again,
    count(b.thing_id) AS kept
FROM entries s
LEFT JOIN entries b
    ON b.ranking = s.ranking AND b.reading = s.reading - 1 AND b.kind = s.kind AND b.thing_id = s.thing_id
GROUP BY place
ORDER BY place
