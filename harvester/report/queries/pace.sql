-- Requests sent and rows written, step by step: those of a run are spread evenly over its time.
WITH steps AS (
    SELECT since, least(since + make_interval(secs => %(step)s), %(at)s) AS until
    FROM generate_series(%(since)s, %(at)s, make_interval(secs => %(step)s)) since
    WHERE since < %(at)s
),
runs AS (
    SELECT started_at, requests,
        greatest(coalesce(ended_at, %(at)s), started_at + interval '1 millisecond') AS ended_at,
        (SELECT sum((value ->> 'inserted')::bigint + (value ->> 'updated')::bigint) FROM jsonb_each(counts)) AS written
    FROM crawl.runs r
    -- What a run holds whose work was done by workers is their sum.
    WHERE NOT EXISTS (SELECT FROM crawl.runs w WHERE w.parent_run_id = r.id)
        AND coalesce(ended_at, %(at)s) > %(since)s AND started_at < %(at)s
)
SELECT since, round(coalesce(sum(requests * part), 0) / seconds, 2) AS requests_per_second,
    round(3600 * coalesce(sum(written * part), 0) / seconds) AS rows_per_hour
FROM steps
CROSS JOIN LATERAL (SELECT extract(epoch FROM until - since) AS seconds) s
LEFT JOIN runs ON started_at < until AND ended_at > since
LEFT JOIN LATERAL (
    SELECT extract(epoch FROM least(ended_at, until) - greatest(started_at, since))
        / extract(epoch FROM ended_at - started_at) AS part
) p ON true
GROUP BY since, seconds
ORDER BY since
