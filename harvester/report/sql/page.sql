-- name: period
-- The moment of the page, and of the runs that its past covers: the first begin, and the end of the last.
SELECT t.at,
    (SELECT min(started_at) FROM crawl.runs
        WHERE coalesce(ended_at, t.at) > t.at - %(past)s::interval AND started_at < t.at),
    (SELECT max(coalesce(ended_at, t.at)) FROM crawl.runs WHERE started_at <= t.at)
FROM (SELECT coalesce(%(at)s, now()) AS at) t
