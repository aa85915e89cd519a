-- Threads of comments: what they hold, and how long a comment waits for an answer.
--
-- An answer is a reply by somebody else than the author of the thread. Who has not been answered yet may still be: a
-- comment counts as waiting until it was last observed, and shares of comments answered within a time are those of
-- Kaplan and Meier.

CREATE VIEW analytics.live_threads AS
SELECT
    'project' AS kind, t.id AS thread_id, t.project_id AS place_id, t.author_id, t.created_at AS started_at,
    t.gone_at IS NOT NULL OR min(p.gone_at) IS NOT NULL AS is_gone,
    count(*)::integer AS replies,
    count(*) FILTER (WHERE r.author_id = t.author_id)::integer AS own_replies,
    count(*) FILTER (WHERE r.gone_at IS NOT NULL OR p.gone_at IS NOT NULL)::integer AS gone_replies,
    count(DISTINCT r.author_id)::integer AS repliers,
    min(r.created_at) AS first_reply_at,
    min(r.created_at) FILTER (WHERE r.author_id <> t.author_id) AS first_answer_at,
    max(r.created_at) AS last_reply_at
FROM scratch.project_comments r JOIN scratch.project_comments t ON t.id = r.parent_id
LEFT JOIN scratch.projects p ON p.id = t.project_id
GROUP BY t.id
UNION ALL
SELECT
    'studio', t.id, t.studio_id, t.author_id, t.created_at,
    t.gone_at IS NOT NULL OR min(p.gone_at) IS NOT NULL,
    count(*)::integer,
    count(*) FILTER (WHERE r.author_id = t.author_id)::integer,
    count(*) FILTER (WHERE r.gone_at IS NOT NULL OR p.gone_at IS NOT NULL)::integer,
    count(DISTINCT r.author_id)::integer,
    min(r.created_at),
    min(r.created_at) FILTER (WHERE r.author_id <> t.author_id),
    max(r.created_at)
FROM scratch.studio_comments r JOIN scratch.studio_comments t ON t.id = r.parent_id
LEFT JOIN scratch.studios p ON p.id = t.studio_id
GROUP BY t.id
UNION ALL
SELECT
    'profile', t.id, t.user_id, t.author_id, t.created_at,
    t.gone_at IS NOT NULL OR min(p.gone_at) IS NOT NULL,
    count(*)::integer,
    count(*) FILTER (WHERE r.author_id = t.author_id)::integer,
    count(*) FILTER (WHERE r.gone_at IS NOT NULL OR p.gone_at IS NOT NULL)::integer,
    count(DISTINCT r.author_id)::integer,
    min(r.created_at),
    min(r.created_at) FILTER (WHERE r.author_id <> t.author_id),
    max(r.created_at)
FROM scratch.profile_comments r JOIN scratch.profile_comments t ON t.id = r.parent_id
LEFT JOIN scratch.users p ON p.id = t.user_id
GROUP BY t.id;

COMMENT ON VIEW analytics.live_threads IS
    'Defines analytics.threads, and is always up to date: quick for one thread, slow for all.';

CREATE MATERIALIZED VIEW analytics.threads AS SELECT * FROM analytics.live_threads;

CREATE UNIQUE INDEX ON analytics.threads (kind, thread_id);
CREATE INDEX ON analytics.threads (kind, place_id);

COMMENT ON MATERIALIZED VIEW analytics.threads IS
    'Comments that have replies, with what their thread holds; replies that are gone count.';
COMMENT ON COLUMN analytics.threads.kind IS 'project, studio or profile: ids of the three kinds collide.';
COMMENT ON COLUMN analytics.threads.thread_id IS 'The comment at the top. Soft reference to the comments of its kind.';
COMMENT ON COLUMN analytics.threads.place_id IS 'The project, studio or user that it stands on.';
COMMENT ON COLUMN analytics.threads.author_id IS
    'Who wrote it; null for one that was removed. Soft reference to users.';
