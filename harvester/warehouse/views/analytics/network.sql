-- The network of followers: degrees and reciprocity.
--
-- The site dates no edge, so this is the network as it is. An edge is known once either end's list was read: degrees of
-- users whose own lists were not read are lower bounds.

CREATE VIEW analytics.live_follow_degrees AS
SELECT
    user_id,
    sum(follower)::integer AS followers,
    sum(following)::integer AS following,
    sum(mutual)::integer AS mutual
FROM (
    SELECT followee_id AS user_id, 1 AS follower, 0 AS following, 0 AS mutual FROM scratch.follows WHERE gone_at IS NULL
    UNION ALL
    SELECT f.follower_id, 0, 1, (b.follower_id IS NOT NULL)::integer
    FROM scratch.follows f
    LEFT JOIN scratch.follows b
        ON b.follower_id = f.followee_id AND b.followee_id = f.follower_id AND b.gone_at IS NULL
    WHERE f.gone_at IS NULL
) ends
GROUP BY 1;

COMMENT ON VIEW analytics.live_follow_degrees IS
    'Defines analytics.follow_degrees, and is always up to date: quick for one user, slow for all.';

CREATE VIEW analytics.follow_network AS
SELECT
    count(*) AS users,
    sum(following)::bigint AS edges,
    sum(mutual)::bigint AS mutual_edges,
    round(sum(mutual)::numeric / nullif(sum(following), 0), 4) AS reciprocity,
    count(*) FILTER (WHERE followers > 0) AS followed_users,
    count(*) FILTER (WHERE following > 0) AS following_users,
    max(followers) AS most_followers,
    max(following) AS most_following
FROM analytics.follow_degrees;

COMMENT ON VIEW analytics.follow_network IS 'The network of followers in one row, as of the last refresh.';
COMMENT ON COLUMN analytics.follow_network.users IS 'Users that follow or are followed.';
COMMENT ON COLUMN analytics.follow_network.edges IS 'Pairs of a follower and whom it follows.';
COMMENT ON COLUMN analytics.follow_network.mutual_edges IS 'Edges whose other direction is there as well: a pair of friends has two.';
COMMENT ON COLUMN analytics.follow_network.reciprocity IS 'mutual_edges / edges.';
COMMENT ON COLUMN analytics.follow_network.followed_users IS 'Users that have a follower.';
COMMENT ON COLUMN analytics.follow_network.following_users IS 'Users that follow somebody.';
COMMENT ON COLUMN analytics.follow_network.most_followers IS 'Followers of whoever has most.';
COMMENT ON COLUMN analytics.follow_network.most_following IS 'How many users are followed by whoever follows most.';

CREATE VIEW analytics.degree_distribution AS
SELECT 'followers' AS direction, followers AS degree, count(*) AS users
FROM analytics.follow_degrees GROUP BY followers
UNION ALL
SELECT 'following', following, count(*) FROM analytics.follow_degrees GROUP BY following;

COMMENT ON VIEW analytics.degree_distribution IS
    'How many users have how many followers, and follow how many, as of the last refresh. Users without any edge are left out.';
COMMENT ON COLUMN analytics.degree_distribution.direction IS 'followers or following.';
COMMENT ON COLUMN analytics.degree_distribution.degree IS 'How many.';
COMMENT ON COLUMN analytics.degree_distribution.users IS 'Users that have so many.';
