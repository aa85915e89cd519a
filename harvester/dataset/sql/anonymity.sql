-- name: users
-- Counts are over rows that are present now.
SELECT k.id, k.id AS person, k.gone,
    CASE WHEN NOT k.gone THEN t.country END AS country,
    CASE WHEN NOT k.gone THEN r.region END AS region,
    CASE WHEN NOT k.gone THEN t.joined_at END AS joined_at,
    CASE WHEN NOT k.gone THEN coalesce(followers.n, 0) END AS followers_count,
    CASE WHEN NOT k.gone THEN coalesce(following.n, 0) END AS following_count,
    CASE WHEN NOT k.gone THEN coalesce(projects.n, 0) END AS projects_count
FROM kept_users k
JOIN {users} t ON t.id = k.id
LEFT JOIN regions r ON r.country = t.country
LEFT JOIN (
    SELECT followee_id AS id, count(*)::int AS n FROM scratch.follows WHERE gone_at IS NULL GROUP BY 1
) followers ON followers.id = t.id
LEFT JOIN (
    SELECT follower_id AS id, count(*)::int AS n FROM scratch.follows WHERE gone_at IS NULL GROUP BY 1
) following ON following.id = t.id
LEFT JOIN (
    SELECT author_id AS id, count(*)::int AS n FROM scratch.projects WHERE gone_at IS NULL GROUP BY 1
) projects ON projects.id = t.id

-- name: projects
SELECT k.id, coalesce(t.author_id, -t.id) AS person, k.gone, t.parent_id, t.root_id,
    CASE WHEN NOT k.gone THEN t.views END AS views,
    CASE WHEN NOT k.gone THEN t.loves END AS loves,
    CASE WHEN NOT k.gone THEN t.favorites END AS favorites,
    CASE WHEN NOT k.gone THEN t.remixes END AS remixes,
    CASE WHEN NOT k.gone THEN t.created_at END AS created_at,
    CASE WHEN NOT k.gone THEN t.parent_id IS NOT NULL END AS is_remix,
    CASE WHEN NOT k.gone THEN {licence} END AS licence,
    CASE WHEN NOT k.gone THEN draw.design_id END AS design_id,
    CASE WHEN NOT k.gone THEN draw.stratum END AS stratum,
    CASE WHEN NOT k.gone THEN draw.inclusion_probability END AS inclusion_probability,
    CASE WHEN NOT k.gone THEN draw.weight END AS weight
FROM kept_projects k
JOIN {projects} t ON t.id = k.id
LEFT JOIN {drawn} draw ON draw.entity_id = t.id

-- name: studios
SELECT k.id, coalesce(t.host_id, -t.id) AS person, k.gone,
    CASE WHEN NOT k.gone THEN t.project_count END AS project_count,
    CASE WHEN NOT k.gone THEN t.follower_count END AS follower_count,
    CASE WHEN NOT k.gone THEN t.comment_count END AS comment_count,
    CASE WHEN NOT k.gone THEN t.created_at END AS created_at,
    CASE WHEN NOT k.gone THEN t.open_to_all END AS open_to_all,
    CASE WHEN NOT k.gone THEN {licence} END AS licence
FROM kept_studios k
JOIN {studios} t ON t.id = k.id

-- name: sources
SELECT k.id, coalesce(t.author_id, -t.id) AS person, v.format, v.blocks, f.scripts, f.sprites,
    {score} AS score, t.created_at, t.parent_id IS NOT NULL AS is_remix,
    draw.design_id, draw.stratum, draw.inclusion_probability, draw.weight
FROM kept_sources k
JOIN {projects} t ON t.id = k.id
JOIN {versions} v ON v.project_id = k.id
LEFT JOIN source.facts f ON f.body_sha256 = v.body_sha256
LEFT JOIN {drawn} draw ON draw.entity_id = t.id

-- name: comments
SELECT k.id, coalesce(t.author_id, -t.id) AS person, k.gone, parent.id AS parent_id,
    t.parent_id IS NOT NULL AS is_reply,
    CASE WHEN NOT k.gone THEN t.created_at END AS created_at,
    CASE WHEN NOT k.gone THEN {licence} END AS licence
FROM kept_{name} k
JOIN {comments} t ON t.id = k.id
LEFT JOIN kept_{name} parent ON parent.id = t.parent_id

-- name: make_facts
CREATE TEMP TABLE facts_{name} ON COMMIT DROP AS {facts}

-- name: make_placed
CREATE TEMP TABLE placed_{name} (id bigint PRIMARY KEY, step int) ON COMMIT DROP

-- name: make_step
-- Items that have no step yet, with their look at this step.
CREATE TEMP TABLE step_now ON COMMIT DROP AS
SELECT t.id, t.person, {label} AS label, {part} AS part
FROM {relation} t WHERE NOT EXISTS (SELECT FROM placed_{name} p WHERE p.id = t.id)

-- name: place
INSERT INTO placed_{name}
SELECT DISTINCT n.id, {step} FROM step_now n
JOIN (
    SELECT label FROM (
        SELECT label, count(DISTINCT person) AS people FROM step_now GROUP BY label, part
    ) alike
    GROUP BY 1 HAVING min(people) >= {k}
) shared USING (label)

-- name: make_cells
CREATE TEMP TABLE cells_{name} ON COMMIT DROP AS
SELECT id, person{edges}, {columns} FROM {placed}

