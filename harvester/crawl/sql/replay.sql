-- name: create_pages
CREATE TEMP TABLE pages (number bigint, id text, stream text, entity_id bigint, position int, stored bool)
ON COMMIT DROP

-- name: without_transaction
WITH read AS (
    SELECT p.number, p.stream, p.entity_id, p.position, bool_or(n.stored) AS stored
    FROM pg_temp.pages p LEFT JOIN pg_temp.pages n ON n.id = p.id AND n.number IS NULL
    WHERE p.number IS NOT NULL GROUP BY 1, 2, 3, 4
), placed AS (
    SELECT number, stored, lead(position) OVER visit = position AS is_read_later,
        lag(position) OVER visit = position AND lag(stored) OVER visit AS was_stored_before
    FROM read WINDOW visit AS (PARTITION BY stream, entity_id ORDER BY number)
)
SELECT number, NOT coalesce(is_read_later, false) AND NOT coalesce(was_stored_before, false) AND stored IS NULL
FROM placed WHERE stored IS NOT TRUE
