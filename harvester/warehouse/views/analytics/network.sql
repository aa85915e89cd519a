-- The network of followers: degrees and reciprocity.
--
-- The site dates no edge, so this is the network as it is. An edge is known once either end's list was read: degrees of
-- users whose own lists were not read are lower bounds. What describes the network as a whole is of users alone whose
-- list was read whole.

CREATE VIEW analytics.live_follow_degrees AS
SELECT
    user_id,
    sum(follower)::integer AS followers,
    sum(following)::integer AS following,
    sum(mutual)::integer AS mutual
FROM (
    SELECT followee_id AS user_id, 1 AS follower, 0 AS following, 0 AS mutual FROM scratch.present_follows
    UNION ALL
    SELECT f.follower_id, 0, 1, (b.follower_id IS NOT NULL)::integer
    FROM scratch.present_follows f
    LEFT JOIN scratch.present_follows b ON b.follower_id = f.followee_id AND b.followee_id = f.follower_id
) ends
GROUP BY 1;

COMMENT ON VIEW analytics.live_follow_degrees IS
    'Defines analytics.follow_degrees, and is always up to date: quick for one user, slow for all.';

CREATE MATERIALIZED VIEW analytics.follow_degrees AS SELECT * FROM analytics.live_follow_degrees;

CREATE UNIQUE INDEX ON analytics.follow_degrees (user_id);

COMMENT ON MATERIALIZED VIEW analytics.follow_degrees IS
    'Each user''s place in the network of followers: edges that are known and not gone, so each number is a lower bound but where the list was read whole (see follow_lists). Who has none is left out.';
COMMENT ON COLUMN analytics.follow_degrees.user_id IS 'The user. Soft reference to users.';
COMMENT ON COLUMN analytics.follow_degrees.followers IS 'Users that follow the user.';
COMMENT ON COLUMN analytics.follow_degrees.following IS 'Users that the user follows.';
COMMENT ON COLUMN analytics.follow_degrees.mutual IS 'Users that the user follows and that follow back.';

CREATE VIEW analytics.follow_lists AS
SELECT
    w.entity_id AS user_id,
    substring(w.stream FROM 6) AS direction,
    coalesce(CASE w.stream WHEN 'user_followers' THEN d.followers ELSE d.following END, 0) AS degree,
    w.certified_from AS observed_at
FROM crawl.frontier w
JOIN scratch.present_users u ON u.id = w.entity_id
LEFT JOIN analytics.follow_degrees d ON d.user_id = w.entity_id
WHERE w.stream IN ('user_followers', 'user_following') AND w.gone_at IS NULL
    AND (w.certificate ->> 'complete')::boolean;

COMMENT ON VIEW analytics.follow_lists IS
    'Users whose list of followers, or of whom they follow, was read whole, with its length as of the last refresh: nothing of it can be missing but what is newer than observed_at.';
COMMENT ON COLUMN analytics.follow_lists.user_id IS 'The user, who is not gone.';
COMMENT ON COLUMN analytics.follow_lists.direction IS 'followers or following.';
COMMENT ON COLUMN analytics.follow_lists.degree IS 'How many followers the user has, or how many the user follows.';
COMMENT ON COLUMN analytics.follow_lists.observed_at IS 'When the proved reading of the list began.';

CREATE VIEW analytics.follow_network AS
SELECT
    count(*) AS users,
    coalesce(sum(d.following), 0)::bigint AS edges,
    coalesce(sum(d.following) FILTER (WHERE l.user_id IS NOT NULL), 0)::bigint AS observable_edges,
    coalesce(sum(d.mutual) FILTER (WHERE l.user_id IS NOT NULL), 0)::bigint AS mutual_edges,
    round(
        sum(d.mutual) FILTER (WHERE l.user_id IS NOT NULL)::numeric
        / nullif(sum(d.following) FILTER (WHERE l.user_id IS NOT NULL), 0), 4
    ) AS reciprocity,
    count(*) FILTER (WHERE d.followers > 0) AS followed_users,
    count(*) FILTER (WHERE d.following > 0) AS following_users,
    max(d.followers) AS most_followers,
    max(d.following) AS most_following
FROM analytics.follow_degrees d
LEFT JOIN analytics.follow_lists l ON l.user_id = d.user_id AND l.direction = 'followers';

COMMENT ON VIEW analytics.follow_network IS
    'The network of followers in one row, as of the last refresh. What is known of users and edges are lower bounds; reciprocity is of edges whose other direction would be known.';
COMMENT ON COLUMN analytics.follow_network.users IS 'Users that follow or are followed, as far as is known.';
COMMENT ON COLUMN analytics.follow_network.edges IS 'Pairs of a follower and whom it follows, as far as is known.';
COMMENT ON COLUMN analytics.follow_network.observable_edges IS
    'Edges from users whose list of followers was read whole: whether they are returned is known.';
COMMENT ON COLUMN analytics.follow_network.mutual_edges IS
    'Observable edges whose other direction is there as well: a pair of friends has two.';
COMMENT ON COLUMN analytics.follow_network.reciprocity IS 'mutual_edges / observable_edges.';
COMMENT ON COLUMN analytics.follow_network.followed_users IS 'Users that have a follower that is known.';
COMMENT ON COLUMN analytics.follow_network.following_users IS 'Users that are known to follow somebody.';
COMMENT ON COLUMN analytics.follow_network.most_followers IS 'The largest number of known followers of a user.';
COMMENT ON COLUMN analytics.follow_network.most_following IS 'The largest number of users that a user is known to follow.';

CREATE VIEW analytics.degree_distribution AS
SELECT direction, degree, count(*) AS users
FROM analytics.follow_lists
GROUP BY 1, 2;

COMMENT ON VIEW analytics.degree_distribution IS
    'How many users have how many followers, and follow how many, as of the last refresh: of the users whose list was read whole, those without any included.';
COMMENT ON COLUMN analytics.degree_distribution.direction IS 'followers or following.';
COMMENT ON COLUMN analytics.degree_distribution.degree IS 'How many.';
COMMENT ON COLUMN analytics.degree_distribution.users IS 'Users that have so many.';
