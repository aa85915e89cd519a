-- Users by how many follow them, and by how many they follow, where that list was read whole.
WITH bins AS (
    SELECT b AS least, lead(b) OVER (ORDER BY b) AS next FROM unnest({bins}) b
),
users AS (
    SELECT w.stream, coalesce(CASE w.stream WHEN 'user_followers' THEN followers ELSE following END, 0) AS degree
    FROM crawl.walks w LEFT JOIN {follow_degrees} d ON d.user_id = w.entity_id
    WHERE w.stream IN ('user_followers', 'user_following') AND w.gone_at IS NULL
        AND w.certificate ->> 'complete' = 'true'
)
SELECT least AS number_from, next - 1 AS number_to,
    count(*) FILTER (WHERE stream = 'user_followers') AS users_followed_by_so_many,
    count(*) FILTER (WHERE stream = 'user_following') AS users_following_so_many
FROM bins LEFT JOIN users ON degree >= least AND (degree < next OR next IS NULL)
GROUP BY least, next
ORDER BY least
