-- name: hits_by_stratum
SELECT s.name, count(d.outcome), count(*) FILTER (WHERE d.outcome = 'hit')
FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS s (name, first, last)
JOIN crawl.draws d ON d.design_id = %s AND d.entity_id BETWEEN s.first AND s.last GROUP BY 1

-- name: most_commented
SELECT t.id FROM {table} t JOIN {comments} c ON {owner} = t.id AND c.gone_at IS NULL
WHERE t.gone_at IS NULL AND t.id BETWEEN %s AND %s GROUP BY t.id ORDER BY count(*) DESC, t.id LIMIT %s
