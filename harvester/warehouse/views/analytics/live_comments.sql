-- A kept table and the view that defines it have the same columns: their meaning is stated once, at the table.
DO $$
DECLARE
    kept record;
BEGIN
    FOR kept IN
        SELECT c.relname, a.attname, col_description(c.oid, a.attnum) AS meaning
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'analytics'::regnamespace AND c.relkind = 'r'
            AND to_regclass('analytics.live_' || c.relname) IS NOT NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN analytics.%I.%I IS %L', 'live_' || kept.relname, kept.attname, kept.meaning);
    END LOOP;
END $$;
