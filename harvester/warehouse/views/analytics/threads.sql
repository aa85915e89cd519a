-- Threads of comments: what they hold, and how long a comment waits for an answer.
--
-- An answer is a reply by somebody else than the author of the thread. Whoever has not been answered yet may still be:
-- waits of recent threads are cut off by the day of the reading.

CREATE VIEW analytics.live_threads AS
SELECT
    'project' AS kind, t.id AS thread_id, t.project_id AS place_id, t.author_id, t.created_at AS started_at,
    t.gone_at IS NOT NULL AS is_gone,
    count(*)::integer AS replies,
    count(*) FILTER (WHERE r.author_id = t.author_id)::integer AS own_replies,
    count(r.gone_at)::integer AS gone_replies,
    count(DISTINCT r.author_id)::integer AS repliers,
    min(r.created_at) AS first_reply_at,
    min(r.created_at) FILTER (WHERE r.author_id <> t.author_id) AS first_answer_at,
    max(r.created_at) AS last_reply_at
FROM scratch.project_comments r JOIN scratch.project_comments t ON t.id = r.parent_id
GROUP BY t.id
UNION ALL
SELECT
    'studio', t.id, t.studio_id, t.author_id, t.created_at,
    t.gone_at IS NOT NULL,
    count(*)::integer,
    count(*) FILTER (WHERE r.author_id = t.author_id)::integer,
    count(r.gone_at)::integer,
    count(DISTINCT r.author_id)::integer,
    min(r.created_at),
    min(r.created_at) FILTER (WHERE r.author_id <> t.author_id),
    max(r.created_at)
FROM scratch.studio_comments r JOIN scratch.studio_comments t ON t.id = r.parent_id
GROUP BY t.id
UNION ALL
SELECT
    'profile', t.id, t.user_id, t.author_id, t.created_at,
    t.gone_at IS NOT NULL,
    count(*)::integer,
    count(*) FILTER (WHERE r.author_id = t.author_id)::integer,
    count(r.gone_at)::integer,
    count(DISTINCT r.author_id)::integer,
    min(r.created_at),
    min(r.created_at) FILTER (WHERE r.author_id <> t.author_id),
    max(r.created_at)
FROM scratch.profile_comments r JOIN scratch.profile_comments t ON t.id = r.parent_id
GROUP BY t.id;

COMMENT ON VIEW analytics.live_threads IS
    'Defines analytics.threads, and is always up to date: quick for one thread, slow for all.';

CREATE VIEW analytics.reply_latency AS
SELECT
    o.kind,
    o.month,
    o.comments,
    coalesce(t.replied, 0) AS replied,
    coalesce(t.answered, 0) AS answered,
    round(coalesce(t.answered, 0)::numeric / nullif(o.comments, 0), 4) AS share_answered,
    t.median_wait,
    t.ninth_decile_wait
FROM (
    SELECT replace(stream, '_comments', '') AS kind, month, items - replies AS comments
    FROM analytics.monthly_activity
    WHERE stream LIKE '%\_comments'
) o
LEFT JOIN (
    SELECT
        kind,
        date_trunc('month', started_at AT TIME ZONE 'UTC')::date AS month,
        count(*) AS replied,
        count(first_answer_at) AS answered,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY first_answer_at - started_at) AS median_wait,
        percentile_cont(0.9) WITHIN GROUP (ORDER BY first_answer_at - started_at) AS ninth_decile_wait
    FROM analytics.threads
    GROUP BY 1, 2
) t USING (kind, month);

COMMENT ON VIEW analytics.reply_latency IS
    'How many comments were answered and how long they waited, by kind and by the month in which they were written, as of the last refresh.';
COMMENT ON COLUMN analytics.reply_latency.kind IS 'project, studio or profile.';
COMMENT ON COLUMN analytics.reply_latency.month IS 'The first day of the month in which the thread began, in UTC.';
COMMENT ON COLUMN analytics.reply_latency.comments IS 'Comments that are no replies.';
COMMENT ON COLUMN analytics.reply_latency.replied IS 'How many of them have a reply.';
COMMENT ON COLUMN analytics.reply_latency.answered IS 'How many of them have a reply by somebody else than their author.';
COMMENT ON COLUMN analytics.reply_latency.share_answered IS 'answered / comments.';
COMMENT ON COLUMN analytics.reply_latency.median_wait IS 'Half of the answered ones had their first answer within this time.';
COMMENT ON COLUMN analytics.reply_latency.ninth_decile_wait IS 'Nine of ten of the answered ones had it within this time.';
