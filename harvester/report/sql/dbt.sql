-- name: last_visit
-- Of what may change a table. Where nothing that fills it is in scope, nothing can be late.
SELECT coalesce(max(newest_read_at), CASE WHEN count(*) = 0 THEN now() ELSE to_timestamp(0) END)
FROM analytics.stream_freshness WHERE stream IN ({streams})

-- name: last_refresh
SELECT coalesce(max(refreshed_at), to_timestamp(0)) FROM analytics.refreshes WHERE relation = {relation}
