-- Change over time: followers, comments and the life of studios, as far as two reads date it.
--
-- What was met, and what was found to be gone, was so by some time and after another one: each figure has bounds,
-- between which the true one lies. What came and went between two reads was never seen, and is in no figure.

CREATE VIEW analytics.followers_over_time AS
SELECT
    user_id,
    at,
    (sum(least) OVER earlier)::bigint AS at_least,
    (sum(most) OVER earlier)::bigint AS at_most
FROM (
    SELECT user_id, at, sum(least) AS least, sum(most) AS most
    FROM (
        -- Nobody follows before both accounts are there.
        SELECT f.followee_id AS user_id, 0 AS least, 1 AS most,
            CASE WHEN greatest(a.joined_at, b.joined_at) > f.first_seen_at THEN f.first_seen_at
                ELSE greatest(a.joined_at, b.joined_at) END AS at
        FROM scratch.follows f
        JOIN scratch.users a ON a.id = f.follower_id
        JOIN scratch.users b ON b.id = f.followee_id
        UNION ALL
        SELECT followee_id, 1, 0, first_seen_at FROM scratch.follows
        UNION ALL
        SELECT followee_id, -1, 0, coalesce(last_seen_at, first_seen_at) FROM scratch.follows WHERE gone_at IS NOT NULL
        UNION ALL
        SELECT followee_id, 0, -1, gone_at FROM scratch.follows WHERE gone_at IS NOT NULL
        UNION ALL
        SELECT f.followee_id, e.least, 0, e.at
        FROM scratch.follows f
        JOIN history.absences a ON a.kind = 'follows' AND a.thing_id = f.follower_id AND a.other_id = f.followee_id
        CROSS JOIN LATERAL (
            VALUES (-1, coalesce(a.last_seen_at, a.gone_at)), (1, a.returned_at)
        ) e (least, at)
    ) ends
    GROUP BY user_id, at
) changes
WINDOW earlier AS (PARTITION BY user_id ORDER BY at NULLS FIRST);

COMMENT ON VIEW analytics.followers_over_time IS
    'Followers of each user over time, as bounds that hold after `at` until the next row of the user: of the followers that were ever seen, at least so many followed then, and at most so many. The site serves no dates: before the first read of a list the lower bound is 0, and the upper one counts who had an account. Always up to date: quick for one user, slow for all.';
COMMENT ON COLUMN analytics.followers_over_time.user_id IS 'The user who is followed.';
COMMENT ON COLUMN analytics.followers_over_time.at IS
    'From when the bounds hold; null: from the beginning, where it is not known when an account was registered.';
COMMENT ON COLUMN analytics.followers_over_time.at_least IS
    'Followers that had been seen and were not missed since: they were there, or are not known to have left.';
COMMENT ON COLUMN analytics.followers_over_time.at_most IS
    'Followers that may have been there: both accounts existed, and none was shown to be absent yet.';

CREATE VIEW analytics.comments_over_time AS
SELECT
    kind,
    place_id,
    at,
    (sum(least) OVER earlier)::bigint AS at_least,
    (sum(most) OVER earlier)::bigint AS at_most
FROM (
    SELECT kind, place_id, at, sum(least) AS least, sum(most) AS most
    FROM (
        SELECT kind, place_id, 1 AS least, 1 AS most, created_at AS at FROM scratch.comments WHERE created_at IS NOT NULL
        UNION ALL
        SELECT kind, place_id, -1, 0, greatest(last_seen_at, created_at)
        FROM scratch.comments WHERE created_at IS NOT NULL AND gone_at IS NOT NULL
        UNION ALL
        SELECT kind, place_id, 0, -1, gone_at FROM scratch.comments WHERE created_at IS NOT NULL AND gone_at IS NOT NULL
        UNION ALL
        SELECT c.kind, c.place_id, e.least, 0, e.at
        FROM scratch.comments c
        JOIN history.absences a ON a.kind = c.kind || '_comments' AND a.thing_id = c.id
        CROSS JOIN LATERAL (
            VALUES (-1, coalesce(a.last_seen_at, a.gone_at)), (1, a.returned_at)
        ) e (least, at)
        WHERE c.created_at IS NOT NULL
    ) ends
    GROUP BY kind, place_id, at
) changes
WINDOW earlier AS (PARTITION BY kind, place_id ORDER BY at);