COMMENT ON COLUMN analytics.threads.started_at IS 'When it was written.';
COMMENT ON COLUMN analytics.threads.is_gone IS 'Whether it is gone, itself or with the page that it stands on.';
COMMENT ON COLUMN analytics.threads.replies IS 'Replies that are known.';
COMMENT ON COLUMN analytics.threads.own_replies IS 'Replies by the author of the thread.';
COMMENT ON COLUMN analytics.threads.gone_replies IS 'Replies that are gone, themselves or with the page.';
COMMENT ON COLUMN analytics.threads.repliers IS 'How many different people replied.';
COMMENT ON COLUMN analytics.threads.first_reply_at IS 'When the first reply was written.';
COMMENT ON COLUMN analytics.threads.first_answer_at IS
    'When the first reply by somebody else than the author was written; null without one.';
COMMENT ON COLUMN analytics.threads.last_reply_at IS 'When the last reply was written.';

CREATE VIEW analytics.reply_waits AS
SELECT
    c.kind,
    c.id AS thread_id,
    c.place_id,
    c.created_at AS started_at,
    o.observed_until,
    u.is_unread,
    CASE WHEN e.is_observable THEN coalesce(c.first_answer_at <= o.observed_until, false) END AS is_answered,
    CASE WHEN e.is_observable
        THEN greatest(least(c.first_answer_at, o.observed_until) - c.created_at, interval '0 seconds') END AS waited
FROM (
    -- Each kind by itself is joined by ids alone, without a sort of all comments.
    SELECT c.kind, c.id, c.place_id, c.author_id, c.created_at, c.first_seen_at, c.gone_at, c.last_seen_at, c.reply_count,
        w.certificate, w.last_full_read_at, t.thread_id, t.first_answer_at
    FROM scratch.comments c
    LEFT JOIN crawl.frontier w ON w.stream = 'project_comments' AND w.entity_id = c.place_id
    LEFT JOIN analytics.live_threads t ON t.kind = 'project' AND t.thread_id = c.id
    WHERE c.kind = 'project' AND c.parent_id IS NULL AND c.created_at IS NOT NULL
    UNION ALL
    SELECT c.kind, c.id, c.place_id, c.author_id, c.created_at, c.first_seen_at, c.gone_at, c.last_seen_at, c.reply_count,
        w.certificate, w.last_full_read_at, t.thread_id, t.first_answer_at
    FROM scratch.comments c
    LEFT JOIN crawl.frontier w ON w.stream = 'studio_comments' AND w.entity_id = c.place_id
    LEFT JOIN analytics.live_threads t ON t.kind = 'studio' AND t.thread_id = c.id
    WHERE c.kind = 'studio' AND c.parent_id IS NULL AND c.created_at IS NOT NULL
    UNION ALL
    SELECT c.kind, c.id, c.place_id, c.author_id, c.created_at, c.first_seen_at, c.gone_at, c.last_seen_at, c.reply_count,
        w.certificate, w.last_full_read_at, t.thread_id, t.first_answer_at
    FROM scratch.comments c
    LEFT JOIN crawl.frontier w ON w.stream = 'profile_comments' AND w.entity_id = c.place_id
    LEFT JOIN analytics.live_threads t ON t.kind = 'profile' AND t.thread_id = c.id
    WHERE c.kind = 'profile' AND c.parent_id IS NULL AND c.created_at IS NOT NULL
) c
CROSS JOIN LATERAL (
    -- When it was read itself, or its whole list was; and no later than it was known to be there. Not when its answer
    -- was read: of those that stay without one nobody would know as much. What was gone when it was first met is shown
    -- for the sake of its replies.
    SELECT CASE WHEN c.gone_at IS NULL THEN r.read_at WHEN c.last_seen_at IS NOT NULL THEN least(r.read_at, c.last_seen_at) END
        AS observed_until
    FROM (
        SELECT greatest(c.first_seen_at, CASE WHEN (c.certificate ->> 'complete')::boolean THEN c.last_full_read_at END)
            AS read_at
    ) r
) o
CROSS JOIN LATERAL (SELECT c.thread_id IS NULL AND coalesce(c.reply_count, 0) > 0 AS is_unread) u
CROSS JOIN LATERAL (
    SELECT c.author_id IS NOT NULL AND c.created_at < o.observed_until AND NOT u.is_unread AS is_observable
) e;

