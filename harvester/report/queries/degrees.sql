-- Users by how many follow them, and by how many they follow, where that list was read whole.
WITH bins AS (
    SELECT place, least, lead(least) OVER (ORDER BY place) - 1 AS most
    FROM unnest({bins}) WITH ORDINALITY AS b (least, place)
),
users AS (
    SELECT w.stream,
        width_bucket(coalesce(CASE w.stream WHEN 'user_followers' THEN followers ELSE following END, 0), {bins}) AS place,
        count(*) AS users
    FROM crawl.frontier w JOIN scratch.present_users u ON u.id = w.entity_id
    LEFT JOIN {follow_degrees} d ON d.user_id = w.entity_id
    WHERE w.stream IN ('user_followers', 'user_following') AND w.gone_at IS NULL
        AND w.certificate ->> 'complete' = 'true'
    GROUP BY 1, 2
)
SELECT least AS number_from, most AS number_to,
    coalesce(sum(users) FILTER (WHERE stream = 'user_followers'), 0)::bigint AS users_followed_by_so_many,
    coalesce(sum(users) FILTER (WHERE stream = 'user_following'), 0)::bigint AS users_following_so_many
FROM bins LEFT JOIN users USING (place)
GROUP BY least, most
ORDER BY least
