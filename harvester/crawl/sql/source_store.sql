-- name: store_version
-- The body is that of the first response with this source: another order of keys is no other version.
WITH v AS (
    SELECT p.id AS project_id, coalesce(%(at)s, crawl.clock()) AS now FROM scratch.projects p WHERE p.id = %(project)s
), known AS (
    UPDATE source.versions s SET last_seen_at = greatest(s.last_seen_at, v.now) FROM v
    WHERE s.project_id = v.project_id AND s.sha256 = %(sha256)s RETURNING 1
), body AS (
    INSERT INTO source.bodies (sha256, size, packed)
    SELECT %(body_sha256)s, %(size)s, %(packed)s FROM v WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (sha256) DO NOTHING RETURNING 1
), made AS (
    INSERT INTO source.versions (
        project_id, sha256, body_sha256, format, blocks, editor, first_seen_at, last_seen_at
    )
    SELECT v.project_id, %(sha256)s, %(body_sha256)s, %(format)s, %(blocks)s, %(editor)s, v.now, v.now
    FROM v WHERE NOT EXISTS (SELECT FROM known) RETURNING 1
)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM known), EXISTS (SELECT FROM body)

-- name: store_outcome
INSERT INTO source.projects AS s (project_id, outcome, reason, seen_at)
SELECT p.id, %(outcome)s, %(reason)s, coalesce(%(at)s, crawl.clock()) FROM scratch.projects p WHERE p.id = %(project)s
ON CONFLICT (project_id) DO UPDATE SET
    outcome = excluded.outcome, reason = excluded.reason, seen_at = greatest(s.seen_at, excluded.seen_at)
