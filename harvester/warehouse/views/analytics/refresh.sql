-- How the materialised views of this schema are refreshed, by roles that do not own them too.

CREATE FUNCTION crawl.refresh_figures(figures text) RETURNS bigint
-- With 4 MB of memory, the default, each large sort and hash would go by way of disk.
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET work_mem = '128MB' AS $$
DECLARE
    found bigint;
BEGIN
    EXECUTE format('REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.%I', figures);
    -- Statistics hold the most common values: of an erased person too, until they are taken again.
    EXECUTE format('ANALYZE analytics.%I', figures);
    EXECUTE format('SELECT count(*) FROM analytics.%I', figures) INTO found;
    INSERT INTO analytics.refreshes AS r (relation, refreshed_at, row_count) VALUES (figures, now(), found)
    ON CONFLICT (relation) DO UPDATE SET refreshed_at = excluded.refreshed_at, row_count = excluded.row_count;
    RETURN found;
END $$;

REVOKE ALL ON FUNCTION crawl.refresh_figures FROM PUBLIC;

COMMENT ON FUNCTION crawl.refresh_figures IS
    'Refresh a materialised view of schema analytics, with its statistics and its row in analytics.refreshes; return the rows that it has. Runs with the rights of the owner, since PostgreSQL 15 lets nobody else refresh.';