COMMENT ON VIEW analytics.reply_waits IS
    'The time from each comment at the top of a thread to its first answer by another user, as far as it was observed; always up to date, since each query reads all comments.';
COMMENT ON COLUMN analytics.reply_waits.kind IS 'project, studio or profile: ids of the three kinds collide.';
COMMENT ON COLUMN analytics.reply_waits.thread_id IS 'The comment.';
COMMENT ON COLUMN analytics.reply_waits.place_id IS 'The project, studio or user that it stands on.';
COMMENT ON COLUMN analytics.reply_waits.started_at IS 'When it was written.';
COMMENT ON COLUMN analytics.reply_waits.observed_until IS
    'Until when it is known whether it was answered: when it was first read or its whole list was last read, the later of the two, but not after it was last present; null for one that was gone when it was first read.';
COMMENT ON COLUMN analytics.reply_waits.is_unread IS
    'Whether it has replies that were never read: nothing is known of its wait.';
COMMENT ON COLUMN analytics.reply_waits.is_answered IS
    'Whether it was answered by then; null where nothing is known of its wait.';
COMMENT ON COLUMN analytics.reply_waits.waited IS
    'From its writing to the first answer, or to observed_until while there was none; null where nothing is known of it.';

CREATE VIEW analytics.live_reply_latency AS
WITH waits AS (
    SELECT kind, date_trunc('month', started_at AT TIME ZONE 'UTC')::date AS month, is_unread, is_answered,
        extract(epoch FROM waited)::double precision AS seconds
    FROM analytics.reply_waits
),
counts AS (
    SELECT coalesce(kind, 'any') AS kind, month,
        count(*) AS comments,
        count(*) FILTER (WHERE is_unread) AS unread,
        count(is_answered) AS observable,
        count(*) FILTER (WHERE is_answered) AS answered,
        max(seconds) AS longest
    FROM waits
    GROUP BY GROUPING SETS ((kind, month), (kind), ())
),
times AS (
    SELECT coalesce(kind, 'any') AS kind, month, seconds, count(*) FILTER (WHERE is_answered) AS answered,
        sum(count(*)) OVER (PARTITION BY kind, month, grouping(month) ORDER BY seconds DESC) AS waiting
    FROM (
        -- No figure looks further than a week: what waited longer is one group, instead of one for each second.
        SELECT kind, month, least(seconds, 604801) AS seconds, is_answered AND seconds <= 604800 AS is_answered
        FROM waits
        WHERE seconds IS NOT NULL
    ) within
    GROUP BY GROUPING SETS ((kind, month, seconds), (kind, seconds), (seconds))
),
curve AS (
    -- The share answered by each time: 1 - the product of (1 - answered / waiting) over the times up to it.
    SELECT kind, month, seconds,
        CASE WHEN bool_or(answered = waiting) OVER upto THEN 1
            ELSE 1 - exp(sum(ln(CASE WHEN answered < waiting THEN 1 - answered / waiting::double precision ELSE 1 END)) OVER upto)
        END AS share
    FROM times
    WINDOW upto AS (PARTITION BY kind, month ORDER BY seconds)
),
week AS (
    SELECT kind, month, max(share) AS share FROM curve WHERE seconds <= 604800 GROUP BY 1, 2
),
figures AS (
    SELECT c.kind, c.month,
        max(c.share) FILTER (WHERE c.seconds <= 60) AS in_a_minute,
        max(c.share) FILTER (WHERE c.seconds <= 600) AS in_ten_minutes,
        max(c.share) FILTER (WHERE c.seconds <= 3600) AS in_an_hour,
        max(c.share) FILTER (WHERE c.seconds <= 86400) AS in_a_day,
        max(c.share) FILTER (WHERE c.seconds <= 604800) AS in_a_week,
        -- A tolerance: products of many shares are as exact as floating point is.
        min(c.seconds) FILTER (WHERE w.share > 0 AND c.share >= 0.5 * w.share - 1e-9) AS half,
        min(c.seconds) FILTER (WHERE w.share > 0 AND c.share >= 0.9 * w.share - 1e-9) AS ninth
    FROM curve c LEFT JOIN week w ON w.kind = c.kind AND w.month IS NOT DISTINCT FROM c.month
    GROUP BY 1, 2
)
SELECT
    n.kind,
    n.month,
    n.comments,
    n.unread,
    n.observable,
    n.answered,
    CASE WHEN n.longest >= 60 OR in_a_minute = 1 THEN round(coalesce(in_a_minute, 0)::numeric, 6) END AS answered_in_a_minute,
    CASE WHEN n.longest >= 600 OR in_ten_minutes = 1 THEN round(coalesce(in_ten_minutes, 0)::numeric, 6) END AS answered_in_ten_minutes,
    CASE WHEN n.longest >= 3600 OR in_an_hour = 1 THEN round(coalesce(in_an_hour, 0)::numeric, 6) END AS answered_in_an_hour,
    CASE WHEN n.longest >= 86400 OR in_a_day = 1 THEN round(coalesce(in_a_day, 0)::numeric, 6) END AS answered_in_a_day,
    CASE WHEN n.longest >= 604800 OR in_a_week = 1 THEN round(coalesce(in_a_week, 0)::numeric, 6) END AS answered_in_a_week,
    CASE WHEN n.longest >= 604800 OR in_a_week = 1 THEN make_interval(secs => half) END AS median_wait,
    CASE WHEN n.longest >= 604800 OR in_a_week = 1 THEN make_interval(secs => ninth) END AS ninth_decile_wait
