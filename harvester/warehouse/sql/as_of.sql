-- name: function
CREATE FUNCTION history.{table}_at(timestamptz) RETURNS TABLE ({types})
LANGUAGE sql STABLE AS $$
SELECT {columns}
FROM scratch.{table} t
{joins}
WHERE {conditions}
$$;
COMMENT ON FUNCTION history.{table}_at IS 'scratch.{table} as known at a time.';

-- name: version
-- The version of a row that was current at the time: the first that ended after it.
LEFT JOIN LATERAL (
    SELECT h.* FROM history.{log} h
    WHERE {same} AND h.valid_to > $1
    ORDER BY h.valid_to LIMIT 1
) {version} ON true

-- name: is_shown
EXISTS (SELECT FROM scratch.{container} p WHERE {conditions})

-- name: is_there
({row}.gone_at IS NULL OR {row}.gone_at > $1) AND NOT EXISTS (
    SELECT FROM history.absences a
    WHERE a.kind = '{table}' AND a.thing_id = {row}.{first} AND a.other_id = {second}
        AND a.gone_at <= $1 AND a.returned_at > $1
)
