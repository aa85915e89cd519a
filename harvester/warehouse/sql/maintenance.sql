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
),
-- With its workers, or their figures would be counted twice: a run holds the sum of those of its workers.
old AS (
    SELECT r.id FROM crawl.runs r JOIN told USING (id)
    WHERE r.ended_at < now() - make_interval(days => %(days)s) AND least(nth, nth_last) > 1 AND newest > %(kept)s
),
deleted AS (DELETE FROM crawl.runs r USING old WHERE old.id IN (r.id, r.parent_run_id) RETURNING r.*),
leaves AS (SELECT * FROM deleted d WHERE NOT EXISTS (SELECT FROM deleted w WHERE w.parent_run_id = d.id)),
figures AS (
    SELECT 'response' AS kind, stream AS name, status AS detail, sum(count::bigint) AS count
    FROM leaves, jsonb_each(responses) s (stream, statuses), jsonb_each_text(statuses) a (status, count)
    GROUP BY 2, 3
    UNION ALL
    SELECT 'row', name, fate, sum(count::bigint)
    FROM leaves, jsonb_each(counts) t (name, outcomes), jsonb_each_text(outcomes) o (fate, count)
    GROUP BY 2, 3
    UNION ALL
    SELECT 'run', outcome, '', count(*) FROM deleted WHERE parent_run_id IS NULL AND outcome IS NOT NULL GROUP BY 2
),
summed AS (
    INSERT INTO crawl.deleted_runs AS k (kind, name, detail, count) SELECT * FROM figures
    ON CONFLICT (kind, name, detail) DO UPDATE SET count = k.count + excluded.count
)
SELECT FROM deleted

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
