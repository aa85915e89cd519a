-- name: bodies
SELECT b.sha256, b.packed FROM source.bodies b
WHERE b.sha256 > %(after)s
    AND (%(full)s OR NOT EXISTS (SELECT FROM source.facts f WHERE f.body_sha256 = b.sha256 AND f.rules = %(rules)s))
    AND EXISTS (SELECT FROM source.versions v WHERE v.body_sha256 = b.sha256 AND v.format <> 'scratch1')
ORDER BY b.sha256 LIMIT %(most)s

-- name: store_facts
INSERT INTO source.facts AS f ({columns}) VALUES ({values})
ON CONFLICT (body_sha256) DO UPDATE SET ({columns}) = ROW ({excluded})

-- name: delete_assets
DELETE FROM source.assets WHERE body_sha256 = ANY(%s)

-- name: store_asset
INSERT INTO source.assets (body_sha256, kind, file, count) VALUES (%s, %s, %s, %s)

-- name: pairs
-- Remixes whose present version was not compared yet with the present version of their parent and root.
SELECT p.id, r.relation, c.sha256, c.body_sha256, o.project_id, o.sha256, o.body_sha256
FROM scratch.projects p
CROSS JOIN LATERAL (VALUES ('parent', p.parent_id), ('root', p.root_id)) r (relation, other_id)
JOIN source.present_versions c ON c.project_id = p.id AND c.format <> 'scratch1'
JOIN source.present_versions o ON o.project_id = r.other_id AND o.format <> 'scratch1'
WHERE %(full)s OR NOT EXISTS (
    SELECT FROM source.differences d
    WHERE d.project_id = p.id AND d.relation = r.relation AND d.sha256 = c.sha256
        AND d.other_id = r.other_id AND d.other_sha256 = o.sha256 AND d.rules = %(rules)s
)
ORDER BY p.id

-- name: packed
SELECT sha256, packed FROM source.bodies WHERE sha256 = ANY(%s)

-- name: store_difference
INSERT INTO source.differences AS d ({columns}) SELECT {values}
WHERE EXISTS (SELECT FROM source.versions WHERE project_id = %(project_id)s AND sha256 = %(sha256)s)
    AND EXISTS (SELECT FROM source.versions WHERE project_id = %(other_id)s AND sha256 = %(other_sha256)s)
ON CONFLICT (project_id, relation) DO UPDATE SET ({columns}) = ROW ({excluded})
