-- How many follow relations go both ways, among those of which the way back would be known.
SELECT count(*) AS follows, count(*) FILTER (WHERE back.follower_id IS NOT NULL) AS mutual
FROM scratch.follows f
LEFT JOIN scratch.follows back
    ON back.follower_id = f.followee_id AND back.followee_id = f.follower_id AND back.gone_at IS NULL
WHERE f.gone_at IS NULL AND EXISTS (
    SELECT FROM crawl.walks w WHERE w.certificate ->> 'complete' = 'true' AND (
        (w.stream = 'user_following' AND w.entity_id = f.followee_id)
        OR (w.stream = 'user_followers' AND w.entity_id = f.follower_id)
    )
)