-- name: placed_rows
facts_{name} f JOIN placed_{name} p USING (id)

-- name: delete_unplaced
DELETE FROM kept_{name} k WHERE NOT EXISTS (SELECT FROM cells_{name} c WHERE c.id = k.id)

-- name: make_trees
-- The look of a node: its own cells, those of its parent and those of its root.
CREATE TEMP TABLE trees ON COMMIT DROP AS
SELECT coalesce(c.root_id, c.parent_id, c.id) AS id, c.id AS node, c.person,
    md5(
        (to_jsonb(c) - '{{id,person,parent_id,root_id}}'::text[])::text
        || coalesce((to_jsonb(p) - '{{id,person,parent_id,root_id}}'::text[])::text, '')
        || coalesce((to_jsonb(r) - '{{id,person,parent_id,root_id}}'::text[])::text, '')
        || coalesce(c.parent_id = c.root_id, false)
    ) AS looks
FROM cells_projects c
LEFT JOIN cells_projects p ON p.id = c.parent_id
LEFT JOIN cells_projects r ON r.id = c.root_id

-- name: make_shapes
CREATE TEMP TABLE shapes ON COMMIT DROP AS
SELECT id, md5(string_agg(looks, ',' ORDER BY looks COLLATE "C")) AS looks, count(*) AS nodes FROM trees GROUP BY 1

-- name: nodes
(SELECT n.id, n.person, n.looks AS part, s.looks FROM trees n JOIN shapes s USING (id))

-- name: cut_trees
UPDATE cells_projects c SET parent_id = NULL, root_id = NULL FROM trees t
WHERE t.node = c.id AND NOT EXISTS (SELECT FROM placed_shapes p WHERE p.id = t.id)

-- name: count_trees
SELECT count(*) AS trees, count(*) FILTER (WHERE id IN (SELECT id FROM placed_shapes)) AS placed
FROM shapes WHERE nodes > 1

-- name: make_threads
CREATE TEMP TABLE threads_{name} ON COMMIT DROP AS
SELECT coalesce(parent_id, id) AS id, {looks} FROM facts_{name} GROUP BY 1

-- name: thread_looks
md5(string_agg(
    ({label} || (parent_id IS NULL)), ',' ORDER BY parent_id IS NOT NULL, {label} COLLATE "C"
)) AS looks_{step}

-- name: comments_in_threads
(
    SELECT s.id, f.person, f.parent_id IS NULL AS is_top, {labels}
    FROM facts_{name} f JOIN threads_{name} s ON s.id = coalesce(f.parent_id, f.id)
)

-- name: make_cut
-- The comments of threads without a step.
CREATE TEMP TABLE cut_{name} ON COMMIT DROP AS
SELECT f.* FROM facts_{name} f
WHERE NOT EXISTS (SELECT FROM placed_threads_{name} p WHERE p.id = coalesce(f.parent_id, f.id))

-- name: placed_comments
(
    SELECT f.*, coalesce(p.step, c.step) AS step, p.step IS NOT NULL AS is_whole
    FROM facts_{name} f
    LEFT JOIN placed_threads_{name} p ON p.id = coalesce(f.parent_id, f.id)
    LEFT JOIN placed_{name} c ON c.id = f.id
    WHERE coalesce(p.step, c.step) IS NOT NULL
) f

-- name: comments_of_whole_threads
SELECT p.step, count(*)::bigint AS n
FROM facts_{name} f JOIN placed_threads_{name} p ON p.id = coalesce(f.parent_id, f.id) GROUP BY 1

-- name: make_nodes
CREATE TEMP TABLE nodes_{name} ON COMMIT DROP AS
SELECT coalesce(b.root_id, b.parent_id, b.id) AS tree, b.id, n.id IS NOT NULL AS is_there, n.person,
    md5(
        b.looks || coalesce(p.looks, '-') || coalesce(r.looks, '-')
        || coalesce((b.parent_id = b.root_id)::text, '-')
    ) AS looks
FROM before_{name} b
LEFT JOIN before_{name} p ON p.id = b.parent_id
LEFT JOIN before_{name} r ON r.id = b.root_id
LEFT JOIN now_{name} n ON n.id = b.id

-- name: make_before_trees
CREATE TEMP TABLE before_trees_{name} ON COMMIT DROP AS
SELECT tree, bool_and(is_there) AS is_there,
    coalesce(min(person) FILTER (WHERE id = tree), min(person)) AS person,
    md5(string_agg(looks, ',' ORDER BY looks COLLATE "C")) AS looks, count(*) AS nodes
FROM nodes_{name} GROUP BY 1

-- name: make_withdrawn
CREATE TEMP TABLE withdrawn_{name} ON COMMIT DROP AS
WITH others AS (
    SELECT tree, looks, nodes, min(tree) OVER (PARTITION BY looks, person) AS first
    FROM before_trees_{name}
    WHERE is_there AND looks IN (SELECT looks FROM before_trees_{name} WHERE NOT is_there)
), chosen AS (
    SELECT tree, nodes, dense_rank() OVER (PARTITION BY looks ORDER BY first COLLATE "C") AS place FROM others
)
SELECT id FROM nodes_{name} WHERE tree IN (
    SELECT tree FROM before_trees_{name} WHERE NOT is_there
    UNION ALL SELECT tree FROM chosen WHERE place <= {k} OR nodes > 1
)
