-- name: changed_tables
SELECT s.schemaname, s.relname, pg_has_role(c.relowner, 'USAGE')
FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
WHERE s.schemaname = ANY(%s) AND (s.n_dead_tup > 0 OR s.n_mod_since_analyze > 0 OR s.n_ins_since_vacuum > 0)
ORDER BY 1, 2

-- name: delete_quarantined
-- An item that was set aside stays for as long as its list has a hole there.
DELETE FROM crawl.quarantine WHERE item_id IS NULL AND seen_at < now() - make_interval(days => %(days)s)

-- name: delete_runs
-- What entitled a crawl stays on record: the first and the last run under each statement.
WITH told AS (
    SELECT id, row_number() OVER (same ORDER BY id) AS nth, row_number() OVER (same ORDER BY id DESC) AS nth_last,
        row_number() OVER (ORDER BY id DESC) AS newest
    FROM crawl.runs WHERE parent_run_id IS NULL WINDOW same AS (PARTITION BY version, api_url, contact, permission)
)
DELETE FROM crawl.runs r WHERE r.ended_at < now() - make_interval(days => %(days)s)
    AND NOT EXISTS (SELECT FROM told WHERE told.id IN (r.id, r.parent_run_id)
        AND (least(nth, nth_last) = 1 OR newest <= %(kept)s))

-- name: clear_statistics
WITH r AS (SELECT %s::regclass AS relation)
DELETE FROM pg_statistic USING r
WHERE starelid = r.relation OR starelid IN (SELECT indexrelid FROM pg_index WHERE indrelid = r.relation)

-- name: list_statistics
WITH r AS (SELECT %s::regclass AS relation)
SELECT s.schemaname::text, s.tablename::text, s.attname::text, s.inherited
FROM r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname
WHERE c.oid = r.relation OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = r.relation)
