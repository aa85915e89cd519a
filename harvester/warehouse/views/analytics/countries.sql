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
    coalesce(sum(m.comments), 0)::bigint AS comments,
    row_number() OVER (ORDER BY count(*) DESC, coalesce(u.country, 'unknown') COLLATE "C") AS place
FROM scratch.users u
LEFT JOIN (
    SELECT user_id, sum(projects) AS projects, sum(comments) AS comments FROM analytics.user_months GROUP BY 1
) m ON m.user_id = u.id
GROUP BY coalesce(u.country, 'unknown');

COMMENT ON VIEW analytics.live_countries IS
    'Defines analytics.countries: sums up scratch.users and analytics.user_months at each look.';

CREATE MATERIALIZED VIEW analytics.countries AS SELECT * FROM analytics.live_countries;

CREATE UNIQUE INDEX ON analytics.countries (place);

COMMENT ON MATERIALIZED VIEW analytics.countries IS 'Users and what they did, by the country that they declare.';
COMMENT ON COLUMN analytics.countries.country IS 'The country as declared; unknown while the profile was not read.';
COMMENT ON COLUMN analytics.countries.users IS 'Users that are known, those that are gone included.';
COMMENT ON COLUMN analytics.countries.share IS 'users as a share of all.';
COMMENT ON COLUMN analytics.countries.gone_users IS 'Users that are gone.';
COMMENT ON COLUMN analytics.countries.sharers IS 'Users that shared a project.';
COMMENT ON COLUMN analytics.countries.commenters IS 'Users that wrote a comment.';
COMMENT ON COLUMN analytics.countries.projects IS 'Projects that they shared.';
COMMENT ON COLUMN analytics.countries.comments IS 'Comments that they wrote.';
COMMENT ON COLUMN analytics.countries.place IS 'Place by the number of users, from 1; of equal ones by name.';
