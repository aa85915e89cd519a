-- name: fingerprints
-- The number of rows of each part, and a sum over the hashes of whole rows. A hash of a row adds up those of its
-- columns, each times a number of its place: two rows that swap a value would have the same sum. So it is hashed once
-- more before it is summed. A NULL, and an empty text, have hashes of their own.
SELECT {part} AS part, count(*) AS rows,
    sum(hashint8extended(hash_record_extended(ROW({columns}), 0), 1)::numeric)::text AS sum
FROM ({rows}) q
WHERE {where}
GROUP BY 1

-- name: export
SELECT * FROM ({rows}) q
WHERE {where}
ORDER BY {order}
