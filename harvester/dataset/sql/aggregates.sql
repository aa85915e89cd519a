-- name: make_people
CREATE TEMP TABLE records_people ON COMMIT DROP AS
SELECT k.id AS person, t.joined_at AS created_at, t.country, nullif(concat_ws(' ', t.status, t.bio), '') AS text
FROM kept_users k JOIN {users} t ON t.id = k.id WHERE NOT k.gone

-- name: make_projects
CREATE TEMP TABLE records_projects ON COMMIT DROP AS
SELECT t.author_id AS person, k.id, t.created_at, t.title AS text, coalesce(t.root_id, t.parent_id, t.id) AS tree
FROM kept_projects k JOIN {projects} t ON t.id = k.id WHERE NOT k.gone AND t.author_id IS NOT NULL

-- name: make_studios
CREATE TEMP TABLE records_studios ON COMMIT DROP AS
SELECT t.host_id AS person, k.id, t.created_at, t.title AS text
FROM kept_studios k JOIN {studios} t ON t.id = k.id WHERE NOT k.gone AND t.host_id IS NOT NULL

-- name: make_comments
CREATE TEMP TABLE records_comments
    (person bigint, counted text, id bigint, created_at timestamptz, text text, thread bigint, latency interval)
ON COMMIT DROP

-- name: add_comments
-- When the comment was written that a reply answers is a fact about the reply.
INSERT INTO records_comments
SELECT t.author_id, '{name}', k.id, t.created_at, t.content, coalesce(t.parent_id, t.id), t.created_at - p.created_at
FROM kept_{name} k JOIN {comments} t ON t.id = k.id
LEFT JOIN kept_{name} kp ON kp.id = t.parent_id AND NOT kp.gone
LEFT JOIN scratch.{name} p ON p.id = kp.id
WHERE NOT k.gone AND t.author_id IS NOT NULL

-- name: make_follows
CREATE TEMP TABLE records_follows ON COMMIT DROP AS
SELECT t.follower_id AS person, t.followee_id AS id
FROM {relation} t JOIN kept_users k ON k.id = t.follower_id AND NOT k.gone
JOIN kept_users e ON e.id = t.followee_id AND NOT e.gone
WHERE t.gone_at IS NULL AND {conditions}

-- name: make_entries
-- A project in a studio is a record of the project's author.
CREATE TEMP TABLE records_entries ON COMMIT DROP AS
SELECT p.person, t.studio_id || '/' || t.project_id AS id, t.studio_id AS studio
FROM {relation} t JOIN records_projects p ON p.id = t.project_id
WHERE t.gone_at IS NULL AND {conditions}

-- name: make_sources
CREATE TEMP TABLE records_sources ON COMMIT DROP AS
SELECT p.person, p.id, {score} AS score
FROM kept_sources k JOIN records_projects p ON p.id = k.id
JOIN {versions} v ON v.project_id = k.id LEFT JOIN source.facts f ON f.body_sha256 = v.body_sha256

-- name: make_persons
-- What is known of a person from records of their own alone.
CREATE TEMP TABLE persons ON COMMIT DROP AS
SELECT r.person, r.created_at, r.country, r.text, coalesce(p.n, 0) AS projects, coalesce(f.n, 0) AS following,
    coalesce(p.n, 0) + coalesce(c.n, 0) AS acts
FROM records_people r
LEFT JOIN (SELECT person, count(*) AS n FROM records_projects GROUP BY 1) p USING (person)
LEFT JOIN (SELECT person, count(*) AS n FROM records_comments GROUP BY 1) c USING (person)
LEFT JOIN (SELECT person, count(*) AS n FROM records_follows GROUP BY 1) f USING (person)

-- name: count_people
CREATE TEMP TABLE counted_people ON COMMIT DROP AS
SELECT *, 'people' AS counted, {at} - created_at AS age FROM persons

-- name: bound
-- Of each person as many records as are counted, those with the least hash; `held` is how many there are.
CREATE TEMP TABLE counted_{kind} ON COMMIT DROP AS
SELECT r.*, o.country, o.acts, {columns}
FROM (
    SELECT *, row_number() OVER (PARTITION BY person ORDER BY md5('{key} ' || {name} || ' ' || id), id) AS pick,
        count(*) OVER (PARTITION BY person) AS held
    FROM records_{kind}
) r LEFT JOIN persons o USING (person) WHERE pick <= {k}

-- name: count_by
SELECT counted, {label} AS cell, count(*) AS n FROM counted_{kind} GROUP BY 1, 2

-- name: count_cells
SELECT {label} AS cell, count(*) AS n FROM {relation} t GROUP BY 1

-- name: followers
(SELECT count(f.id) AS n FROM persons p LEFT JOIN counted_follows f ON f.id = p.person GROUP BY p.person)

-- name: studio_sizes
(SELECT count(e.studio) AS n FROM counted_studios s LEFT JOIN counted_entries e ON e.studio = s.id GROUP BY s.id)

-- name: tree_sizes
(SELECT count(*) AS n FROM counted_projects GROUP BY tree)

-- name: thread_sizes
(SELECT count(*) AS n FROM counted_comments GROUP BY counted, thread)

-- name: count_retention
-- People by the year in which they joined, and whether they made something in each year after that day.
SELECT extract(year FROM p.created_at)::int AS cohort, a.years_after, count(*) AS n
FROM persons p
JOIN (
    SELECT DISTINCT r.person, floor(extract(epoch FROM r.created_at - p.created_at) / 31557600)::int AS years_after
    FROM (
        SELECT person, created_at FROM records_projects UNION ALL SELECT person, created_at FROM records_comments
    ) r JOIN persons p USING (person)
) a USING (person)
GROUP BY 1, 2

-- name: count_left_out
-- Records above the bound, of each person at most `most`.
SELECT coalesce(sum(least(held - {k}, {most})), 0)::bigint FROM counted_{kind} WHERE pick = 1 AND held > {k}
