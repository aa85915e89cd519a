-- name: use
INSERT INTO crawl.announcements AS f (stream, announced_by, missed, expected, share, classed_share)
SELECT v.stream, v.announced_by, 0, 0, v.share, v.share
FROM jsonb_to_recordset(%(lists)s) AS v (stream text, announced_by text, share float8)
ORDER BY v.stream
ON CONFLICT (stream) DO UPDATE SET announced_by = excluded.announced_by, share = excluded.share
WHERE f.announced_by <> excluded.announced_by OR (f.share IS NULL) <> (excluded.share IS NULL)

-- name: fit
WITH seen AS (
    SELECT w.stream, sum(w.missed_items)::float8 AS missed, sum(w.expected_items)::float8 AS expected
    FROM crawl.frontier w {sample} WHERE w.stream = ANY(%(streams)s) AND w.missed_items IS NOT NULL GROUP BY 1
)
UPDATE crawl.announcements f SET missed = s.missed, expected = s.expected, fitted_at = crawl.clock(),
    share = greatest(0, least(%(most)s::float8, 1 - (greatest(s.missed, 0) + %(items)s::float8 * (1 - %(share)s::float8))
        / (s.expected + %(items)s::float8)))
FROM seen s WHERE s.stream = f.stream AND f.share IS NOT NULL

-- name: moved
SELECT stream FROM crawl.announcements
WHERE abs(ln((1 - coalesce(share, 0)) / (1 - coalesce(classed_share, 0)))) > ln(%(factor)s::float8)

-- name: classed
UPDATE crawl.announcements SET classed_share = share WHERE stream = ANY(%(streams)s)

-- name: read
SELECT stream, announced_by, missed, expected, share FROM crawl.announcements WHERE share IS NOT NULL ORDER BY 1
