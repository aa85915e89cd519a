-- name: record
INSERT INTO crawl.source (id, api_url, site_url, sandbox, projects_url)
VALUES (1, %(api_url)s, %(site_url)s, %(sandbox)s, %(projects_url)s) ON CONFLICT DO NOTHING

-- name: move
UPDATE crawl.source SET api_url = %(api_url)s, site_url = %(site_url)s, sandbox = %(sandbox)s,
    projects_url = coalesce(%(projects_url)s, projects_url)
WHERE id = 1
