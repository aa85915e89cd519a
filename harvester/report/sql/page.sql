-- name: period
-- The time of the page, and of the runs in its past: the first begin and the last end.
SELECT t.at,
    (SELECT min(started_at) FROM crawl.runs
        WHERE coalesce(ended_at, t.at) > t.at - %(past)s::interval AND started_at < t.at),
    (SELECT max(coalesce(ended_at, t.at)) FROM crawl.runs WHERE started_at <= t.at)
FROM (SELECT coalesce(%(at)s, now()) AS at) t
