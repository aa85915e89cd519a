-- name: kept_databases
SELECT d.datname FROM pg_database d, shobj_description(d.oid, 'pg_database') AS c (comment)
WHERE starts_with(d.datname, %(prefix)s) AND starts_with(c.comment, %(comment)s) AND strpos(c.comment, %(kept)s) > 0
    AND pg_has_role(d.datdba, 'USAGE')
ORDER BY 1
