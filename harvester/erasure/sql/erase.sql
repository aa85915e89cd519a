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

-- name: insert_repeated
-- Each erasure has its own time, which all of its hashes have.
INSERT INTO crawl.erasures (hash, kind, erased_at) VALUES (%s, %s, crawl.clock() + %s * interval '1 microsecond')
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
-- With projects that only a ranking, or a user who features them, shows as the person's.
SELECT id FROM scratch.projects WHERE author_id = ANY(%(users)s)
UNION (
    SELECT thing_id FROM history.rankings WHERE kind = 'project' AND lower(extra ->> 'creator') = ANY(%(names)s)
    UNION SELECT (extra -> 'featured_project_data' ->> 'id')::bigint FROM scratch.users
    WHERE lower(extra -> 'featured_project_data' ->> 'creator') = ANY(%(names)s)
        AND extra -> 'featured_project_data' ->> 'id' ~ %(id)s
    EXCEPT SELECT id FROM scratch.projects WHERE NOT author_id = ANY(%(users)s)
)
