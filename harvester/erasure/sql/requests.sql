-- name: read
SELECT request_id, channel, received_at, due_at, opened_at, user_id, username, hash, verified_at, verified_by, reason,
    erased_at, removed, releases, carried_out_at, closed_at, outcome,
    carried_out_at IS NULL AND closed_at IS NULL AND due_at < crawl.clock() AS is_overdue
FROM crawl.erasure_requests
WHERE request_id = coalesce(%(number)s, request_id) AND (closed_at IS NULL OR NOT %(open_only)s)
ORDER BY closed_at IS NOT NULL, due_at, request_id

-- name: open
-- A month is a month of the calendar, as in Article 12(3) of the GDPR.
INSERT INTO crawl.erasure_requests (channel, received_at, due_at, user_id, username, hash)
VALUES (%(channel)s, %(received_at)s,
    coalesce(%(due_at)s, (%(received_at)s AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'),
    %(user_id)s, %(username)s, %(hash)s)
ON CONFLICT (hash) WHERE closed_at IS NULL DO NOTHING RETURNING request_id

-- name: same_person
SELECT request_id FROM crawl.erasure_requests WHERE hash = %s AND closed_at IS NULL

-- name: verify
UPDATE crawl.erasure_requests
SET user_id = %(user_id)s, hash = %(hash)s, verified_at = crawl.clock(), verified_by = %(verified_by)s, reason = %(reason)s
WHERE request_id = %(number)s AND erased_at IS NULL AND closed_at IS NULL

-- name: releases_since
SELECT name, profile, as_of, built_at FROM crawl.releases
WHERE as_of >= %s ORDER BY built_at

-- name: record_erased
UPDATE crawl.erasure_requests SET removed = %(removed)s, releases = %(releases)s,
    erased_at = coalesce(erased_at, crawl.clock()), user_id = NULL, username = NULL
WHERE request_id = %(number)s

-- name: record_carried_out
UPDATE crawl.erasure_requests SET carried_out_at = crawl.clock(), removed = %s WHERE request_id = %s

-- name: close
UPDATE crawl.erasure_requests
SET closed_at = crawl.clock(), outcome = %s, channel = NULL, user_id = NULL, username = NULL, verified_by = NULL, reason = NULL,
    removed = NULL, releases = NULL
WHERE request_id = %s
