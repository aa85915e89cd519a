-- name: record_outcomes
-- An entity that is not found but has a row was met elsewhere: it is gone, not an id that was never visible.
UPDATE crawl.draws d SET
    visited_at = crawl.clock(),
    outcome = CASE
        WHEN v.gone THEN CASE WHEN t.is_public IS NULL THEN 'not found' ELSE 'gone' END
        WHEN t.is_public IS NULL THEN 'not found'
        WHEN t.is_public THEN 'hit'
        ELSE 'not public'
    END
FROM jsonb_to_recordset(%(visits)s) AS v (kind text, entity_id bigint, gone bool)
LEFT JOIN LATERAL (
    SELECT public IS NOT FALSE AND visibility IS DISTINCT FROM 'notvisible' AS is_public
    FROM scratch.projects p WHERE v.kind = 'project' AND p.id = v.entity_id
    UNION ALL
    SELECT public IS NOT FALSE AND visibility IS DISTINCT FROM 'notvisible'
    FROM scratch.studios s WHERE v.kind = 'studio' AND s.id = v.entity_id
) t ON true
WHERE d.entity_id = v.entity_id AND d.outcome IS NULL
    AND EXISTS (SELECT FROM crawl.designs g WHERE g.id = d.design_id AND g.kind = v.kind AND g.cancelled_at IS NULL)
