-- Where the source departs from what the catalogue declares of it.
SELECT stream, field, change, count AS times, first_seen_at, last_seen_at, count(*) OVER () AS changes
FROM crawl.drift
ORDER BY last_seen_at DESC, stream, field, change
LIMIT 25
