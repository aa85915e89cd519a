-- name: record_part
INSERT INTO crawl.sql_parts (name, digest, views, functions) VALUES (%s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, views = excluded.views,
    functions = excluded.functions, applied_at = now()

-- name: record_filled
UPDATE analytics.refreshes SET refreshed_at = now(), row_count = (SELECT count(*) FROM {view})
WHERE relation = %s

-- name: kinds
SELECT v, CASE relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END
FROM unnest(%s::text[]) AS v JOIN pg_class ON oid = to_regclass(v)

-- name: views
SELECT format('%%I.%%I', s, v) FROM unnest(%s::text[], %s::text[]) AS x (s, v) ORDER BY 1

-- name: functions
SELECT format('%%I.%%I(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname || '.' || p.proname = ANY(%s) ORDER BY 1

-- name: users_of
SELECT DISTINCT format('%%I.%%I', n.nspname, c.relname), v FROM unnest(%s::text[]) AS v
JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass(v)
    AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> d.refobjid
JOIN pg_class c ON c.oid = r.ev_class
JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY 1, 2
