-- name: identity
-- A cluster's identifier is its own since it was made, and the number of a database since that was: a dump that is
-- restored elsewhere, or beside, has another one.
SELECT s.system_identifier || '-' || d.oid
FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()

-- name: known_folder
SELECT EXISTS (SELECT FROM source.folders WHERE path = %s), EXISTS (SELECT FROM source.bodies WHERE packed IS NULL)

-- name: held
-- Of one part of a folder: the digests that begin with its byte.
SELECT sha256 FROM source.bodies WHERE sha256 BETWEEN %s AND %s AND packed IS NULL
