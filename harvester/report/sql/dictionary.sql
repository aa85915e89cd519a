-- name: columns
SELECT n.nspname::text, c.relname::text, c.relkind::text, coalesce(obj_description(c.oid, 'pg_class'), ''),
    a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND (i.indisprimary OR c.relkind = 'm' AND i.indisunique)
        AND a.attnum = ANY(i.indkey)),
    coalesce(col_description(c.oid, a.attnum), ''),
    (SELECT k.confrelid::regclass::text FROM pg_constraint k
     WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conkey = ARRAY[a.attnum] LIMIT 1)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'v', 'm') AND c.relname <> 'alembic_version'
ORDER BY 1, c.relkind = 'v', c.relkind = 'm', 2, a.attnum

-- name: functions
SELECT p.proname::text, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid),
    coalesce(obj_description(p.oid, 'pg_proc'), '')
FROM pg_proc p WHERE p.pronamespace = %s::regnamespace ORDER BY 1, 2