COMMENT ON VIEW analytics.comments_over_time IS
    'Comments and replies of each project, studio and profile over time, as bounds that hold after `at` until the next row of the place: of those that were ever seen, at least so many were there then, and at most so many. When one was written is known to the second; when it was deleted, by two reads. What is gone with its whole page counts as there. Always up to date: quick for one place, slow for all.';
COMMENT ON COLUMN analytics.comments_over_time.kind IS 'project, studio or profile.';
COMMENT ON COLUMN analytics.comments_over_time.place_id IS 'The project, studio or user on whose page they stand.';
COMMENT ON COLUMN analytics.comments_over_time.at IS 'From when the bounds hold.';
COMMENT ON COLUMN analytics.comments_over_time.at_least IS
    'Comments that had been written and were not missed since: they were there, or are not known to be gone.';
COMMENT ON COLUMN analytics.comments_over_time.at_most IS
    'Comments that had been written and were not shown to be absent yet.';

CREATE VIEW analytics.studio_lifetimes AS
SELECT
    studio_id,
    created_at,
    known_until,
    gone_at,
    extract(epoch FROM known_until - created_at)::double precision / 86400 AS lived_at_least_days,
    extract(epoch FROM gone_at - created_at)::double precision / 86400 AS lived_at_most_days,
    last_event_at,
    events_known_until,
    extract(epoch FROM last_event_at - created_at)::double precision / 86400 AS active_at_least_days
FROM (
    SELECT s.id AS studio_id, s.created_at, s.gone_at,
        CASE WHEN s.gone_at IS NULL THEN greatest(s.first_seen_at, w.visited_at) ELSE coalesce(s.last_seen_at, s.first_seen_at) END
            AS known_until,
        (SELECT max(a.created_at) FROM scratch.studio_activity a WHERE a.studio_id = s.id) AS last_event_at,
        CASE WHEN e.certificate ->> 'complete' = 'true' THEN e.certified_from END AS events_known_until
    FROM scratch.studios s
    LEFT JOIN crawl.frontier w ON w.stream = 'studio' AND w.entity_id = s.id
    LEFT JOIN crawl.frontier e ON e.stream = 'studio_activity' AND e.entity_id = s.id
) studios;

COMMENT ON VIEW analytics.studio_lifetimes IS
    'How long each studio was there and how long something happened in it, as bounds; always up to date.';
COMMENT ON COLUMN analytics.studio_lifetimes.studio_id IS 'The studio.';
COMMENT ON COLUMN analytics.studio_lifetimes.created_at IS 'When it was created.';
COMMENT ON COLUMN analytics.studio_lifetimes.known_until IS
    'When it was last known to be there: at its last visit, or before it was missed.';
COMMENT ON COLUMN analytics.studio_lifetimes.gone_at IS 'When it was shown to be absent; null while it is there.';
COMMENT ON COLUMN analytics.studio_lifetimes.lived_at_least_days IS 'Days from its creation to known_until.';
COMMENT ON COLUMN analytics.studio_lifetimes.lived_at_most_days IS
    'Days from its creation to gone_at; null while it is there: its life has no upper bound yet.';
COMMENT ON COLUMN analytics.studio_lifetimes.last_event_at IS
    'The last thing that is known to have happened in it: a project or member came or went, or it was changed.';
COMMENT ON COLUMN analytics.studio_lifetimes.events_known_until IS
    'Nothing happened from last_event_at until then, for its list of events was read whole; null where it was not.';
COMMENT ON COLUMN analytics.studio_lifetimes.active_at_least_days IS 'Days from its creation to last_event_at.';
