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
