-- name: names
SELECT username FROM scratch.users WHERE username IS NOT NULL
UNION SELECT username FROM history.user_revisions WHERE username IS NOT NULL

-- name: add_their_projects
INSERT INTO erased_projects
SELECT p.id FROM scratch.projects p JOIN erased_users e ON e.id = p.author_id ON CONFLICT DO NOTHING

-- name: add_their_studios
INSERT INTO erased_studios
SELECT s.id FROM scratch.studios s JOIN erased_users e ON e.id = s.host_id ON CONFLICT DO NOTHING

-- name: count_added
SELECT count(*) FROM now_{table} n WHERE NOT EXISTS (SELECT FROM before_{table} b WHERE b.id = n.id)

-- name: make_withdrawn
CREATE TEMP TABLE withdrawn_{table} ON COMMIT DROP AS
SELECT id FROM before_{table} b WHERE NOT EXISTS (SELECT FROM now_{table} n WHERE n.id = b.id)
