-- What the columns of the views and the functions mean that were made before views had comments on their columns.

COMMENT ON COLUMN scratch.comments.kind IS 'project, studio or profile: ids of the three kinds collide.';
COMMENT ON COLUMN scratch.comments.id IS 'The comment''s id among those of its kind.';
COMMENT ON COLUMN scratch.comments.place_id IS 'The project, studio or user that it stands on.';
COMMENT ON COLUMN scratch.comments.parent_id IS 'The comment of the same kind it replies to; null at the top of a thread.';
COMMENT ON COLUMN scratch.comments.author_id IS 'Who wrote it.';
COMMENT ON COLUMN scratch.comments.commentee_id IS 'Whom a reply addresses; may be null.';
COMMENT ON COLUMN scratch.comments.content IS 'The text as a reader sees it.';
COMMENT ON COLUMN scratch.comments.content_served IS 'The text as served, where it differs from what a reader sees.';
COMMENT ON COLUMN scratch.comments.created_at IS 'When it was written, to the second.';
COMMENT ON COLUMN scratch.comments.modified_at IS 'When the site last touched it.';
COMMENT ON COLUMN scratch.comments.visibility IS 'Visibility as the site states it.';
COMMENT ON COLUMN scratch.comments.reply_count IS 'Replies as the site states them: above 0 if there are any, else not exact.';
COMMENT ON COLUMN scratch.comments.first_seen_at IS 'When the row was first stored.';
COMMENT ON COLUMN scratch.comments.gone_at IS 'When it was shown to be absent; null while present.';
COMMENT ON COLUMN scratch.comments.gone_reason IS 'What its absence means; null while present.';
COMMENT ON COLUMN scratch.comments.extra IS 'Served fields that have no column here.';

COMMENT ON COLUMN analytics.coverage.stream IS 'The stream.';
COMMENT ON COLUMN analytics.coverage.entity_id IS 'The user, project, studio or comment that is visited.';
COMMENT ON COLUMN analytics.coverage.state IS
    'not read yet, gone, read (what has no list), certified (proved to be read whole), or unproved.';
COMMENT ON COLUMN analytics.coverage.ground IS 'What the proof rests on: key, identity, agreement of two reads, or none.';
COMMENT ON COLUMN analytics.coverage.certified_from IS 'When the proved walk began: all that stood in the list then is held.';
COMMENT ON COLUMN analytics.coverage.certified_at IS 'When it ended.';
COMMENT ON COLUMN analytics.coverage.enumerated_at IS 'When the last walk through the whole list began.';
COMMENT ON COLUMN analytics.coverage.held IS 'Items that the list held then, and new ones since.';
COMMENT ON COLUMN analytics.coverage.newest_at IS 'The time of the newest item under the proof, for lists in order of time.';
COMMENT ON COLUMN analytics.coverage.hole_before IS 'A walk is under way: what is older than this is not read yet,';
COMMENT ON COLUMN analytics.coverage.hole_after IS 'down to this.';
COMMENT ON COLUMN analytics.coverage.capped IS 'Whether the site serves no more than the newest pages.';
COMMENT ON COLUMN analytics.coverage.visited_at IS 'When the last completed visit began.';
COMMENT ON COLUMN analytics.coverage.due_at IS 'When the next visit must take place at the latest.';

COMMENT ON COLUMN analytics.id_gaps.kind IS 'project, studio, user, project comment, studio comment or profile comment.';
COMMENT ON COLUMN analytics.id_gaps.month IS 'The month in which they were created, in UTC.';
COMMENT ON COLUMN analytics.id_gaps.held IS 'Rows that are held.';
COMMENT ON COLUMN analytics.id_gaps.lowest_id IS 'The lowest id of them.';
COMMENT ON COLUMN analytics.id_gaps.highest_id IS 'The highest.';
COMMENT ON COLUMN analytics.id_gaps.ids_not_held IS 'Ids in between that are not held.';
COMMENT ON COLUMN analytics.id_gaps.share_held IS 'Rows held as a share of the ids from the lowest to the highest.';
