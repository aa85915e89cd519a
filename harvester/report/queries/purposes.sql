-- What the requests of the last four weeks were for.
SELECT purpose, sum(number::bigint)::bigint AS requests
FROM crawl.runs r, jsonb_each_text(requests_by_purpose) AS s (purpose, number)
WHERE NOT EXISTS (SELECT FROM crawl.runs w WHERE w.parent_run_id = r.id)
    AND started_at > %(at)s - interval '28 days' AND started_at <= %(at)s
GROUP BY purpose
ORDER BY requests DESC, purpose
