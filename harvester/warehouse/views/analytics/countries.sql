-- Users by the country that they declare.
--
-- Nobody checks a country: the first entries of the site's list of countries are far too frequent.

CREATE VIEW analytics.live_countries AS
SELECT
    coalesce(u.country, 'unknown') AS country,
    count(*) AS users,
    round(count(*) / sum(count(*)) OVER (), 6) AS share,
    count(u.gone_at) AS gone_users,
    count(*) FILTER (WHERE m.projects > 0) AS sharers,
    count(*) FILTER (WHERE m.comments > 0) AS commenters,
    coalesce(sum(m.projects), 0)::bigint AS projects,
    coalesce(sum(m.comments), 0)::bigint AS comments
FROM scratch.users u
LEFT JOIN (
    SELECT user_id, sum(projects) AS projects, sum(comments) AS comments FROM analytics.user_months GROUP BY 1
) m ON m.user_id = u.id
GROUP BY 1;

COMMENT ON VIEW analytics.live_countries IS
    'Defines analytics.countries: sums up scratch.users and analytics.user_months at each look.';
