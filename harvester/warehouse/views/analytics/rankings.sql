-- Rankings over time: what stood where, how it moved, and where its authors say they come from.
--
-- A ranking is what the site chose to show at the moment of a reading; nothing is known of the time between readings.
-- What was missing in a reading and came back has two stays. A stay that was there at the first reading began before
-- it, and one that was there at the last goes on.

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
    'Each ranking entry beside the one before of the same thing in the same ranking; always up to date.';
COMMENT ON COLUMN analytics.ranking_moves.ranking IS 'The ranking, with its query, mode and language.';
COMMENT ON COLUMN analytics.ranking_moves.seen_at IS 'When it was read.';
COMMENT ON COLUMN analytics.ranking_moves.position IS 'The position, from 0.';
COMMENT ON COLUMN analytics.ranking_moves.kind IS 'project or studio.';
COMMENT ON COLUMN analytics.ranking_moves.thing_id IS 'What stood there.';
COMMENT ON COLUMN analytics.ranking_moves.previous_seen_at IS 'When it was seen there before; null for the first time.';
COMMENT ON COLUMN analytics.ranking_moves.previous_position IS 'The position that it had then.';
COMMENT ON COLUMN analytics.ranking_moves.rise IS 'Positions gained since then; negative for positions lost.';

CREATE VIEW analytics.live_ranking_stays AS
SELECT
    s.ranking,
    s.kind,
    s.thing_id,
    s.stay,
    (array_agg(s.read_before ORDER BY s.seen_at))[1] AS absent_before,
    min(s.seen_at) AS first_seen_at,
    max(s.seen_at) AS last_seen_at,
    (SELECT min(n.seen_at) FROM history.rankings n WHERE n.ranking = s.ranking AND n.seen_at > max(s.seen_at)) AS absent_after,
    count(DISTINCT s.seen_at)::integer AS entries,
    min(s.position) AS best_position,
    round(avg(s.position), 2) AS mean_position
FROM (
    SELECT ranking, kind, thing_id, seen_at, position, read_before,
        (count(*) FILTER (WHERE last_seen_at IS NULL OR last_seen_at < read_before) OVER stay)::integer AS stay
    FROM (
        SELECT r.ranking, r.kind, r.thing_id, r.seen_at, r.position, b.read_before,
            lag(r.seen_at) OVER (PARTITION BY r.ranking, r.kind, r.thing_id ORDER BY r.seen_at, r.position) AS last_seen_at
        FROM history.rankings r
        CROSS JOIN LATERAL (
            SELECT max(x.seen_at) AS read_before FROM history.rankings x
            WHERE x.ranking = r.ranking AND x.seen_at < r.seen_at
        ) b
    ) entries
    WINDOW stay AS (PARTITION BY ranking, kind, thing_id ORDER BY seen_at, position)
) s
GROUP BY 1, 2, 3, 4;

COMMENT ON VIEW analytics.live_ranking_stays IS
    'Defines analytics.ranking_stays, and is always up to date: quick for one thing, slow for all.';

CREATE MATERIALIZED VIEW analytics.ranking_stays AS SELECT * FROM analytics.live_ranking_stays;

CREATE UNIQUE INDEX ON analytics.ranking_stays (ranking, kind, thing_id, stay);
CREATE INDEX ON analytics.ranking_stays (kind, thing_id);

COMMENT ON MATERIALIZED VIEW analytics.ranking_stays IS
    'How long and how high each thing stood in each ranking, by the readings that showed it: one row for each stay, which ends with the first reading that did not.';
COMMENT ON COLUMN analytics.ranking_stays.ranking IS 'The ranking, with its query, mode and language.';
COMMENT ON COLUMN analytics.ranking_stays.kind IS 'project or studio.';
COMMENT ON COLUMN analytics.ranking_stays.thing_id IS 'What stood there. Soft reference to projects or studios.';
COMMENT ON COLUMN analytics.ranking_stays.stay IS
    'The number of the stay among those of the thing in this ranking, from 1.';
COMMENT ON COLUMN analytics.ranking_stays.absent_before IS
    'The reading before, which did not show it; null where the stay began before the first one.';
COMMENT ON COLUMN analytics.ranking_stays.first_seen_at IS 'The first reading that showed it.';
COMMENT ON COLUMN analytics.ranking_stays.last_seen_at IS 'The last reading that showed it.';
COMMENT ON COLUMN analytics.ranking_stays.absent_after IS
    'The next reading, which did not show it; null while there is none: the stay may go on.';
