-- name: is_large
SELECT max(c.reltuples) > %s, (SELECT min(refreshed_at) FROM analytics.refreshes),
    max(c.reltuples) FILTER (WHERE c.relname = 'users') FROM pg_class c
WHERE c.relnamespace = 'scratch'::regnamespace AND c.relkind = 'r'
