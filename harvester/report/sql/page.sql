-- name: period
-- The time of the page, of the runs in its past the first begin and the last end, and whether one is at work.
SELECT t.at,
    (SELECT min(started_at) FROM crawl.runs
        WHERE coalesce(ended_at, t.at) > t.at - %(past)s::interval AND started_at < t.at),
    (SELECT max(least(coalesce(ended_at, t.at), t.at)) FROM crawl.runs WHERE started_at <= t.at),
    EXISTS (SELECT FROM crawl.runs WHERE started_at <= t.at AND ended_at IS NULL)
FROM (SELECT coalesce(%(at)s, now()) AS at) t
