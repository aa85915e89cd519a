-- name: users_of_name
WITH now AS (SELECT id FROM scratch.users WHERE lower(username) = %(name)s) SELECT id FROM now
UNION SELECT user_id FROM history.user_revisions
WHERE lower(username) = %(name)s AND NOT EXISTS (SELECT FROM now) ORDER BY 1

-- name: names_of_users
SELECT name
FROM (
    SELECT lower(username) FROM scratch.users WHERE id = ANY(%(users)s)
    UNION SELECT lower(username) FROM history.user_revisions WHERE user_id = ANY(%(users)s)
) n (name)
WHERE name <> ''
    AND NOT EXISTS (SELECT FROM scratch.users o WHERE lower(o.username) = name AND NOT o.id = ANY(%(users)s))

-- name: states_with_numbers
SELECT stream, entity_id, state, certificate FROM crawl.frontier
WHERE stream = ANY(%s) AND EXISTS (
    SELECT FROM unnest(%s::text[]) n (number)
    WHERE strpos(certificate::text, number) > 0 OR strpos(state::text, number) > 0
)

-- name: insert_repeated
-- Each erasure has a time of its own, by which its hashes belong together.
INSERT INTO crawl.erasures (hash, kind, erased_at) VALUES (%s, %s, now() + %s * interval '1 microsecond')
ON CONFLICT DO NOTHING

-- name: names_of_others
SELECT username FROM scratch.users WHERE NOT id = ANY(%(users)s)
    AND EXISTS (SELECT FROM unnest(%(names)s::text[]) n (name) WHERE strpos(lower(username), name) > 0)

-- name: names_of_others_alike
SELECT lower(username) FROM scratch.users WHERE lower(username) = ANY(%(read)s)
    AND NOT id = ANY(%(users)s)

-- name: revoke
DELETE FROM crawl.erasures WHERE kind <> %s AND erased_at =
    (SELECT erased_at FROM crawl.erasures WHERE hash = %s) RETURNING hash

-- name: projects
-- With those that only a ranking, or the page of a user who features one, names as theirs.
SELECT id FROM scratch.projects WHERE author_id = ANY(%(users)s)
UNION (
    SELECT thing_id FROM history.rankings WHERE kind = 'project' AND lower(extra ->> 'creator') = ANY(%(names)s)
    UNION SELECT (extra -> 'featured_project_data' ->> 'id')::bigint FROM scratch.users
    WHERE lower(extra -> 'featured_project_data' ->> 'creator') = ANY(%(names)s)
        AND extra -> 'featured_project_data' ->> 'id' ~ %(id)s
    EXCEPT SELECT id FROM scratch.projects WHERE NOT author_id = ANY(%(users)s)
)

-- name: without_author
SELECT v.id FROM unnest(%s::bigint[]) AS v (id)
WHERE NOT EXISTS (SELECT FROM scratch.projects p WHERE p.author_id IS NOT NULL AND p.id = v.id)

-- name: empty_comments
UPDATE {table} SET {emptied}, extra = '{{}}' WHERE author_id = ANY(%s) RETURNING id

-- name: empty_featured
UPDATE scratch.users SET extra = extra - 'featured_project_data'
WHERE featured_project_id = ANY(%s) AND extra ? 'featured_project_data'

-- name: empty_titles
UPDATE scratch.studio_activity a SET project_title = NULL
WHERE project_title IS NOT NULL AND NOT EXISTS (
    SELECT FROM scratch.projects p WHERE p.author_id IS NOT NULL AND p.id = a.project_id
)

-- name: empty_event_titles
UPDATE {table} a SET extra = extra - 'title'
WHERE extra ? 'title' AND extra ? 'project_id' AND NOT EXISTS (
    SELECT FROM scratch.projects p WHERE p.author_id IS NOT NULL
        AND p.id = CASE WHEN a.extra ->> 'project_id' ~ %s THEN (a.extra ->> 'project_id')::bigint END
)

-- name: empty_draws
-- A number that came up by chance, as of a project that never was: a gap in the draw would tell more.
UPDATE crawl.draws SET outcome = 'not found', visited_at = coalesce(visited_at, crawl.clock())
WHERE design_id IN (SELECT id FROM crawl.designs WHERE kind = %s) AND entity_id = ANY(%s)

-- name: empty_wave_outcomes
UPDATE crawl.wave_outcomes o SET visit = 'visited', outcome = 'not found',
    visited_at = coalesce(o.visited_at, crawl.clock())
FROM crawl.draws d
WHERE d.design_id = o.design_id AND d.position = o.position
    AND d.design_id IN (SELECT id FROM crawl.designs WHERE kind = %s) AND d.entity_id = ANY(%s)

-- name: suspicious_rows
SELECT {key}, {texts} FROM {table} WHERE {condition}

-- name: is_suspicious
lower({text} COLLATE "C") LIKE ANY(%(names)s) OR {text} ~ %(hiding)s OR octet_length({text}) > char_length({text})

-- name: redact
UPDATE {table} SET {texts} WHERE ({key}) = ({values})
