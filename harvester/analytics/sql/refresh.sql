-- name: relations
SELECT
    f.relation,
    f.kind,
    f.said,
    coalesce(s.subject, 'coverage') AS subject,
    s.in_scope,
    s.read,
    s.share_read::float8,
    s.oldest_read_at,
    s.newest_read_at,
    coalesce(s.is_live, f.relation <> 'refreshes') AS is_live,
    s.refreshed_at,
    r.row_count
FROM (
    SELECT relname::text AS relation,
        CASE relkind WHEN 'r' THEN 'table' WHEN 'm' THEN 'materialised view' ELSE 'view' END AS kind,
        obj_description(oid, 'pg_class') AS said
    FROM pg_class WHERE relnamespace = 'analytics'::regnamespace AND relkind IN ('r', 'v', 'm')
    UNION ALL
    SELECT DISTINCT ON (proname) proname::text, 'function', obj_description(oid, 'pg_proc')
    FROM pg_proc WHERE pronamespace = 'analytics'::regnamespace
) f
LEFT JOIN analytics.freshness s USING (relation)
LEFT JOIN analytics.refreshes r USING (relation)
ORDER BY subject, relation LIKE 'live\_%', relation
