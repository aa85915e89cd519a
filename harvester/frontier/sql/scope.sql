-- name: open_account
INSERT INTO crawl.frontier AS w (stream, entity_id, owner_id, due_at)
SELECT stream, entity_id, %(account)s, crawl.clock() FROM (
    SELECT s AS stream, 0 AS entity_id FROM unnest(%(whole)s::text[]) s
    UNION ALL SELECT 'account_visibility', id FROM scratch.projects WHERE author_id = %(account)s
    UNION ALL SELECT 'account_role', studio_id FROM scratch.studio_members WHERE user_id = %(account)s
    UNION ALL
    SELECT s, p.id FROM account.projects p, unnest(ARRAY['account_love', 'account_favorite']) s
    WHERE p.account_id = %(account)s AND p.list = 'account_viewed'
) AS found
ON CONFLICT (stream, entity_id) DO UPDATE SET
    owner_id = excluded.owner_id, due_at = crawl.clock(), state = NULL, certificate = NULL
WHERE w.owner_id IS DISTINCT FROM excluded.owner_id

-- name: refresh
UPDATE crawl.frontier w SET due_at = crawl.clock(), incremental = incremental AND NOT %(full)s,
    state = CASE WHEN NOT %(full)s THEN state END
WHERE stream = ANY(%(streams)s) AND {free}
    AND (%(only)s::bigint[] IS NULL OR coalesce(owner_id, entity_id) = ANY(%(only)s))
    -- A list that is announced is left to its announcements, but for one in 16 visits, by which these are judged.
    AND (NOT %(by_announcements)s OR stream <> ALL(%(announced)s) OR visits = 0 OR failures > 0 OR NOT incremental
        OR state IS NOT NULL OR crawl.announced_share(stream, entity_id) < %(reliable)s
        OR hashtextextended(stream || entity_id, visits) & 15 = 0)

-- name: seed
INSERT INTO crawl.seeds AS s (kind, entity_id, depth) VALUES (%s, %s, %s)
ON CONFLICT (kind, entity_id) DO UPDATE SET depth = greatest(s.depth, excluded.depth)
RETURNING xmax = 0

-- name: seed_query
INSERT INTO crawl.queries AS q (stream, query, mode, language, pages, depth)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (stream, query, mode, language)
DO UPDATE SET pages = excluded.pages, depth = greatest(q.depth, excluded.depth)
RETURNING id, depth, xmax = 0

-- name: open_site
INSERT INTO crawl.frontier (stream, entity_id, due_at)
SELECT s, 0, crawl.clock() FROM unnest(%s::text[]) s
WHERE EXISTS (SELECT FROM crawl.seeds) OR EXISTS (SELECT FROM crawl.queries)
    OR EXISTS (SELECT FROM crawl.designs WHERE cancelled_at IS NULL)
ON CONFLICT (stream, entity_id) DO NOTHING

-- name: deepen
INSERT INTO crawl.frontier AS w (stream, entity_id, depth, due_at) VALUES (%s, %s, %s, crawl.clock())
ON CONFLICT (stream, entity_id) DO UPDATE SET depth = greatest(w.depth, excluded.depth)

-- name: make_query_due
INSERT INTO crawl.frontier AS w (stream, entity_id, depth, due_at) VALUES (%s, %s, %s, crawl.clock())
ON CONFLICT (stream, entity_id) DO UPDATE SET depth = excluded.depth, due_at = crawl.clock()

-- name: raised
SELECT stream, array_agg(entity_id) FROM crawl.frontier
WHERE depth > propagated_depth AND visits > 0 GROUP BY stream

-- name: open
INSERT INTO crawl.frontier AS w (stream, entity_id, depth, due_at)
SELECT %s, v.entity_id, v.depth, crawl.clock() FROM crawl.frontier v
WHERE v.stream = %s AND v.entity_id = ANY(%s) AND v.gone_at IS NULL
ON CONFLICT (stream, entity_id) DO UPDATE SET depth = excluded.depth WHERE excluded.depth > w.depth

-- name: open_allowed
INSERT INTO crawl.frontier (stream, entity_id, depth, due_at)
SELECT %(stream)s, v.entity_id, v.depth, crawl.clock() FROM crawl.frontier v
WHERE v.stream = %(after)s AND v.visits > 0 AND v.gone_at IS NULL AND (v.depth >= 0 OR NOT %(is_list)s)
ON CONFLICT (stream, entity_id) DO NOTHING

-- name: propagate
-- The entries that the rows of some lists lead to, at the depth that the lists have now.
INSERT INTO crawl.frontier AS w (stream, entity_id, owner_id, depth, signal, due_at)
SELECT x.stream, {target}, max({owner}), max(v.depth - x.depth_cost), max({signal}), crawl.clock()
FROM (SELECT %s::text AS stream, %s::int AS depth_cost) x, crawl.frontier v
JOIN {table} l ON {own} = v.entity_id
WHERE v.stream = %s AND v.entity_id = ANY(%s) AND v.depth >= x.depth_cost AND l.gone_at IS NULL
    AND {target} IS NOT NULL AND ({always} OR {signal} > 0)
    -- A user is visited by name.
    AND (NOT {of_users} OR EXISTS (SELECT FROM scratch.users u WHERE u.id = {target} AND u.username IS NOT NULL))
GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (stream, entity_id) DO UPDATE SET depth = excluded.depth WHERE excluded.depth > w.depth
