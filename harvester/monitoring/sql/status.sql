-- name: streams
SELECT w.stream, count(*) AS in_scope, count(*) FILTER (WHERE w.visits > 0) AS visited,
    count(*) FILTER (WHERE w.due_at <= t.now AND (w.lease_token IS NULL OR w.lease_until < t.now)) AS due,
    count(*) FILTER (WHERE x.late AND w.due_at > t.now) AS pays,
    count(*) FILTER (WHERE w.failures > 0) AS failing, count(w.gone_at) AS gone,
    count(*) FILTER (WHERE w.certificate ->> 'proven_by' = 'none') AS uncertified,
    count(*) FILTER (WHERE w.certificate @> '{{"complete": true, "capped": false, "confirmed": false}}')
        AS ends_seen_once,
    1 - avg((w.due_at <= t.now OR coalesce(x.late, false))::int)::float8 AS on_time,
    -- What was announced is not unseen: it was visited for, or is due.
    sum(crawl.arrival_rate(w.new_items_decayed, w.exposure, k.shape, k.rate) * (x.waiting - coalesce(f.share
        * greatest(0, extract(epoch FROM a.visited_at - w.visited_at)::float8 / 86400), 0))) AS expected_unseen
FROM {entries} w
CROSS JOIN (SELECT coalesce(%(at)s, now()) AS now) t
LEFT JOIN jsonb_to_recordset(%(rates)s) AS v (stream text, rate float8) USING (stream)
LEFT JOIN crawl.priors p ON p.stream = w.stream AND p.stratum = w.stratum
LEFT JOIN crawl.priors s ON s.stream = w.stream AND s.stratum = -1
CROSS JOIN LATERAL (
    SELECT coalesce(p.shape, s.shape, %(shape)s::float8) AS shape, coalesce(p.rate, s.rate, v.rate) AS rate
) k
LEFT JOIN LATERAL (
    SELECT y.waiting,
        y.waiting >= sqrt(2 * %(min_gain)s::float8
            * 2::float8 ^ (mod(w.queue, %(classes)s::int) + %(first_class)s::int + 0.5::float8)) AS late
    FROM (SELECT extract(epoch FROM t.now - w.visited_at)::float8 / 86400 AS waiting) y WHERE w.queue IS NOT NULL
) x ON true
LEFT JOIN crawl.announcements f ON f.stream = w.stream
LEFT JOIN crawl.frontier a ON a.stream = f.announced_by AND a.entity_id = w.entity_id
GROUP BY w.stream

-- name: small_streams
-- Of each stream no more entries are counted than make it a large one.
SELECT s.stream FROM unnest(%(streams)s::text[]) AS s (stream)
WHERE (
    SELECT count(*) FROM (SELECT FROM crawl.frontier w WHERE w.stream = s.stream LIMIT %(small)s + 1) e
) <= %(small)s

-- name: shares_of_streams
SELECT unnest(most_common_vals::text::text[]) AS stream, unnest(most_common_freqs)::float8 AS share
FROM pg_stats WHERE schemaname = 'crawl' AND tablename = 'frontier' AND attname = 'stream'

-- name: failing
SELECT stream, count(*) FROM crawl.frontier WHERE failures > 0 GROUP BY 1

-- name: names
SELECT count(*) FILTER (WHERE found_at IS NULL) AS waiting, count(*) AS changed,
    coalesce(sum(retracted), 0)::bigint AS retracted,
    min(noticed_at) FILTER (WHERE found_at IS NULL) AS waiting_since
FROM crawl.name_changes

-- name: budget
SELECT
    (SELECT coalesce(sum(requests), 0)::bigint FROM crawl.runs r
        WHERE started_at > now() - interval '1 day'
            AND NOT EXISTS (SELECT FROM crawl.runs w WHERE w.parent_run_id = r.id)) AS requests_of_runs_of_the_last_day,
    coalesce((SELECT breaker_trips FROM crawl.rate_limit), 0) AS breaker_trips,
    (SELECT closed_until FROM crawl.rate_limit WHERE closed_until > now()) AS closed_until,
    (SELECT closed_reason FROM crawl.rate_limit WHERE closed_until > now()) AS closed_reason

-- name: last_run
SELECT id, command, started_at, ended_at, outcome, findings, requests, requests_by_purpose
FROM crawl.runs WHERE parent_run_id IS NULL ORDER BY id DESC LIMIT 1

-- name: failures
SELECT stream, entity_id, failures, last_error, due_at FROM crawl.frontier
WHERE failures > 0 ORDER BY failures DESC, stream, entity_id LIMIT 10

-- name: set_aside
SELECT stream, count(*) AS items, count(DISTINCT entity_id) AS lists FROM crawl.quarantine
WHERE item_id IS NOT NULL GROUP BY 1 ORDER BY 1

-- name: drift
SELECT stream, field, change, count, first_seen_at, last_seen_at, example
FROM crawl.drift ORDER BY 1, 2, 3

-- name: estimated
SELECT (n.reltuples * coalesce(s.null_frac, 1))::bigint AS present,
    (n.reltuples * (1 - coalesce(s.null_frac, 1)))::bigint AS gone
FROM pg_class n
LEFT JOIN pg_stats s ON s.schemaname || '.' || s.tablename = '{table}' AND s.attname = 'gone_at'
WHERE n.oid = '{table}'::regclass

-- name: estimated_in_all
SELECT reltuples::bigint AS present, NULL::bigint AS gone FROM pg_class WHERE oid = '{table}'::regclass
