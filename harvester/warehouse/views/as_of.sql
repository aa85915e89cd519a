-- studios as known at a time
CREATE FUNCTION history.studios_at(timestamptz) RETURNS TABLE (id bigint, host_id bigint, title text, description text, visibility text, public boolean, open_to_all boolean, comments_allowed boolean, created_at timestamp with time zone, modified_at timestamp with time zone, comment_count integer, follower_count integer, manager_count integer, project_count integer, from_index text[], first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.id,
    CASE WHEN v0.valid_to IS NULL THEN t.host_id ELSE v0.host_id END,
    CASE WHEN v0.valid_to IS NULL THEN t.title ELSE v0.title END,
    CASE WHEN v0.valid_to IS NULL THEN t.description ELSE v0.description END,
    CASE WHEN v0.valid_to IS NULL THEN t.visibility ELSE v0.visibility END,
    CASE WHEN v0.valid_to IS NULL THEN t.public ELSE v0.public END,
    CASE WHEN v0.valid_to IS NULL THEN t.open_to_all ELSE v0.open_to_all END,
    CASE WHEN v0.valid_to IS NULL THEN t.comments_allowed ELSE v0.comments_allowed END,
    t.created_at,
    t.modified_at,
    CASE WHEN v1.valid_to IS NULL THEN t.comment_count ELSE v1.comment_count END,
    CASE WHEN v1.valid_to IS NULL THEN t.follower_count ELSE v1.follower_count END,
    CASE WHEN v1.valid_to IS NULL THEN t.manager_count ELSE v1.manager_count END,
    CASE WHEN v1.valid_to IS NULL THEN t.project_count ELSE v1.project_count END,
    t.from_index,
    t.first_seen_at,
    t.extra
FROM scratch.studios t
LEFT JOIN LATERAL (
    SELECT h.* FROM history.studio_revisions h
    WHERE h.studio_id = t.id AND h.valid_to > $1
    ORDER BY h.valid_to LIMIT 1
) v0 ON true
LEFT JOIN LATERAL (
    SELECT h.* FROM history.studio_stats h
    WHERE h.studio_id = t.id AND h.valid_to > $1
    ORDER BY h.valid_to LIMIT 1
) v1 ON true
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'studios' AND a.thing_id = t.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
$$;

COMMENT ON FUNCTION history.studios_at IS 'scratch.studios as known at a time.';

-- users as known at a time
CREATE FUNCTION history.users_at(timestamptz) RETURNS TABLE (id bigint, username text, joined_at timestamp with time zone, scratch_team boolean, country text, status text, bio text, profile_id bigint, featured_project_id bigint, featured_label text, from_index text[], first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.id,
    CASE WHEN v0.valid_to IS NULL THEN t.username ELSE v0.username END,
    t.joined_at,
    CASE WHEN v0.valid_to IS NULL THEN t.scratch_team ELSE v0.scratch_team END,
    CASE WHEN v0.valid_to IS NULL THEN t.country ELSE v0.country END,
    CASE WHEN v0.valid_to IS NULL THEN t.status ELSE v0.status END,
    CASE WHEN v0.valid_to IS NULL THEN t.bio ELSE v0.bio END,
    t.profile_id,
    CASE WHEN v0.valid_to IS NULL THEN t.featured_project_id ELSE v0.featured_project_id END,
    CASE WHEN v0.valid_to IS NULL THEN t.featured_label ELSE v0.featured_label END,
    t.from_index,
    t.first_seen_at,
    t.extra
FROM scratch.users t
LEFT JOIN LATERAL (
    SELECT h.* FROM history.user_revisions h
    WHERE h.user_id = t.id AND h.valid_to > $1
    ORDER BY h.valid_to LIMIT 1
) v0 ON true
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'users' AND a.thing_id = t.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
$$;

COMMENT ON FUNCTION history.users_at IS 'scratch.users as known at a time.';

-- follows as known at a time
CREATE FUNCTION history.follows_at(timestamptz) RETURNS TABLE (follower_id bigint, followee_id bigint, first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.follower_id,
    t.followee_id,
    t.first_seen_at,
    t.extra
FROM scratch.follows t
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'follows' AND a.thing_id = t.follower_id AND a.other_id = t.followee_id
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
$$;

COMMENT ON FUNCTION history.follows_at IS 'scratch.follows as known at a time.';

-- profile_comments as known at a time
CREATE FUNCTION history.profile_comments_at(timestamptz) RETURNS TABLE (id bigint, user_id bigint, parent_id bigint, author_id bigint, commentee_id bigint, content text, content_raw text, created_at timestamp with time zone, modified_at timestamp with time zone, visibility text, reply_count integer, first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.id,
    t.user_id,
    t.parent_id,
    t.author_id,
    t.commentee_id,
    CASE WHEN v0.valid_to IS NULL THEN t.content ELSE v0.content END,
    CASE WHEN v0.valid_to IS NULL THEN t.content_raw ELSE v0.content_raw END,
    t.created_at,
    t.modified_at,
    CASE WHEN v0.valid_to IS NULL THEN t.visibility ELSE v0.visibility END,
    t.reply_count,
    t.first_seen_at,
    t.extra
FROM scratch.profile_comments t
LEFT JOIN LATERAL (
    SELECT h.* FROM history.comment_revisions h
    WHERE h.comment_id = t.id AND h.kind = 'profile' AND h.valid_to > $1
    ORDER BY h.valid_to LIMIT 1
) v0 ON true
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'profile_comments' AND a.thing_id = t.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    AND EXISTS (
        SELECT FROM scratch.users p WHERE p.id = t.user_id
        AND (p.gone_at IS NULL OR p.gone_at > $1)
        AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'users' AND a.thing_id = p.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    )
$$;

COMMENT ON FUNCTION history.profile_comments_at IS 'scratch.profile_comments as known at a time.';

-- projects as known at a time
CREATE FUNCTION history.projects_at(timestamptz) RETURNS TABLE (id bigint, author_id bigint, title text, description text, instructions text, visibility text, public boolean, comments_allowed boolean, is_published boolean, created_at timestamp with time zone, modified_at timestamp with time zone, shared_at timestamp with time zone, views integer, loves integer, favorites integer, remixes integer, parent_id bigint, root_id bigint, from_index text[], first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.id,
    t.author_id,
    CASE WHEN v0.valid_to IS NULL THEN t.title ELSE v0.title END,
    CASE WHEN v0.valid_to IS NULL THEN t.description ELSE v0.description END,
    CASE WHEN v0.valid_to IS NULL THEN t.instructions ELSE v0.instructions END,
    CASE WHEN v0.valid_to IS NULL THEN t.visibility ELSE v0.visibility END,
    CASE WHEN v0.valid_to IS NULL THEN t.public ELSE v0.public END,
    CASE WHEN v0.valid_to IS NULL THEN t.comments_allowed ELSE v0.comments_allowed END,
    CASE WHEN v0.valid_to IS NULL THEN t.is_published ELSE v0.is_published END,
    t.created_at,
    t.modified_at,
    CASE WHEN v0.valid_to IS NULL THEN t.shared_at ELSE v0.shared_at END,
    CASE WHEN v1.valid_to IS NULL THEN t.views ELSE v1.views END,
    CASE WHEN v1.valid_to IS NULL THEN t.loves ELSE v1.loves END,
    CASE WHEN v1.valid_to IS NULL THEN t.favorites ELSE v1.favorites END,
    CASE WHEN v1.valid_to IS NULL THEN t.remixes ELSE v1.remixes END,
    t.parent_id,
    t.root_id,
    t.from_index,
    t.first_seen_at,
    t.extra
FROM scratch.projects t
LEFT JOIN LATERAL (
    SELECT h.* FROM history.project_revisions h
    WHERE h.project_id = t.id AND h.valid_to > $1
    ORDER BY h.valid_to LIMIT 1
) v0 ON true
LEFT JOIN LATERAL (
    SELECT h.* FROM history.project_stats h
    WHERE h.project_id = t.id AND h.valid_to > $1
    ORDER BY h.valid_to LIMIT 1
) v1 ON true
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'projects' AND a.thing_id = t.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
$$;

COMMENT ON FUNCTION history.projects_at IS 'scratch.projects as known at a time.';

-- studio_comments as known at a time
CREATE FUNCTION history.studio_comments_at(timestamptz) RETURNS TABLE (id bigint, studio_id bigint, parent_id bigint, author_id bigint, commentee_id bigint, content text, content_raw text, created_at timestamp with time zone, modified_at timestamp with time zone, visibility text, reply_count integer, first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.id,
    t.studio_id,
    t.parent_id,
    t.author_id,
    t.commentee_id,
    CASE WHEN v0.valid_to IS NULL THEN t.content ELSE v0.content END,
    CASE WHEN v0.valid_to IS NULL THEN t.content_raw ELSE v0.content_raw END,
    t.created_at,
    t.modified_at,
    CASE WHEN v0.valid_to IS NULL THEN t.visibility ELSE v0.visibility END,
    t.reply_count,
    t.first_seen_at,
    t.extra
FROM scratch.studio_comments t
LEFT JOIN LATERAL (
    SELECT h.* FROM history.comment_revisions h
    WHERE h.comment_id = t.id AND h.kind = 'studio' AND h.valid_to > $1
    ORDER BY h.valid_to LIMIT 1
) v0 ON true
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'studio_comments' AND a.thing_id = t.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    AND EXISTS (
        SELECT FROM scratch.studios p WHERE p.id = t.studio_id
        AND (p.gone_at IS NULL OR p.gone_at > $1)
        AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'studios' AND a.thing_id = p.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    )
$$;

COMMENT ON FUNCTION history.studio_comments_at IS 'scratch.studio_comments as known at a time.';

-- studio_members as known at a time
CREATE FUNCTION history.studio_members_at(timestamptz) RETURNS TABLE (studio_id bigint, user_id bigint, role text, first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.studio_id,
    t.user_id,
    CASE WHEN v0.valid_to IS NULL THEN t.role ELSE v0.role END,
    t.first_seen_at,
    t.extra
FROM scratch.studio_members t
LEFT JOIN LATERAL (
    SELECT h.* FROM history.member_revisions h
    WHERE h.studio_id = t.studio_id AND h.user_id = t.user_id AND h.valid_to > $1
    ORDER BY h.valid_to LIMIT 1
) v0 ON true
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'studio_members' AND a.thing_id = t.studio_id AND a.other_id = t.user_id
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    AND EXISTS (
        SELECT FROM scratch.studios p WHERE p.id = t.studio_id
        AND (p.gone_at IS NULL OR p.gone_at > $1)
        AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'studios' AND a.thing_id = p.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    )
$$;

COMMENT ON FUNCTION history.studio_members_at IS 'scratch.studio_members as known at a time.';

-- favorites as known at a time
CREATE FUNCTION history.favorites_at(timestamptz) RETURNS TABLE (user_id bigint, project_id bigint, first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.user_id,
    t.project_id,
    t.first_seen_at,
    t.extra
FROM scratch.favorites t
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'favorites' AND a.thing_id = t.user_id AND a.other_id = t.project_id
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    AND EXISTS (
        SELECT FROM scratch.projects p WHERE p.id = t.project_id
        AND (p.gone_at IS NULL OR p.gone_at > $1)
        AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'projects' AND a.thing_id = p.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    )
$$;

COMMENT ON FUNCTION history.favorites_at IS 'scratch.favorites as known at a time.';

-- project_comments as known at a time
CREATE FUNCTION history.project_comments_at(timestamptz) RETURNS TABLE (id bigint, project_id bigint, parent_id bigint, author_id bigint, commentee_id bigint, content text, content_raw text, created_at timestamp with time zone, modified_at timestamp with time zone, visibility text, reply_count integer, first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.id,
    t.project_id,
    t.parent_id,
    t.author_id,
    t.commentee_id,
    CASE WHEN v0.valid_to IS NULL THEN t.content ELSE v0.content END,
    CASE WHEN v0.valid_to IS NULL THEN t.content_raw ELSE v0.content_raw END,
    t.created_at,
    t.modified_at,
    CASE WHEN v0.valid_to IS NULL THEN t.visibility ELSE v0.visibility END,
    t.reply_count,
    t.first_seen_at,
    t.extra
FROM scratch.project_comments t
LEFT JOIN LATERAL (
    SELECT h.* FROM history.comment_revisions h
    WHERE h.comment_id = t.id AND h.kind = 'project' AND h.valid_to > $1
    ORDER BY h.valid_to LIMIT 1
) v0 ON true
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'project_comments' AND a.thing_id = t.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    AND EXISTS (
        SELECT FROM scratch.projects p WHERE p.id = t.project_id
        AND (p.gone_at IS NULL OR p.gone_at > $1)
        AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'projects' AND a.thing_id = p.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    )
$$;

COMMENT ON FUNCTION history.project_comments_at IS 'scratch.project_comments as known at a time.';

-- studio_projects as known at a time
CREATE FUNCTION history.studio_projects_at(timestamptz) RETURNS TABLE (studio_id bigint, project_id bigint, added_by_id bigint, first_seen_at timestamp with time zone, extra jsonb)
LANGUAGE sql STABLE AS $$
SELECT t.studio_id,
    t.project_id,
    t.added_by_id,
    t.first_seen_at,
    t.extra
FROM scratch.studio_projects t
WHERE t.first_seen_at <= $1
    AND (t.gone_at IS NULL OR t.gone_at > $1)
    AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'studio_projects' AND a.thing_id = t.studio_id AND a.other_id = t.project_id
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    AND EXISTS (
        SELECT FROM scratch.studios p WHERE p.id = t.studio_id
        AND (p.gone_at IS NULL OR p.gone_at > $1)
        AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'studios' AND a.thing_id = p.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    )
    AND EXISTS (
        SELECT FROM scratch.projects p WHERE p.id = t.project_id
        AND (p.gone_at IS NULL OR p.gone_at > $1)
        AND NOT EXISTS (
        SELECT FROM history.absences a WHERE a.kind = 'projects' AND a.thing_id = p.id AND a.other_id = 0
            AND a.gone_at <= $1 AND a.returned_at > $1
    )
    )
$$;

COMMENT ON FUNCTION history.studio_projects_at IS 'scratch.studio_projects as known at a time.';
