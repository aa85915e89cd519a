-- How many follow relations go both ways, among those of users all of whose followers are known.
SELECT coalesce(sum(following), 0)::bigint AS follows, coalesce(sum(mutual), 0)::bigint AS mutual
FROM {follow_degrees} d
JOIN crawl.walks w ON w.stream = 'user_followers' AND w.entity_id = d.user_id AND w.certificate ->> 'complete' = 'true'
