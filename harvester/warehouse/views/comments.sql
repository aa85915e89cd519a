-- All comments with their kind: the ids of the three kinds collide, so (kind, id) is the key.
CREATE VIEW scratch.comments AS
SELECT 'project' AS kind, c.id, c.project_id AS place_id, c.parent_id, c.author_id, c.commentee_id, c.content, c.content_raw,
       c.created_at, c.modified_at, c.visibility, c.reply_count, c.first_seen_at, c.gone_at, c.last_seen_at, c.gone_reason, c.extra,
       c.gone_at IS NULL AND p.gone_at IS NULL AS is_present
FROM scratch.project_comments c LEFT JOIN scratch.projects p ON p.id = c.project_id
UNION ALL
SELECT 'studio', c.id, c.studio_id, c.parent_id, c.author_id, c.commentee_id, c.content, c.content_raw,
       c.created_at, c.modified_at, c.visibility, c.reply_count, c.first_seen_at, c.gone_at, c.last_seen_at, c.gone_reason, c.extra,
       c.gone_at IS NULL AND p.gone_at IS NULL
FROM scratch.studio_comments c LEFT JOIN scratch.studios p ON p.id = c.studio_id
UNION ALL
SELECT 'profile', c.id, c.user_id, c.parent_id, c.author_id, c.commentee_id, c.content, c.content_raw,
       c.created_at, c.modified_at, c.visibility, c.reply_count, c.first_seen_at, c.gone_at, c.last_seen_at, c.gone_reason, c.extra,
       c.gone_at IS NULL AND p.gone_at IS NULL
FROM scratch.profile_comments c LEFT JOIN scratch.users p ON p.id = c.user_id;

COMMENT ON VIEW scratch.comments IS
    'Comments of all kinds; place_id is the project, studio or user they stand on.';
COMMENT ON COLUMN scratch.comments.kind IS 'project, studio or profile: ids of the three kinds collide.';
COMMENT ON COLUMN scratch.comments.id IS 'The comment''s id among those of its kind.';
COMMENT ON COLUMN scratch.comments.place_id IS 'The project, studio or user that it stands on.';
COMMENT ON COLUMN scratch.comments.parent_id IS 'The comment of the same kind it replies to; null at the top of a thread.';
COMMENT ON COLUMN scratch.comments.author_id IS 'Who wrote it.';
COMMENT ON COLUMN scratch.comments.commentee_id IS 'Whom a reply addresses; may be null.';
COMMENT ON COLUMN scratch.comments.content IS 'The text as a reader sees it.';
COMMENT ON COLUMN scratch.comments.content_raw IS 'The text as served, where it differs from what a reader sees.';
COMMENT ON COLUMN scratch.comments.created_at IS 'When it was written, to the second.';
COMMENT ON COLUMN scratch.comments.modified_at IS 'When the site last touched it.';
COMMENT ON COLUMN scratch.comments.visibility IS 'Visibility as the site states it.';
COMMENT ON COLUMN scratch.comments.reply_count IS 'Replies as the site states them: above 0 if there are any, else not exact.';
COMMENT ON COLUMN scratch.comments.first_seen_at IS 'When the row was first stored.';
COMMENT ON COLUMN scratch.comments.gone_at IS 'When it was shown to be absent; null while present.';
COMMENT ON COLUMN scratch.comments.last_seen_at IS 'When it was last known to be present.';
COMMENT ON COLUMN scratch.comments.gone_reason IS 'What its absence means; null while present. Values: deleted, removed.';
COMMENT ON COLUMN scratch.comments.extra IS 'Served fields that have no column here.';
COMMENT ON COLUMN scratch.comments.is_present IS
    'Whether it is there for a reader: neither it nor the project, studio or user that it stands on is gone.';
