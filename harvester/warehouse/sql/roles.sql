-- name: owns_tables
SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class
WHERE relnamespace = ANY(%s::regnamespace[]) AND relkind = 'r'