COMMENT ON COLUMN analytics.ranking_stays.entries IS
    'Readings in a row that showed it; ranking_readings tells of how many.';
COMMENT ON COLUMN analytics.ranking_stays.best_position IS 'The best position that it had, from 0.';
COMMENT ON COLUMN analytics.ranking_stays.mean_position IS 'The mean of its positions.';

CREATE VIEW analytics.ranking_survival AS
WITH stays AS (
    SELECT ranking, entries, absent_before IS NOT NULL AS is_observable, absent_after IS NOT NULL AS is_over
    FROM analytics.ranking_stays
),
lengths AS (
    SELECT ranking, entries, count(*) FILTER (WHERE is_over) AS ended,
        sum(count(*)) OVER (PARTITION BY ranking ORDER BY entries DESC) AS lasting
    FROM stays WHERE is_observable
    GROUP BY 1, 2
),
curve AS (
    -- The share of stays that are over after so many readings.
    SELECT ranking, entries,
        CASE WHEN bool_or(ended = lasting) OVER upto THEN 1
            ELSE 1 - exp(sum(ln(CASE WHEN ended < lasting THEN 1 - ended / lasting::double precision ELSE 1 END)) OVER upto)
        END AS share
    FROM lengths
    WINDOW upto AS (PARTITION BY ranking ORDER BY entries)
)
SELECT
    s.ranking,
    count(*)::integer AS stays,
    (count(*) FILTER (WHERE is_observable))::integer AS observable,
    (count(*) FILTER (WHERE is_observable AND is_over))::integer AS ended,
    (SELECT min(c.entries) FROM curve c WHERE c.ranking = s.ranking AND c.share >= 0.5 - 1e-9) AS median_readings
FROM stays s
GROUP BY 1;

COMMENT ON VIEW analytics.ranking_survival IS
    'For how many readings things stay in each ranking, as of the last refresh: by Kaplan and Meier, so that stays that go on count for as long as they were seen.';
COMMENT ON COLUMN analytics.ranking_survival.ranking IS 'The ranking, with its query, mode and language.';
COMMENT ON COLUMN analytics.ranking_survival.stays IS 'Stays of things in it.';
COMMENT ON COLUMN analytics.ranking_survival.observable IS
    'Stays that began after the first reading: how long the others had been there is not known.';
COMMENT ON COLUMN analytics.ranking_survival.ended IS 'How many of these were over at the last reading.';
COMMENT ON COLUMN analytics.ranking_survival.median_readings IS
    'Half of the observable stays are over after so many readings in a row; null while less than half are.';

CREATE VIEW analytics.ranking_readings AS
SELECT
    ranking,
    coalesce(substring(ranking FROM '[?&]language=([^&]*)'), 'any') AS language,
    count(DISTINCT seen_at)::integer AS readings,
    min(seen_at) AS first_read_at,
    max(seen_at) AS last_read_at,
    count(*) AS places
FROM history.rankings
GROUP BY ranking;

COMMENT ON VIEW analytics.ranking_readings IS 'How often each ranking was read; always up to date.';
COMMENT ON COLUMN analytics.ranking_readings.ranking IS 'The ranking, with its query, mode and language.';
COMMENT ON COLUMN analytics.ranking_readings.language IS
    'The language that it was asked for in; any for the front page, which knows none.';
COMMENT ON COLUMN analytics.ranking_readings.readings IS 'How often it was read.';
COMMENT ON COLUMN analytics.ranking_readings.first_read_at IS 'The first time.';
COMMENT ON COLUMN analytics.ranking_readings.last_read_at IS 'The last time.';
COMMENT ON COLUMN analytics.ranking_readings.places IS
    'Positions that were read, all readings together; what stood at two positions of a reading has one entry.';

CREATE VIEW analytics.live_ranking_countries AS
SELECT
    s.ranking,
    coalesce(substring(s.ranking FROM '[?&]language=([^&]*)'), 'any') AS language,
    s.kind,
    coalesce(u.country, 'unknown') AS country,
    count(DISTINCT s.thing_id) AS things,
    count(DISTINCT u.id) AS authors,
    sum(s.entries)::bigint AS entries,
    min(s.best_position) AS best_position,
    row_number() OVER (
        PARTITION BY s.ranking, s.kind ORDER BY sum(s.entries) DESC, coalesce(u.country, 'unknown') COLLATE "C"
    ) AS place
