-- Trees of remixes: who made what from what.
--
-- A project states its parent and the root of its tree. Either may be gone, and its row may never have been read: they
-- keep their place as nodes. Where the parent of a node is unknown it hangs from the root that it states, or that its
-- remix with the lowest id states. What hangs from itself in a circle, which no site would serve, is in no tree.

CREATE VIEW analytics.remix_edges AS
SELECT id AS project_id, parent_id, false AS is_assumed
FROM scratch.projects
WHERE parent_id <> id
UNION ALL
SELECT id, root_id, true
FROM scratch.projects
WHERE parent_id IS NULL AND root_id <> id
UNION ALL
SELECT x.parent_id, x.root_id, true
FROM scratch.projects x
LEFT JOIN scratch.projects p ON p.id = x.parent_id
WHERE x.root_id <> x.parent_id AND x.parent_id <> x.id AND p.parent_id IS NULL AND p.root_id IS NULL
    AND NOT EXISTS (
        SELECT FROM scratch.projects y
        WHERE y.parent_id = x.parent_id AND y.root_id <> y.parent_id AND y.parent_id <> y.id AND y.id < x.id
    );

COMMENT ON VIEW analytics.remix_edges IS
    'The project that each project was remixed from, as far as it is known: one row for each project that has a parent.';
COMMENT ON COLUMN analytics.remix_edges.project_id IS 'The remix. It may be gone, or never have been seen.';
COMMENT ON COLUMN analytics.remix_edges.parent_id IS 'What it was made from. It may be gone, or never have been seen.';
COMMENT ON COLUMN analytics.remix_edges.is_assumed IS
    'Whether its parent is unknown, and parent_id is the root of its tree.';

-- OFFSET 0: the edges of a few projects are looked up one by one. Planned as a join, all edges would be read.
CREATE FUNCTION analytics.remix_roots(projects bigint[]) RETURNS SETOF bigint
LANGUAGE sql STABLE AS $$
WITH RECURSIVE climb AS (
    SELECT DISTINCT unnest($1) AS project_id
    UNION
    SELECT e.parent_id
    FROM climb
    CROSS JOIN LATERAL (SELECT parent_id FROM analytics.remix_edges WHERE project_id = climb.project_id OFFSET 0) e
)
SELECT project_id FROM climb
WHERE NOT EXISTS (SELECT FROM analytics.remix_edges e WHERE e.project_id = climb.project_id OFFSET 0)
$$;

COMMENT ON FUNCTION analytics.remix_roots IS 'The roots of the trees of remixes that projects are in, as known now.';

CREATE FUNCTION analytics.remix_tree(roots bigint[])
RETURNS TABLE (
    project_id bigint, parent_id bigint, root_id bigint, depth integer, is_assumed boolean, is_depth_known boolean
)
LANGUAGE sql STABLE AS $$
WITH RECURSIVE tree AS (
    SELECT root AS project_id, NULL::bigint AS parent_id, root AS root_id, 0 AS depth, false AS is_assumed,
        true AS is_depth_known
    FROM (SELECT DISTINCT unnest($1) AS root) asked
    WHERE EXISTS (SELECT FROM analytics.remix_edges e WHERE e.parent_id = root OFFSET 0)
    UNION ALL
    SELECT e.project_id, e.parent_id, tree.root_id, tree.depth + 1, e.is_assumed,
        tree.is_depth_known AND NOT e.is_assumed
    FROM tree
    CROSS JOIN LATERAL (SELECT * FROM analytics.remix_edges WHERE parent_id = tree.project_id OFFSET 0) e
) CYCLE project_id SET is_met USING path
SELECT project_id, parent_id, root_id, depth, is_assumed, is_depth_known FROM tree WHERE NOT is_met
$$;

COMMENT ON FUNCTION analytics.remix_tree IS
    'The trees of remixes under some roots, as known now; the columns are those of analytics.remix_nodes.';

CREATE VIEW analytics.live_remix_nodes AS
WITH RECURSIVE tree AS (
    SELECT r.project_id, NULL::bigint AS parent_id, r.project_id AS root_id, 0 AS depth, false AS is_assumed,
        true AS is_depth_known
    FROM (SELECT parent_id FROM analytics.remix_edges EXCEPT SELECT project_id FROM analytics.remix_edges) r (project_id)
    UNION ALL
    SELECT e.project_id, e.parent_id, tree.root_id, tree.depth + 1, e.is_assumed,
        tree.is_depth_known AND NOT e.is_assumed
    FROM tree JOIN analytics.remix_edges e ON e.parent_id = tree.project_id
)
SELECT project_id, parent_id, root_id, depth, is_assumed, is_depth_known FROM tree;

