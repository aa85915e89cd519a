-- name: versions
SELECT v.project_id, encode(v.sha256, 'hex') AS sha256, encode(v.body_sha256, 'hex') AS body_sha256, v.format,
    b.size, v.blocks, v.editor, v.first_seen_at, v.last_seen_at
FROM source.versions v JOIN source.bodies b ON b.sha256 = v.body_sha256
WHERE v.project_id = %s ORDER BY v.last_seen_at DESC, v.first_seen_at DESC, v.sha256
