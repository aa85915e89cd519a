-- name: begun
SELECT transactions, ended_at IS NOT NULL, EXISTS (SELECT FROM crawl.runs WHERE command NOT LIKE 'replay (%%')
FROM crawl.replays WHERE hash = %s

-- name: under_way
SELECT stream, entity_id FROM crawl.frontier WHERE state IS NOT NULL

-- name: put_in_scope
INSERT INTO crawl.frontier (stream, entity_id, owner_id, due_at)
SELECT v.stream, v.entity_id, v.owner_id, v.at + make_interval(secs => v.rest)
FROM jsonb_to_recordset(%s)
    AS v (stream text, entity_id bigint, owner_id bigint, rest float8, at timestamptz)
ORDER BY 1, 2 ON CONFLICT DO NOTHING

-- name: lease
UPDATE crawl.frontier w SET
    lease_token = gen_random_uuid(),
    lease_run = %(run)s,
    lease_until = v.at + make_interval(secs => %(seconds)s),
    incremental = CASE WHEN w.visits > 0 THEN NOT v.is_full ELSE w.incremental END,
    state = CASE WHEN NOT v.begins THEN w.state END,
    started_at = CASE WHEN v.begins OR w.state IS NULL THEN v.at ELSE w.started_at END,
    started_depth = CASE WHEN v.begins OR w.state IS NULL THEN w.depth ELSE w.started_depth END
FROM jsonb_to_recordset(%(visits)s)
    AS v (stream text, entity_id bigint, is_full bool, begins bool, at timestamptz)
WHERE w.stream = v.stream AND w.entity_id = v.entity_id
RETURNING w.stream, w.entity_id, w.lease_token, w.position, w.state, w.certificate, w.due_at,
    w.visits > 0 AND NOT w.incremental,
    ARRAY(SELECT x.item_id FROM crawl.quarantine x
        WHERE x.stream = w.stream AND x.entity_id = w.entity_id AND x.item_id IS NOT NULL)
