-- name: make_reached
CREATE TEMPORARY TABLE reached (
    stream text NOT NULL, entity_id bigint NOT NULL, depth smallint NOT NULL,
    is_taken bool NOT NULL DEFAULT false, is_done bool NOT NULL DEFAULT false, PRIMARY KEY (stream, entity_id)
)

-- name: reach_seeds
INSERT INTO pg_temp.reached
SELECT k.stream, s.entity_id, s.depth FROM crawl.seeds s
JOIN unnest(%s::text[], %s::text[]) AS k (kind, stream) USING (kind)

-- name: reach_draws
INSERT INTO pg_temp.reached AS r
SELECT coalesce(k.stream, g.kind), d.entity_id, max(g.depth) FROM crawl.designs g
JOIN crawl.draws d ON d.design_id = g.id
LEFT JOIN unnest(%s::text[], %s::text[]) AS k (name, stream) ON k.name = g.name
WHERE g.cancelled_at IS NULL GROUP BY 1, 2
ON CONFLICT (stream, entity_id) DO UPDATE SET depth = excluded.depth WHERE excluded.depth > r.depth

-- name: reach_site
INSERT INTO pg_temp.reached
SELECT s, 0, 0 FROM unnest(%s::text[]) s
WHERE EXISTS (SELECT FROM pg_temp.reached)

-- name: take_stale
-- What was read, if only in part so far, led on to what it showed.
WITH taken AS (
    UPDATE pg_temp.reached r SET is_taken = true FROM crawl.frontier w
    WHERE NOT r.is_taken AND r.depth >= 0 AND w.stream = r.stream AND w.entity_id = r.entity_id AND w.position > 0
    RETURNING r.stream
)
SELECT DISTINCT stream FROM taken

-- name: reach_lists
INSERT INTO pg_temp.reached AS r
SELECT %s, v.entity_id, v.depth FROM pg_temp.reached v WHERE v.stream = %s AND v.is_taken AND NOT v.is_done
ON CONFLICT (stream, entity_id) DO UPDATE SET depth = excluded.depth, is_taken = false, is_done = false
WHERE excluded.depth > r.depth

-- name: reach_linked
INSERT INTO pg_temp.reached AS r
SELECT %s::text, {target}, max(v.depth - %s::int) FROM pg_temp.reached v JOIN {table} l ON {own} = v.entity_id
WHERE v.stream = %s AND v.is_taken AND NOT v.is_done AND v.depth >= %s AND {target} IS NOT NULL
GROUP BY 1, 2
ON CONFLICT (stream, entity_id) DO UPDATE SET depth = excluded.depth, is_taken = false, is_done = false
WHERE excluded.depth > r.depth

-- name: reach_ranked
INSERT INTO pg_temp.reached AS r
SELECT DISTINCT h.kind, h.thing_id, v.depth FROM pg_temp.reached v
JOIN history.rankings h ON h.ranking = %(ranking)s OR (%(ranking)s = 'front-page/' AND h.ranking LIKE 'front-page/%%')
WHERE v.stream = %(stream)s AND v.entity_id = %(entity)s AND v.is_taken AND NOT v.is_done
    AND h.kind IN ('project', 'studio') AND h.thing_id IS NOT NULL
ON CONFLICT (stream, entity_id) DO UPDATE SET depth = excluded.depth, is_taken = false, is_done = false
WHERE excluded.depth > r.depth

-- name: end
WITH ended AS (
    DELETE FROM crawl.frontier w
    WHERE NOT w.stream = ANY(%(always)s)
        AND NOT EXISTS (SELECT FROM pg_temp.reached r WHERE r.stream = w.stream AND r.entity_id = w.entity_id)
        AND NOT EXISTS (
            SELECT FROM unnest(%(streams)s::text[], %(bases)s::text[]) AS b (stream, base)
            JOIN pg_temp.reached r ON r.stream = b.base AND r.entity_id = coalesce(w.owner_id, w.entity_id)
            WHERE b.stream = w.stream
        )
    RETURNING w.stream, w.visits
)
SELECT stream, count(*), count(*) FILTER (WHERE visits = 0) FROM ended GROUP BY 1 ORDER BY 1

-- name: end_missing
-- A suspicion that no visit will settle.
WITH missing AS (
    DELETE FROM crawl.missing_items x
    WHERE NOT EXISTS (SELECT FROM crawl.frontier w WHERE w.stream = x.stream AND w.entity_id = x.entity_id)
)
DELETE FROM crawl.seen_items x
WHERE NOT EXISTS (SELECT FROM crawl.frontier w WHERE w.stream = x.stream AND w.entity_id = x.entity_id)

-- name: lower
UPDATE crawl.frontier w SET depth = r.depth, propagated_depth = least(w.propagated_depth, r.depth),
    started_depth = least(w.started_depth, r.depth)
FROM pg_temp.reached r
WHERE r.stream = w.stream AND r.entity_id = w.entity_id AND w.depth > r.depth
