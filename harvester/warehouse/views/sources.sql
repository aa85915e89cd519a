-- Of each project the source that it had when it was last read.

CREATE VIEW source.present_versions AS
SELECT DISTINCT ON (project_id) *
FROM source.versions
ORDER BY project_id, last_seen_at DESC, first_seen_at DESC, sha256;

COMMENT ON VIEW source.present_versions IS
    'Of each project the version that was last read: of two of the same time the one that was first read later.';