FROM counts n LEFT JOIN figures f ON f.kind = n.kind AND f.month IS NOT DISTINCT FROM n.month;

COMMENT ON VIEW analytics.live_reply_latency IS
    'Defines analytics.reply_latency: asks of every thread until when it was observed, at each look.';

CREATE MATERIALIZED VIEW analytics.reply_latency AS SELECT * FROM analytics.live_reply_latency;

CREATE UNIQUE INDEX ON analytics.reply_latency (kind, month);

COMMENT ON MATERIALIZED VIEW analytics.reply_latency IS
    'How soon comments are answered, by kind and by the month in which they were written: shares by Kaplan and Meier, in which a comment counts as waiting until it was last observed (see reply_waits).';
COMMENT ON COLUMN analytics.reply_latency.kind IS 'project, studio or profile; any for all of them together.';
COMMENT ON COLUMN analytics.reply_latency.month IS
    'The first day of the month in which the thread began, in UTC; null for all months.';
COMMENT ON COLUMN analytics.reply_latency.comments IS 'Comments that are no replies.';
COMMENT ON COLUMN analytics.reply_latency.unread IS
    'How many have replies of which none was read: nothing is known of their wait.';
COMMENT ON COLUMN analytics.reply_latency.observable IS
    'Comments of whose wait something is known: all that follows is of these.';
COMMENT ON COLUMN analytics.reply_latency.answered IS 'How many of them were answered while they were observed.';
COMMENT ON COLUMN analytics.reply_latency.answered_in_a_minute IS
    'Share answered within a minute; null while none was observed for so long.';
COMMENT ON COLUMN analytics.reply_latency.answered_in_ten_minutes IS
    'Share answered within ten minutes; null while none was observed for so long.';
COMMENT ON COLUMN analytics.reply_latency.answered_in_an_hour IS
    'Share answered within an hour; null while none was observed for so long.';
COMMENT ON COLUMN analytics.reply_latency.answered_in_a_day IS
    'Share answered within a day; null while none was observed for so long.';
COMMENT ON COLUMN analytics.reply_latency.answered_in_a_week IS
    'Share answered within a week; null while none was observed for so long.';
COMMENT ON COLUMN analytics.reply_latency.median_wait IS
    'Half of the comments that are answered within a week are answered within this time.';
COMMENT ON COLUMN analytics.reply_latency.ninth_decile_wait IS
    'Nine tenths of the comments that are answered within a week are answered within this time.';
