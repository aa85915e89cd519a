-- name: designs
SELECT s.*, g.cancelled_at FROM analytics.samples s JOIN crawl.designs g ON g.id = s.design_id ORDER BY s.design_id

-- name: put_in_scope
INSERT INTO crawl.frontier AS w (stream, entity_id, depth, due_at)
SELECT s, e.id, %s, crawl.clock() - (%s - e.place) * interval '1 microsecond' FROM unnest(%s::text[]) s,
    (SELECT id, min(place) AS place FROM unnest(%s::bigint[]) WITH ORDINALITY AS x (id, place) GROUP BY 1) e
ORDER BY 1, 2 ON CONFLICT (stream, entity_id) DO UPDATE
SET depth = greatest(w.depth, excluded.depth), due_at = least(w.due_at, excluded.due_at)

-- name: add_design
INSERT INTO crawl.designs (name, kind, parameters, depth, parent_id, completed_at)
VALUES (%s, %s, %s, %s, %s, CASE WHEN %s THEN crawl.clock() END) RETURNING id
