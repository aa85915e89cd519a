-- name: states_with_numbers
SELECT stream, entity_id, state, certificate FROM crawl.frontier
WHERE stream = ANY(%s) AND EXISTS (
    SELECT FROM unnest(%s::text[]) n (number)
    WHERE strpos(certificate::text, number) > 0 OR strpos(state::text, number) > 0
)

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
-- The id stays, as one that is not found: a gap in the draw would show that somebody was erased.
UPDATE crawl.draws SET outcome = 'not found', visited_at = coalesce(visited_at, crawl.clock())
WHERE design_id IN (SELECT id FROM crawl.designs WHERE kind = %s) AND entity_id = ANY(%s)

-- name: empty_wave_outcomes
UPDATE crawl.wave_outcomes o SET visit = 'visited', outcome = 'not found',
    visited_at = coalesce(o.visited_at, crawl.clock())
FROM crawl.draws d
WHERE d.design_id = o.design_id AND d.position = o.position
    AND d.design_id IN (SELECT id FROM crawl.designs WHERE kind = %s) AND d.entity_id = ANY(%s)

-- name: delete_versions
DELETE FROM source.versions WHERE project_id = ANY(%s) RETURNING body_sha256

-- name: delete_unused
DELETE FROM {table} t WHERE t.{column} = ANY(%s)
    AND NOT EXISTS (SELECT FROM source.versions v WHERE v.body_sha256 = t.{column})

-- name: suspicious_rows
SELECT {key}, {texts} FROM {table} WHERE {condition}

-- name: is_suspicious
lower({text} COLLATE "C") LIKE ANY(%(names)s) OR {text} ~ %(hiding)s OR octet_length({text}) > char_length({text})

-- name: redact
UPDATE {table} SET {texts} WHERE ({key}) = ({values})

-- name: empty_requests
UPDATE crawl.erasure_requests SET user_id = NULL, username = NULL,
    erased_at = CASE WHEN closed_at IS NULL THEN coalesce(erased_at, crawl.clock()) ELSE erased_at END
WHERE user_id = ANY(%s) OR lower(username) = ANY(%s)
