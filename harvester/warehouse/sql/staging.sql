-- name: create_ended
CREATE TEMP TABLE IF NOT EXISTS ended (stream text, entity_id bigint, nth bigint, is_complete boolean, PRIMARY KEY (entity_id, stream))
ON COMMIT DELETE ROWS
