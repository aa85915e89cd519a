-- A materialised view and the view that defines it, or a table and the view of what is present of it, have the same
-- columns: their meaning is stated once, at the former.
DO $$
DECLARE
    kept record;
BEGIN
    FOR kept IN
        SELECT n.nspname, c.relname, a.attname, col_description(c.oid, a.attnum) AS meaning,
            CASE n.nspname WHEN 'analytics' THEN 'live_' ELSE 'present_' END AS prefix
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE (n.nspname = 'analytics' AND c.relkind = 'm' AND to_regclass('analytics.live_' || c.relname) IS NOT NULL)
            OR (n.nspname IN ('scratch', 'source')
                AND to_regclass(n.nspname || '.present_' || c.relname) IS NOT NULL)
    LOOP
        EXECUTE format(
            'COMMENT ON COLUMN %I.%I.%I IS %L', kept.nspname, kept.prefix || kept.relname, kept.attname, kept.meaning
        );
    END LOOP;
END $$;
