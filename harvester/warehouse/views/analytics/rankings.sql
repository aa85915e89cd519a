-- Rankings over time: what stood where, how it moved, and where its authors say they come from.
--
-- A ranking is what the site chose to show at the moment of a reading; nothing is known of the time between readings.

CREATE VIEW analytics.ranking_moves AS
SELECT
    ranking,
    seen_at,
    position,
    kind,
    thing_id,
    lag(seen_at) OVER stay AS previous_seen_at,
    lag(position) OVER stay AS previous_position,
    lag(position) OVER stay - position AS rise
FROM history.rankings
WINDOW stay AS (PARTITION BY ranking, kind, thing_id ORDER BY seen_at, position);

COMMENT ON VIEW analytics.ranking_moves IS
    'Each sighting in a ranking beside the one before of the same thing in the same ranking; always up to date.';
COMMENT ON COLUMN analytics.ranking_moves.ranking IS 'The ranking, with its query, mode and language.';
COMMENT ON COLUMN analytics.ranking_moves.seen_at IS 'When it was read.';
COMMENT ON COLUMN analytics.ranking_moves.position IS 'The place, from 0.';
COMMENT ON COLUMN analytics.ranking_moves.kind IS 'project or studio.';
COMMENT ON COLUMN analytics.ranking_moves.thing_id IS 'What stood there.';
COMMENT ON COLUMN analytics.ranking_moves.previous_seen_at IS 'When it was seen there before; null for the first time.';
COMMENT ON COLUMN analytics.ranking_moves.previous_position IS 'The place that it had then.';
COMMENT ON COLUMN analytics.ranking_moves.rise IS 'Places gained since then; negative for places lost.';

CREATE VIEW analytics.live_ranking_stays AS
SELECT
    ranking,
    kind,
    thing_id,
    min(seen_at) AS first_seen_at,
    max(seen_at) AS last_seen_at,
    count(DISTINCT seen_at)::integer AS sightings,
    min(position) AS best_position,
    round(avg(position), 2) AS mean_position
FROM history.rankings
GROUP BY 1, 2, 3;

COMMENT ON VIEW analytics.live_ranking_stays IS
    'Defines analytics.ranking_stays, and is always up to date: quick for one thing, slow for all.';

CREATE VIEW analytics.ranking_readings AS
SELECT
    ranking,
    coalesce(substring(ranking FROM '[?&]language=([^&]*)'), 'any') AS language,
    count(DISTINCT seen_at)::integer AS readings,
    min(seen_at) AS first_read_at,
    max(seen_at) AS last_read_at,
    count(*) AS sightings
FROM history.rankings
GROUP BY ranking;

COMMENT ON VIEW analytics.ranking_readings IS 'How often each ranking was read; always up to date.';
COMMENT ON COLUMN analytics.ranking_readings.ranking IS 'The ranking, with its query, mode and language.';
COMMENT ON COLUMN analytics.ranking_readings.language IS
    'The language that it was asked for in; any for the front page, which knows none.';
COMMENT ON COLUMN analytics.ranking_readings.readings IS 'How often it was read.';
COMMENT ON COLUMN analytics.ranking_readings.first_read_at IS 'The first time.';
COMMENT ON COLUMN analytics.ranking_readings.last_read_at IS 'The last time.';
COMMENT ON COLUMN analytics.ranking_readings.sightings IS 'Places that were read, all readings together.';

CREATE VIEW analytics.ranking_countries AS
SELECT
    s.ranking,
    coalesce(substring(s.ranking FROM '[?&]language=([^&]*)'), 'any') AS language,
    s.kind,
    coalesce(u.country, 'unknown') AS country,
    count(*) AS things,
    count(DISTINCT u.id) AS authors,
    sum(s.sightings)::bigint AS sightings,
    min(s.best_position) AS best_position
FROM analytics.ranking_stays s
LEFT JOIN scratch.projects p ON s.kind = 'project' AND p.id = s.thing_id
LEFT JOIN scratch.studios t ON s.kind = 'studio' AND t.id = s.thing_id
LEFT JOIN scratch.users u ON u.id = coalesce(p.author_id, t.host_id)
GROUP BY 1, 2, 3, 4;

COMMENT ON VIEW analytics.ranking_countries IS
    'From which countries the things in each ranking come, as their authors or hosts declare; as of the last refresh.';
COMMENT ON COLUMN analytics.ranking_countries.ranking IS 'The ranking, with its query, mode and language.';
COMMENT ON COLUMN analytics.ranking_countries.language IS
    'The language that it was asked for in; any for the front page, which knows none.';
COMMENT ON COLUMN analytics.ranking_countries.kind IS 'project or studio.';
COMMENT ON COLUMN analytics.ranking_countries.country IS
    'The country that the author of the project, or the host of the studio, declares; unknown while not read.';
COMMENT ON COLUMN analytics.ranking_countries.things IS 'Different things.';
COMMENT ON COLUMN analytics.ranking_countries.authors IS 'Different authors or hosts.';
COMMENT ON COLUMN analytics.ranking_countries.sightings IS 'Their sightings, a reading that showed one counted once.';
COMMENT ON COLUMN analytics.ranking_countries.best_position IS 'The best place that any of them had, from 0.';
