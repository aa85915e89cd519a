-- name: of_design
SELECT kind FROM crawl.designs WHERE id = %s

-- name: export
-- Projects that are there, with the present version of their source: all that have one, or those that a design hit.
SELECT p.id AS project_id, s.outcome, v.format, encode(v.sha256, 'hex') AS sha256, v.blocks, v.editor,
    v.first_seen_at, v.last_seen_at, p.parent_id, p.root_id, u.stratum, u.inclusion_probability, u.weight,
    v.body_sha256, b.packed
FROM scratch.present_projects p
LEFT JOIN source.projects s ON s.project_id = p.id
LEFT JOIN source.present_versions v ON v.project_id = p.id
LEFT JOIN source.bodies b ON b.sha256 = v.body_sha256
LEFT JOIN analytics.sample_units u ON u.design_id = %(design)s AND u.entity_id = p.id AND u.outcome = 'hit'
    AND u.replaced_at IS NULL
WHERE CASE WHEN %(design)s::bigint IS NULL THEN v.project_id IS NOT NULL ELSE u.entity_id IS NOT NULL END
ORDER BY p.id