FROM analytics.ranking_stays s
LEFT JOIN scratch.projects p ON s.kind = 'project' AND p.id = s.thing_id
LEFT JOIN scratch.studios t ON s.kind = 'studio' AND t.id = s.thing_id
LEFT JOIN scratch.users u ON u.id = coalesce(p.author_id, t.host_id)
GROUP BY s.ranking, s.kind, coalesce(u.country, 'unknown');

COMMENT ON VIEW analytics.live_ranking_countries IS
    'Defines analytics.ranking_countries: asks for the author of each thing in analytics.ranking_stays at each look.';

CREATE MATERIALIZED VIEW analytics.ranking_countries AS SELECT * FROM analytics.live_ranking_countries;

CREATE UNIQUE INDEX ON analytics.ranking_countries (ranking, kind, place);

COMMENT ON MATERIALIZED VIEW analytics.ranking_countries IS
    'From which countries the things in each ranking come, as their authors or hosts declare.';
COMMENT ON COLUMN analytics.ranking_countries.ranking IS 'The ranking, with its query, mode and language.';
COMMENT ON COLUMN analytics.ranking_countries.language IS
    'The language that it was asked for in; any for the front page, which knows none.';
COMMENT ON COLUMN analytics.ranking_countries.kind IS 'project or studio.';
COMMENT ON COLUMN analytics.ranking_countries.country IS
    'The country that the author of the project, or the host of the studio, declares; unknown while not read.';
COMMENT ON COLUMN analytics.ranking_countries.things IS 'Different things.';
COMMENT ON COLUMN analytics.ranking_countries.authors IS 'Different authors or hosts.';
COMMENT ON COLUMN analytics.ranking_countries.entries IS 'Their entries, a reading that showed one counted once.';
COMMENT ON COLUMN analytics.ranking_countries.best_position IS 'The best position that any of them had, from 0.';
COMMENT ON COLUMN analytics.ranking_countries.place IS
    'Place in this ranking and kind by entries, from 1; of equal ones by name.';

CREATE VIEW analytics.index_lag AS
SELECT
    p.id AS project_id,
    r.ranking,
    r.seen_at,
    r.views AS index_views,
    p.views,
    r.loves AS index_loves,
    p.loves,
    r.favorites AS index_favorites,
    p.favorites,
    CASE
        WHEN (r.views, r.loves, r.favorites) IS NOT DISTINCT FROM (p.views, p.loves, p.favorites) THEN 0
        ELSE extract(epoch FROM r.seen_at - (
            SELECT max(h.valid_to) FROM history.project_stats h
            WHERE h.project_id = p.id AND h.views <= r.views AND h.valid_to <= r.seen_at
        )) / 86400
    END AS days_behind
FROM scratch.projects p
JOIN LATERAL (
    SELECT * FROM history.rankings r
    WHERE r.kind = 'project' AND r.thing_id = p.id AND r.views IS NOT NULL
    ORDER BY r.seen_at DESC, r.ranking, r.position LIMIT 1
) r ON true
WHERE p.views IS NOT NULL AND p.from_index = '{}';

COMMENT ON VIEW analytics.index_lag IS
    'The values of each project that explore and search showed last, beside those of its own page and lists; always up to date.';
COMMENT ON COLUMN analytics.index_lag.project_id IS 'The project.';
COMMENT ON COLUMN analytics.index_lag.ranking IS 'The ranking that showed it last, with its query, mode and language.';
COMMENT ON COLUMN analytics.index_lag.seen_at IS 'When that ranking was read.';
COMMENT ON COLUMN analytics.index_lag.index_views IS 'Views, as the index said.';
COMMENT ON COLUMN analytics.index_lag.views IS 'Views, as the project''s page or a list said last.';
COMMENT ON COLUMN analytics.index_lag.index_loves IS 'Loves, as the index said.';
COMMENT ON COLUMN analytics.index_lag.loves IS 'Loves, as the project''s page or a list said last.';
COMMENT ON COLUMN analytics.index_lag.index_favorites IS 'Favorites, as the index said.';
COMMENT ON COLUMN analytics.index_lag.favorites IS 'Favorites, as the project''s page or a list said last.';
COMMENT ON COLUMN analytics.index_lag.days_behind IS
    'Least number of days by which the index was behind: since the counters that it showed were superseded; null where they are older than all that were read.';
