-- Users by the country that their profile names. Countries of fewer than {fewest} users are taken together.
SELECT CASE WHEN users >= {fewest} AND place <= 15 THEN country ELSE 'all others' END AS country,
    sum(users)::bigint AS users, count(*) AS countries
FROM (
    SELECT country, count(*) AS users, row_number() OVER (ORDER BY count(*) DESC, country) AS place
    FROM scratch.users
    WHERE country IS NOT NULL AND gone_at IS NULL
    GROUP BY country
) named
GROUP BY 1
ORDER BY (min(users) < {fewest} OR min(place) > 15), users DESC, country