COMMENT ON VIEW analytics.live_remix_nodes IS
    'Defines analytics.remix_nodes, and is always up to date: it climbs down all trees at each look.';

CREATE MATERIALIZED VIEW analytics.remix_nodes AS SELECT * FROM analytics.live_remix_nodes;

CREATE UNIQUE INDEX ON analytics.remix_nodes (project_id);
CREATE INDEX ON analytics.remix_nodes (root_id);

COMMENT ON MATERIALIZED VIEW analytics.remix_nodes IS
    'Trees of remixes, one row for each project in one. Projects that are gone, or that were never seen, have their place too; projects without a remix are in no tree.';
COMMENT ON COLUMN analytics.remix_nodes.project_id IS
    'The project. Soft reference to projects: it may never have been seen.';
COMMENT ON COLUMN analytics.remix_nodes.parent_id IS
    'What it hangs from; null for the root. Soft reference to projects.';
COMMENT ON COLUMN analytics.remix_nodes.root_id IS 'The root of its tree. Soft reference to projects.';
COMMENT ON COLUMN analytics.remix_nodes.depth IS 'Steps from the root, which has 0.';
COMMENT ON COLUMN analytics.remix_nodes.is_assumed IS
    'Whether its parent is unknown, so that it hangs from the root that it or its first remix states: its depth is the least it can be.';
COMMENT ON COLUMN analytics.remix_nodes.is_depth_known IS
    'Whether no parent on the way to the root is assumed: depth is exact.';

CREATE VIEW analytics.live_remix_trees AS
SELECT
    root_id,
    sum(nodes)::integer AS nodes,
    max(depth) AS depth,
    max(nodes)::integer AS breadth,
    sum(nodes) FILTER (WHERE depth = 1)::integer AS direct_remixes,
    sum(gone)::integer AS gone,
    sum(never_seen)::integer AS never_seen,
    sum(assumed)::integer AS assumed,
    min(first_shared_at) AS first_shared_at,
    max(last_shared_at) AS last_shared_at
FROM (
    SELECT
        n.root_id,
        n.depth,
        count(*) AS nodes,
        count(p.gone_at) AS gone,
        count(*) FILTER (WHERE p.id IS NULL) AS never_seen,
        count(*) FILTER (WHERE n.is_assumed) AS assumed,
        min(p.shared_at) AS first_shared_at,
        max(p.shared_at) AS last_shared_at
    FROM analytics.remix_nodes n
    LEFT JOIN scratch.projects p ON p.id = n.project_id
    GROUP BY 1, 2
) levels
GROUP BY 1;

COMMENT ON VIEW analytics.live_remix_trees IS
    'Defines analytics.remix_trees: sums up the nodes of each tree in analytics.remix_nodes at each look.';

CREATE MATERIALIZED VIEW analytics.remix_trees AS SELECT * FROM analytics.live_remix_trees;

CREATE UNIQUE INDEX ON analytics.remix_trees (root_id);

COMMENT ON MATERIALIZED VIEW analytics.remix_trees IS 'Each tree of remixes: how large, how deep and how broad.';
COMMENT ON COLUMN analytics.remix_trees.root_id IS 'What all the others come from. Soft reference to projects.';
COMMENT ON COLUMN analytics.remix_trees.nodes IS 'Projects in the tree, the root and those that are gone included.';
COMMENT ON COLUMN analytics.remix_trees.depth IS 'Steps from the root to the farthest remix.';
COMMENT ON COLUMN analytics.remix_trees.breadth IS 'The most projects that are equally far from the root.';
COMMENT ON COLUMN analytics.remix_trees.direct_remixes IS 'Remixes of the root itself.';
COMMENT ON COLUMN analytics.remix_trees.gone IS 'Projects of the tree that are gone.';
COMMENT ON COLUMN analytics.remix_trees.never_seen IS
    'Projects of which nothing is known but that others came from them.';
COMMENT ON COLUMN analytics.remix_trees.assumed IS 'Projects whose parent is unknown: they hang from the root.';
COMMENT ON COLUMN analytics.remix_trees.first_shared_at IS 'When the first of its projects was last shared.';
COMMENT ON COLUMN analytics.remix_trees.last_shared_at IS 'When the last of its projects was last shared.';
