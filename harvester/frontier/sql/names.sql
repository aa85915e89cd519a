-- name: wait
UPDATE crawl.frontier SET lease_token = NULL, lease_run = NULL, lease_until = NULL, queue = NULL, failures = 0,
    last_error = %(waits)s, due_at = crawl.clock() + interval '10 years'
WHERE stream = ANY(%(streams)s) AND entity_id = %(user)s

-- name: lock_name
-- Of a user, or of the author of a project.
SELECT u.username FROM scratch.users u
WHERE u.id = CASE WHEN %(project)s::bigint IS NULL THEN %(user)s
    ELSE (SELECT p.author_id FROM scratch.projects p WHERE p.id = %(project)s) END
FOR SHARE

-- name: resume_projects
UPDATE crawl.frontier w SET due_at = crawl.clock(), last_error = NULL
FROM (
    SELECT p.id AS entity_id FROM scratch.projects p WHERE p.author_id = %(user)s
    UNION ALL
    SELECT c.id FROM scratch.projects p JOIN scratch.project_comments c ON c.project_id = p.id
    WHERE p.author_id = %(user)s AND c.parent_id IS NULL
) own
WHERE w.stream = ANY(%(streams)s) AND w.entity_id = own.entity_id AND w.last_error = %(waits)s

-- name: proven_since
-- The time until which the name of a list was proven; no row for a list that was never read.
-- As text, since Python has no infinite time.
SELECT coalesce(greatest(w.proven_at, (
    SELECT max(u.proven_at) FROM crawl.frontier u WHERE u.stream = ANY(%(proving)s) AND u.entity_id = %(user)s
)), '-infinity')::text
FROM crawl.frontier w WHERE w.stream = %(stream)s AND w.entity_id = %(user)s AND w.position > 0

-- name: restore_account
-- Restore an account that was marked as gone only because its name was not found.
UPDATE scratch.users u SET gone_at = NULL, last_seen_at = NULL, gone_reason = NULL
WHERE u.id = %(user)s AND u.gone_at IS NOT NULL AND (u.gone_reason = %(reason)s OR EXISTS (
    SELECT FROM crawl.frontier w WHERE w.stream = 'user' AND w.entity_id = u.id AND w.gone_at IS NOT NULL
))

-- name: restart_lists
UPDATE crawl.frontier SET lease_token = NULL, lease_run = NULL, lease_until = NULL, state = NULL, certificate = NULL,
    incremental = false, proven_at = crawl.clock(), gone_at = NULL
WHERE stream = ANY(%(streams)s) AND entity_id = %(user)s

-- name: revisit_not_found
-- Lists below the projects of an account that the site may not find because they are empty: since the name was proven,
-- they may not have been found because of it. A visit under way begins again.
UPDATE crawl.frontier w SET due_at = crawl.clock(), incremental = false, state = NULL,
    lease_token = NULL, lease_run = NULL, lease_until = NULL
FROM scratch.projects p
WHERE p.author_id = %(user)s AND w.stream = ANY(%(may_be_empty)s) AND w.entity_id = p.id
    AND (w.lease_token IS NOT NULL OR (w.certificate -> 'anchors' = '[]' AND w.visited_at > coalesce((
        SELECT u.proven_at FROM crawl.frontier u WHERE u.stream = 'user' AND u.entity_id = %(user)s
    ), '-infinity')))

-- name: forget_missing_items
-- Items missed after the last proof of the name: the list may have been another account's.
DELETE FROM crawl.missing_items
WHERE stream = %(stream)s AND entity_id = %(user)s AND missed_at > %(since)s::timestamptz

-- name: forget_full_read
-- So may the last full read have been, if it ended after that: it does not show when an item was last present.
UPDATE crawl.frontier SET last_full_read_at = NULL
WHERE stream = %(stream)s AND entity_id = %(user)s AND %(since)s::timestamptz
    < CASE WHEN certified_from = last_full_read_at THEN certified_at ELSE last_full_read_at END

-- name: forget_message_counts
DELETE FROM history.message_counts WHERE user_id = %(user)s AND seen_at > %(since)s::timestamptz

-- name: resume_account
UPDATE crawl.frontier SET last_error = NULL, due_at = crawl.clock() + CASE
    WHEN (
        SELECT lower(r.username) FROM history.user_revisions r
        WHERE r.user_id = %(user)s AND r.username IS NOT NULL ORDER BY r.valid_to DESC LIMIT 1
    ) = (SELECT lower(u.username) FROM scratch.users u WHERE u.id = %(user)s)
    THEN interval '1 hour' ELSE interval '0' END
WHERE stream = ANY(%(streams)s) AND entity_id = %(user)s

-- name: log_change
INSERT INTO crawl.name_changes (user_id, noticed_at, found_at, retracted)
VALUES (%s, crawl.clock(), CASE WHEN %s THEN crawl.clock() END, %s)
ON CONFLICT (user_id, noticed_at) DO UPDATE SET found_at = excluded.found_at,
    retracted = crawl.name_changes.retracted + excluded.retracted

-- name: restart_sibling
UPDATE crawl.frontier SET due_at = crawl.clock(), incremental = false, state = NULL,
    lease_token = NULL, lease_run = NULL, lease_until = NULL
WHERE stream = %s AND entity_id = ANY(%s) AND (visits > 0 OR position > 0)

-- name: delete_stored
DELETE FROM {table} t
WHERE t.{owner} = %(user)s AND t.first_seen_at > %(since)s::timestamptz RETURNING t.{item}

-- name: end_returns
-- What came back after the name was proven last is gone again.
WITH back AS (
    DELETE FROM history.absences a USING {table} t
    WHERE a.kind = {kind} AND a.returned_at > %(since)s::timestamptz AND t.{owner} = %(user)s AND {same}
    RETURNING t.{item} AS item, a.gone_at, a.last_seen_at, a.gone_reason
)
UPDATE {table} t SET gone_at = back.gone_at, last_seen_at = back.last_seen_at, gone_reason = back.gone_reason
FROM back WHERE t.{owner} = %(user)s AND t.{item} = back.item
