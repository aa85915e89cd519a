-- All comments with their kind: the ids of the three kinds collide, so (kind, id) is the key.
CREATE VIEW scratch.comments AS
SELECT 'project' AS kind, id, project_id AS place_id, parent_id, author_id, commentee_id, content, content_served,
       created_at, modified_at, visibility, reply_count, first_seen_at, gone_at, gone_reason, extra
FROM scratch.project_comments
UNION ALL
SELECT 'studio', id, studio_id, parent_id, author_id, commentee_id, content, content_served,
       created_at, modified_at, visibility, reply_count, first_seen_at, gone_at, gone_reason, extra
FROM scratch.studio_comments
UNION ALL
SELECT 'profile', id, user_id, parent_id, author_id, commentee_id, content, content_served,
       created_at, modified_at, visibility, reply_count, first_seen_at, gone_at, gone_reason, extra
FROM scratch.profile_comments;

COMMENT ON VIEW scratch.comments IS
    'Comments of all kinds; place_id is the project, studio or user they stand on.';
