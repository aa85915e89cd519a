-- How many follow relations go both ways, among those of users all of whose followers are known.
SELECT coalesce(sum(following), 0)::bigint AS follows, coalesce(sum(mutual), 0)::bigint AS mutual
FROM {follow_degrees} d
JOIN scratch.present_users u ON u.id = d.user_id
JOIN crawl.frontier w ON w.stream = 'user_followers' AND w.entity_id = d.user_id AND w.gone_at IS NULL
    AND w.certificate ->> 'complete' = 'true'
