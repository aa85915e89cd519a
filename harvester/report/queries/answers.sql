-- Responses of the last four weeks by kind.
SELECT CASE
        WHEN status LIKE '2%%' THEN 'answered'
        WHEN status = '-' THEN 'no response'
        WHEN status = '429' THEN 'asked to slow down (429)'
        WHEN status IN ('404', '410') THEN 'not there (404)'
        WHEN status = '403' THEN 'not open to the public (403)'
        WHEN status LIKE '5%%' THEN 'error of the server (5xx)'
        ELSE 'something else'
    END AS kind, sum(number::bigint)::bigint AS responses, count(DISTINCT stream) AS streams
FROM crawl.runs r, jsonb_each(responses) AS a (stream, statuses), jsonb_each_text(statuses) AS s (status, number)
WHERE NOT EXISTS (SELECT FROM crawl.runs w WHERE w.parent_run_id = r.id)
    AND started_at > %(at)s - interval '28 days' AND started_at <= %(at)s
GROUP BY kind
ORDER BY responses DESC, kind
