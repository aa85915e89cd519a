-- name: end_vanished
-- A transaction of theirs waits for no client as long, and between two a crawl says every few seconds how far it is.
SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid, %(patience)s))
FROM pg_stat_activity a
WHERE a.pid IN (
        SELECT l.pid FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.classid = %(alive)s AND l.objsubid = 2 AND l.granted
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
    AND a.pid <> pg_backend_pid() AND a.wait_event_type = 'Client'
    AND greatest(a.query_start, a.state_change) < clock_timestamp() - make_interval(secs => %(seconds)s)
    AND pg_has_role(a.usesysid, 'USAGE')

-- name: users_of_tables
-- Sessions of others that hold a lock on something of ours, the oldest transaction first. Of the sessions of another
-- role only its name and the process are shown to a role without rights to know more.
SELECT a.usename::text, coalesce(nullif(a.application_name, ''), 'a program'),
    a.pid, min(a.xact_start) AS since
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = ANY(%(schemas)s)
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND a.datname = current_database() AND a.pid <> pg_backend_pid()
GROUP BY 1, 2, 3 ORDER BY since LIMIT 3
