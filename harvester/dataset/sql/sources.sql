-- name: versions_at
-- Of each project the source that was last read by a time.
(
    SELECT DISTINCT ON (project_id) project_id, sha256, body_sha256, format, blocks, editor, first_seen_at,
        least(last_seen_at, {at}) AS last_seen_at
    FROM source.versions WHERE first_seen_at <= {at}
    ORDER BY project_id, least(last_seen_at, {at}) DESC, first_seen_at DESC, sha256
)

-- name: kept
SELECT k.id, k.gone FROM {projects} k JOIN {versions} v ON v.project_id = k.id WHERE {conditions}

-- name: was_read
EXISTS (SELECT FROM source.projects s WHERE s.project_id = k.id AND s.outcome = 'read')

-- name: version_digests
SELECT DISTINCT encode(version.sha256, 'hex') AS id, false AS gone FROM known_sources own
JOIN {versions} version ON version.project_id = own.id

-- name: asset_digests
SELECT DISTINCT asset.file AS id, false AS gone FROM known_sources own
JOIN {versions} version ON version.project_id = own.id
JOIN source.assets asset ON asset.body_sha256 = version.body_sha256

-- name: sources
SELECT {columns} FROM known_sources own
JOIN {versions} version ON version.project_id = own.id
JOIN source.bodies body ON body.sha256 = version.body_sha256
LEFT JOIN source.facts fact ON fact.body_sha256 = version.body_sha256{joins}

-- name: scripts
SELECT {project} AS project_id, body.sha256, body.packed FROM known_sources own
JOIN {versions} version ON version.project_id = own.id AND version.format <> 'scratch1'
JOIN source.bodies body ON body.sha256 = version.body_sha256

-- name: assets
SELECT {columns} FROM known_sources own
JOIN {versions} version ON version.project_id = own.id
JOIN source.assets asset ON asset.body_sha256 = version.body_sha256{joins}

-- name: differences
-- Only of versions that the release has.
SELECT {columns} FROM source.differences difference
JOIN known_sources own ON own.id = difference.project_id
JOIN known_sources other ON other.id = difference.other_id
JOIN {versions} version ON version.project_id = own.id AND version.sha256 = difference.sha256
JOIN {versions} other_version ON other_version.project_id = other.id AND other_version.sha256 = difference.other_sha256

-- name: told_apart
-- Sources with counts of blocks by opcode that no other source of the release has.
SELECT count(*) AS sources, count(*) FILTER (WHERE n = 1) AS alone FROM (
    SELECT count(*) OVER (PARTITION BY version.format, fact.opcodes) AS n FROM known_sources own
    JOIN {versions} version ON version.project_id = own.id
    JOIN source.facts fact ON fact.body_sha256 = version.body_sha256
) counted

-- name: count_uncounted
SELECT count(*) FROM known_sources own
JOIN {versions} version ON version.project_id = own.id AND version.format <> 'scratch1'
WHERE NOT EXISTS (SELECT FROM source.facts fact WHERE fact.body_sha256 = version.body_sha256)
