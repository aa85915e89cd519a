-- What happened on each day, by stream: the definition of the table analytics.daily_activity, and months of it.
--
-- An event counts on the day on which it took place in the world, not on the one on which it was read. What is gone by
-- now took place all the same, and is told apart by the rule of scratch.present_comments and its like. A day that is
-- not read to its end shows less than there was: see analytics.freshness.

CREATE VIEW analytics.live_daily_activity AS
SELECT
    stream,
    (happened_at AT TIME ZONE 'UTC')::date AS day,
    count(*)::integer AS items,
    count(DISTINCT actor_id)::integer AS actors,
    count(*) FILTER (WHERE is_reply)::integer AS replies,
    count(*) FILTER (WHERE NOT is_present)::integer AS gone
FROM (
    SELECT 'users' AS stream, joined_at AS happened_at, id AS actor_id, false AS is_reply, gone_at IS NULL AS is_present
    FROM scratch.users
    UNION ALL
    SELECT 'projects', shared_at, author_id, false, gone_at IS NULL FROM scratch.projects
    UNION ALL
    SELECT 'studios', created_at, host_id, false, gone_at IS NULL FROM scratch.studios
    UNION ALL
    SELECT kind || '_comments', created_at, author_id, parent_id IS NOT NULL, is_present FROM scratch.comments
    UNION ALL
    SELECT 'studio_activity', a.created_at, a.actor_id, false, a.gone_at IS NULL AND s.gone_at IS NULL
    FROM scratch.studio_activity a LEFT JOIN scratch.studios s ON s.id = a.studio_id
) events
WHERE happened_at IS NOT NULL
GROUP BY 1, 2;

COMMENT ON VIEW analytics.live_daily_activity IS
    'Defines analytics.daily_activity, and is always up to date: it reads all events at each look.';

CREATE MATERIALIZED VIEW analytics.daily_activity AS SELECT * FROM analytics.live_daily_activity;

CREATE UNIQUE INDEX ON analytics.daily_activity (stream, day);

COMMENT ON MATERIALIZED VIEW analytics.daily_activity IS
    'New items of each day (UTC) by stream, as far as they were read; items that are gone by now count, and are also counted apart.';
COMMENT ON COLUMN analytics.daily_activity.stream IS
    'users (who joined), projects (last shared), studios (created), project_comments, studio_comments, profile_comments, or studio_activity.';
COMMENT ON COLUMN analytics.daily_activity.day IS 'The day, in UTC.';
COMMENT ON COLUMN analytics.daily_activity.items IS 'How many of them.';
COMMENT ON COLUMN analytics.daily_activity.actors IS
    'How many different people did it: who joined, shared, hosts, wrote or acted.';
COMMENT ON COLUMN analytics.daily_activity.replies IS 'How many of the items are replies; 0 for what is no comment.';
COMMENT ON COLUMN analytics.daily_activity.gone IS
    'How many of the items are gone by now, themselves or with the page that they stand on.';

CREATE VIEW analytics.monthly_activity AS
SELECT
    stream,
    date_trunc('month', day)::date AS month,
    sum(items)::bigint AS items,
    sum(replies)::bigint AS replies,
    sum(gone)::bigint AS gone,
    count(*)::integer AS days,
    max(actors) AS most_actors_in_a_day
FROM analytics.daily_activity
GROUP BY 1, 2;

COMMENT ON VIEW analytics.monthly_activity IS
    'What happened in each month, by stream, as of the last refresh.';
COMMENT ON COLUMN analytics.monthly_activity.stream IS 'As in daily_activity.';
COMMENT ON COLUMN analytics.monthly_activity.month IS 'The first day of the month, in UTC.';
COMMENT ON COLUMN analytics.monthly_activity.items IS 'How many things happened.';
COMMENT ON COLUMN analytics.monthly_activity.replies IS 'How many of them are replies.';
COMMENT ON COLUMN analytics.monthly_activity.gone IS 'How many of them are gone by now, themselves or with the page that they stand on.';
COMMENT ON COLUMN analytics.monthly_activity.days IS 'Days of the month on which anything happened.';
COMMENT ON COLUMN analytics.monthly_activity.most_actors_in_a_day IS
    'Different people on the busiest day; people of a month cannot be added up from those of its days.';
