-- Users by the country that they declare. Countries of fewer than {fewest} users are taken together.
SELECT CASE WHEN users >= {fewest} AND place <= 15 THEN country ELSE 'all others' END AS country,
    sum(users)::bigint AS users, count(*) AS countries
FROM (
    SELECT country, users, row_number() OVER (ORDER BY users DESC, country) AS place
    FROM (SELECT country, users - gone_users AS users FROM {countries} WHERE country <> 'unknown') c
    WHERE users > 0
) named
GROUP BY 1
ORDER BY (min(users) < {fewest} OR min(place) > 15), users DESC, country
