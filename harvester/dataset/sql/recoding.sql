-- name: users
-- Counts are over rows that are present now.
SELECT k.id, k.id AS person, t.country, r.region, t.joined_at,
    coalesce(followers.n, 0) AS followers_count,
    coalesce(following.n, 0) AS following_count,
    coalesce(projects.n, 0) AS projects_count
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
SELECT k.id, coalesce(t.author_id, -t.id) AS person, t.views, t.loves, t.favorites, t.remixes, t.created_at,
    t.parent_id IS NOT NULL AS is_remix, draw.stratum AS design_stratum, draw.weight AS design_weight
FROM kept_projects k
JOIN {projects} t ON t.id = k.id
LEFT JOIN {drawn} draw ON draw.entity_id = t.id

-- name: studios
SELECT k.id, coalesce(t.host_id, -t.id) AS person, t.project_count, t.follower_count, t.comment_count, t.created_at,
    t.open_to_all
FROM kept_studios k
JOIN {studios} t ON t.id = k.id

-- name: sources
SELECT k.id, coalesce(t.author_id, -t.id) AS person, v.format, v.blocks, f.scripts, f.sprites,
    {score} AS score, t.created_at, t.parent_id IS NOT NULL AS is_remix,
    draw.stratum AS design_stratum, draw.weight AS design_weight
FROM kept_sources k
JOIN {projects} t ON t.id = k.id
JOIN {versions} v ON v.project_id = k.id
LEFT JOIN source.facts f ON f.body_sha256 = v.body_sha256
LEFT JOIN {drawn} draw ON draw.entity_id = t.id

-- name: comments
SELECT k.id, coalesce(t.author_id, -t.id) AS person, t.parent_id IS NOT NULL AS is_reply, t.created_at
FROM kept_{name} k
JOIN {comments} t ON t.id = k.id
