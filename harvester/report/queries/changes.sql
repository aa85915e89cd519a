-- What remixes changed of their parents, of those that could be compared.
SELECT sum(remixes)::bigint AS remixes, sum(untouched)::bigint AS untouched,
    sum(changed_scripts)::bigint AS changed_scripts, sum(changed_assets)::bigint AS changed_assets,
    sum(scripts_kept)::bigint AS scripts_kept, sum(scripts_added)::bigint AS scripts_added,
    sum(scripts_removed)::bigint AS scripts_removed
FROM analytics.remix_changes
WHERE relation = 'parent'
HAVING count(*) > 0
