-- Samples as they were drawn, and estimates from them with their errors. docs/sampling.md has the formulas.

-- One row per design: its frame, and how far it is. What was replaced in a panel counts no more.
CREATE VIEW analytics.samples AS
SELECT g.id AS design_id, g.name, g.kind, g.parent_id, g.depth, g.parameters, g.drawn_at,
    s.frame_size, coalesce(w.wave, 0) AS wave, coalesce(d.drawn, 0) AS drawn, coalesce(d.visited, 0) AS visited,
    coalesce(d.hits, 0) AS hits, coalesce(d.misses, 0) AS misses, coalesce(d.replaced, 0) AS replaced,
    g.completed_at IS NOT NULL AND coalesce(d.drawn, 0) = coalesce(d.visited, 0) AS is_complete
FROM crawl.designs g
LEFT JOIN (
    SELECT design_id, sum(frame_size)::bigint AS frame_size FROM crawl.strata GROUP BY 1
) s ON s.design_id = g.id
LEFT JOIN (SELECT design_id, max(wave) AS wave FROM crawl.waves GROUP BY 1) w ON w.design_id = g.id
LEFT JOIN (
    SELECT design_id, count(*) FILTER (WHERE replaced_at IS NULL) AS drawn,
        count(outcome) FILTER (WHERE replaced_at IS NULL) AS visited,
        count(*) FILTER (WHERE replaced_at IS NULL AND outcome = 'hit') AS hits,
        count(*) FILTER (WHERE replaced_at IS NULL AND outcome NOT IN ('hit', 'burn-in')) AS misses,
        count(replaced_at) AS replaced
    FROM crawl.draws GROUP BY 1
) d ON d.design_id = g.id;

COMMENT ON VIEW analytics.samples IS
    'One row per sampling design: what it draws, from which frame, and how far it is.';
COMMENT ON COLUMN analytics.samples.design_id IS 'The design.';
COMMENT ON COLUMN analytics.samples.name IS 'uniform, stratified, panel, authors or walk (a random walk).';
COMMENT ON COLUMN analytics.samples.kind IS 'What it draws: project, studio or user.';
COMMENT ON COLUMN analytics.samples.parent_id IS 'For authors and random walks: the design from whose hits they come or start.';
COMMENT ON COLUMN analytics.samples.depth IS 'Hops from a hit that are visited too; -1: the hit alone, without its lists.';
COMMENT ON COLUMN analytics.samples.parameters IS 'Its parameters, frame and seed. With the seed the same ids can be drawn: not for a dataset with pseudonyms.';
COMMENT ON COLUMN analytics.samples.drawn_at IS 'When it was drawn, or its first walk started.';
COMMENT ON COLUMN analytics.samples.frame_size IS 'Ids that could be drawn; null where there is no list of them (authors, random walks).';
COMMENT ON COLUMN analytics.samples.wave IS 'Of a panel: the current wave, of which visited, hits and misses tell; else 0.';
COMMENT ON COLUMN analytics.samples.drawn IS 'Units drawn, those that were replaced left out.';
COMMENT ON COLUMN analytics.samples.visited IS 'Of these, units with an outcome.';
COMMENT ON COLUMN analytics.samples.hits IS 'Of these, hits.';
COMMENT ON COLUMN analytics.samples.misses IS 'Of these, misses; steps of a burn-in are neither.';
COMMENT ON COLUMN analytics.samples.replaced IS 'Units that others replaced, in a panel.';
COMMENT ON COLUMN analytics.samples.is_complete IS 'Whether all is drawn and visited.';

-- One row per stratum of a design that draws ids.
CREATE VIEW analytics.sample_strata AS
SELECT s.design_id, s.stratum, s.first_id, s.last_id, s.frame_size, count(d.position) AS drawn,
    count(d.outcome) AS visited, count(*) FILTER (WHERE d.outcome = 'hit') AS hits,
    count(*) FILTER (WHERE d.outcome <> 'hit') AS misses
FROM crawl.strata s
LEFT JOIN crawl.draws d
    ON d.design_id = s.design_id AND d.stratum = s.stratum AND d.replaced_at IS NULL
GROUP BY s.design_id, s.stratum;

COMMENT ON VIEW analytics.sample_strata IS
    'One row per stratum of a design: its ids, how many were drawn and visited, hits and misses.';
COMMENT ON COLUMN analytics.sample_strata.design_id IS 'The design.';
COMMENT ON COLUMN analytics.sample_strata.stratum IS 'The stratum.';
COMMENT ON COLUMN analytics.sample_strata.first_id IS 'Its first id; null for what was taken for sure.';
COMMENT ON COLUMN analytics.sample_strata.last_id IS 'Its last id.';
COMMENT ON COLUMN analytics.sample_strata.frame_size IS 'How many ids it has, without those that were taken for sure.';
COMMENT ON COLUMN analytics.sample_strata.drawn IS 'How many were drawn, those that were replaced left out.';
COMMENT ON COLUMN analytics.sample_strata.visited IS 'Of these, how many have an outcome.';
COMMENT ON COLUMN analytics.sample_strata.hits IS 'Of these, hits.';
COMMENT ON COLUMN analytics.sample_strata.misses IS 'Of these, misses.';

-- One row per draw, with all that a dataset has to say of how a row came into it.
CREATE VIEW analytics.sample_units AS
SELECT d.design_id, g.name AS design, g.kind, d.position, d.entity_id, d.stratum, d.cluster_id,
    d.inclusion_probability, d.weight, d.measure, d.outcome, d.panel_group, d.drawn_at, d.visited_at, d.replaced_at,
    s.frame_size, s.drawn, s.hits, s.misses
FROM crawl.draws d
JOIN crawl.designs g ON g.id = d.design_id
LEFT JOIN analytics.sample_strata s
    ON s.design_id = coalesce(g.parent_id, g.id) AND s.stratum = d.stratum;

COMMENT ON VIEW analytics.sample_units IS
    'One row per draw of a design, misses included: stratum, cluster, inclusion probability, weight, outcome, and the frame, hits and misses of its stratum.';
COMMENT ON COLUMN analytics.sample_units.design_id IS 'The design.';
COMMENT ON COLUMN analytics.sample_units.design IS 'uniform, stratified, panel, authors or walk (a random walk).';
COMMENT ON COLUMN analytics.sample_units.kind IS 'What was drawn: project, studio or user.';
COMMENT ON COLUMN analytics.sample_units.position IS 'The position in the draw: with the seed it tells the id.';
COMMENT ON COLUMN analytics.sample_units.entity_id IS 'What was drawn; authors and users of a random walk may come more than once.';
COMMENT ON COLUMN analytics.sample_units.stratum IS 'The stratum it was drawn from; null in a random walk.';
COMMENT ON COLUMN analytics.sample_units.cluster_id IS 'What was drawn independently: the project, an author''s project, the number of the random walk.';
COMMENT ON COLUMN analytics.sample_units.inclusion_probability IS 'The first-order inclusion probability; null where it is known up to a factor only (random walks).';
COMMENT ON COLUMN analytics.sample_units.weight IS 'What one draw stands for; of a random walk up to a common factor; null where there is no hit to weigh.';
COMMENT ON COLUMN analytics.sample_units.measure IS 'Of an author: projects in the frame. Of a step: degree plus restart times projects.';
COMMENT ON COLUMN analytics.sample_units.outcome IS 'hit, not found, gone, not public; of random walks also burn-in and isolated; null until visited.';
COMMENT ON COLUMN analytics.sample_units.panel_group IS 'Of a rotating panel: the part that is replaced together.';
COMMENT ON COLUMN analytics.sample_units.drawn_at IS 'When it was drawn.';
COMMENT ON COLUMN analytics.sample_units.visited_at IS 'When the outcome was recorded.';
COMMENT ON COLUMN analytics.sample_units.replaced_at IS 'When another took its place, in a panel.';
COMMENT ON COLUMN analytics.sample_units.frame_size IS 'Ids of the stratum.';
COMMENT ON COLUMN analytics.sample_units.drawn IS 'Draws from the stratum.';
COMMENT ON COLUMN analytics.sample_units.hits IS 'Hits of the stratum.';
COMMENT ON COLUMN analytics.sample_units.misses IS 'Misses of the stratum.';

-- What became of the visits that a draw asks for, wave by wave: analysts may not see the frontier itself.
CREATE VIEW analytics.sample_visits AS
SELECT d.design_id, coalesce(v.wave, 0) AS wave, d.position, d.stratum, d.entity_id, d.outcome, d.visited_at, d.measure,
    CASE
        WHEN d.outcome IS NOT NULL THEN 'visited'
        WHEN (
            SELECT bool_or(w.failures > 0) FROM crawl.frontier w
            WHERE w.stream = ANY(CASE WHEN g.name = 'authors' THEN ARRAY['user', 'user_projects'] ELSE ARRAY[g.kind] END)
                AND w.entity_id = d.entity_id
        ) THEN 'failed'
        ELSE 'waiting'
    END AS visit,
    CASE WHEN d.outcome = 'hit' THEN coalesce((
        SELECT CASE
            WHEN l.failures > 0 OR t.failed THEN 'failed'
            -- What was read in an earlier wave is to be read again.
            WHEN (l.certificate ->> 'complete')::boolean AND NOT t.waits
                AND (v.wave IS NULL OR v.wave = 0 OR l.visited_at >= v.started_at) THEN 'read'
            ELSE 'waiting' END
        FROM crawl.frontier l CROSS JOIN LATERAL (
            SELECT coalesce(bool_or(r.failures > 0), false) AS failed, coalesce(bool_or(r.visits = 0), false) AS waits
            FROM scratch.comments c JOIN crawl.frontier r ON r.stream = g.kind || '_replies' AND r.entity_id = c.id
            WHERE c.kind = g.kind AND c.place_id = d.entity_id AND c.parent_id IS NULL
        ) t
        WHERE l.stream = g.kind || '_comments' AND l.entity_id = d.entity_id), 'waiting')
    END AS comments
FROM crawl.draws d
JOIN crawl.designs g ON g.id = d.design_id
LEFT JOIN (
    SELECT design_id, max(wave) AS wave, max(started_at) AS started_at FROM crawl.waves GROUP BY 1
) v ON v.design_id = d.design_id
WHERE d.replaced_at IS NULL
UNION ALL
SELECT o.design_id, o.wave, o.position, d.stratum, d.entity_id, o.outcome, o.visited_at, d.measure, o.visit, NULL
FROM crawl.wave_outcomes o JOIN crawl.draws d ON d.design_id = o.design_id AND d.position = o.position;

COMMENT ON VIEW analytics.sample_visits IS
    'One row per draw of a design, of a panel per unit and wave: whether it could be visited, and of a hit whether its comments could be read.';
COMMENT ON COLUMN analytics.sample_visits.design_id IS 'The design.';
COMMENT ON COLUMN analytics.sample_visits.wave IS 'The wave of a panel; else 0.';
COMMENT ON COLUMN analytics.sample_visits.position IS 'The position in the draw.';
COMMENT ON COLUMN analytics.sample_visits.stratum IS 'The stratum it was drawn from; null in a random walk.';
COMMENT ON COLUMN analytics.sample_visits.entity_id IS 'What was drawn.';
COMMENT ON COLUMN analytics.sample_visits.outcome IS 'hit, not found, gone, not public; null until visited.';
COMMENT ON COLUMN analytics.sample_visits.visited_at IS 'When the outcome was recorded.';
COMMENT ON COLUMN analytics.sample_visits.measure IS 'Of an author: projects in the frame.';
COMMENT ON COLUMN analytics.sample_visits.visit IS 'visited, failed (tried, and no usable answer so far) or waiting; of an earlier wave, as when the next one began.';
COMMENT ON COLUMN analytics.sample_visits.comments IS
    'Of a hit: read (its list has a certificate and no thread waits), failed or waiting; null of what is no hit, and of earlier waves.';

-- One row per wave and stratum; what is no panel has wave 0 alone.
CREATE VIEW analytics.sample_waves AS
SELECT v.design_id, v.wave, coalesce(w.started_at, g.drawn_at) AS started_at, v.stratum, s.frame_size, count(*) AS drawn,
    count(v.outcome) AS visited, count(*) FILTER (WHERE v.outcome = 'hit') AS hits,
    count(*) FILTER (WHERE v.outcome <> 'hit') AS misses
FROM analytics.sample_visits v
JOIN crawl.designs g ON g.id = v.design_id
JOIN crawl.strata s ON s.design_id = v.design_id AND s.stratum = v.stratum
LEFT JOIN crawl.waves w ON w.design_id = v.design_id AND w.wave = v.wave
GROUP BY v.design_id, v.wave, w.started_at, g.drawn_at, v.stratum, s.frame_size;

COMMENT ON VIEW analytics.sample_waves IS
    'One row per wave and stratum of a design that draws ids: how many units stood in it, and what became of them in that wave.';
COMMENT ON COLUMN analytics.sample_waves.design_id IS 'The design.';
COMMENT ON COLUMN analytics.sample_waves.wave IS 'The wave of a panel; else 0.';
COMMENT ON COLUMN analytics.sample_waves.started_at IS 'When the wave began.';
COMMENT ON COLUMN analytics.sample_waves.stratum IS 'The stratum.';
COMMENT ON COLUMN analytics.sample_waves.frame_size IS 'How many ids it has.';
COMMENT ON COLUMN analytics.sample_waves.drawn IS 'How many units of it stood in the wave.';
COMMENT ON COLUMN analytics.sample_waves.visited IS 'Of these, how many have an outcome in the wave.';
COMMENT ON COLUMN analytics.sample_waves.hits IS 'Of these, hits.';
COMMENT ON COLUMN analytics.sample_waves.misses IS 'Of these, misses.';

CREATE FUNCTION analytics.t95(freedom double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
-- Exact for 1, 2 and 3 degrees of freedom, down to which fewer than 4 are rounded; else the expansion in their inverse:
-- to 0.1%. What is less than a whole number by rounding alone is that number.
SELECT CASE
    WHEN freedom < 1 - 1e-9 OR freedom IS NULL THEN NULL
    WHEN freedom < 2 - 1e-9 THEN 12.706204736
    WHEN freedom < 3 - 1e-9 THEN 4.302652730
    WHEN freedom < 4 - 1e-9 THEN 3.182446305
    ELSE z + (z^3 + z) / (4 * freedom) + (5 * z^5 + 16 * z^3 + 3 * z) / (96 * freedom^2)
        + (3 * z^7 + 19 * z^5 + 17 * z^3 - 15 * z) / (384 * freedom^3)
        + (79 * z^9 + 776 * z^7 + 1482 * z^5 - 1920 * z^3 - 945 * z) / (92160 * freedom^4)
END
FROM (SELECT 1.959963984540054::double precision AS z) normal
$$;

COMMENT ON FUNCTION analytics.t95 IS
    'The 97.5% quantile of Student''s t: how many standard errors a 95% interval reaches to each side.';

CREATE FUNCTION analytics.interval95(
    estimate double precision, standard_error double precision, freedom double precision, scale text
) RETURNS double precision[]
LANGUAGE sql IMMUTABLE AS $$
SELECT CASE
    WHEN standard_error IS NULL THEN ARRAY[NULL, NULL]::double precision[]
    WHEN standard_error = 0 THEN ARRAY[estimate, estimate]
    WHEN scale = 'share' AND estimate > 0 AND estimate < 1 THEN ARRAY[
        1 / (1 + (1 - estimate) / estimate * exp(least(500, reach / (estimate * (1 - estimate))))),
        1 / (1 + (1 - estimate) / estimate * exp(-least(500, reach / (estimate * (1 - estimate)))))]
    WHEN scale = 'positive' AND estimate > 0 THEN ARRAY[
        estimate * exp(-least(500, reach / estimate)), estimate * exp(least(500, reach / estimate))]
    ELSE ARRAY[estimate - reach, estimate + reach]
END
FROM (SELECT analytics.t95(freedom) * standard_error AS reach) width
$$;

COMMENT ON FUNCTION analytics.interval95 IS
    'A 95% interval around an estimate: on the logit scale for a share, on the log scale for what is positive, else symmetric.';

CREATE FUNCTION analytics.sample_response(design bigint, list text DEFAULT NULL, wave integer DEFAULT NULL)
RETURNS TABLE (
    stratum text, "position" bigint, entity_id bigint, status text, class integer, factor double precision
)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    base bigint := design;
    authors bigint;
    of_wave integer := wave;
    kind text;
BEGIN
SELECT CASE s.name WHEN 'authors' THEN s.parent_id ELSE s.design_id END, CASE s.name WHEN 'authors' THEN s.design_id END,
    coalesce(of_wave, s.wave), s.kind
INTO base, authors, of_wave, kind FROM analytics.samples s WHERE s.design_id = base;
IF list <> 'comments' OR list IS NOT NULL AND kind = 'user' THEN
    RAISE EXCEPTION 'of a % no list called % is visited for a sample', kind, list USING ERRCODE = 'invalid_parameter_value',
        HINT = 'The list is comments, of a project or studio, or null.';
END IF;
RETURN QUERY WITH asked AS (
    SELECT b.stratum, b.position, b.entity_id AS drawn_id,
        CASE WHEN authors IS NULL THEN b.entity_id ELSE d.entity_id END AS entity_id,
        -- An author counts for 1 / projects with each project drawn.
        CASE WHEN authors IS NULL THEN 1 ELSE 1 / d.measure END AS factor,
        CASE
            WHEN b.outcome IS NULL THEN b.visit
            WHEN b.outcome <> 'hit' THEN 'miss'
            WHEN authors IS NOT NULL THEN CASE
                WHEN d.outcome = 'hit' THEN 'hit'
                WHEN d.outcome IS NOT NULL THEN 'miss'
                WHEN d.visit = 'failed' THEN 'unread'
                ELSE 'waiting' END
            WHEN $2 IS DISTINCT FROM 'comments' OR b.comments = 'read' THEN 'hit'
            WHEN b.comments = 'failed' THEN 'unread'
            ELSE 'waiting'
        END AS status
    FROM analytics.sample_visits b
    LEFT JOIN analytics.sample_visits d ON d.design_id = authors AND d.position = b.position
    WHERE b.design_id = base AND b.wave = of_wave
), turns AS (
    SELECT a.stratum, min(a.position) FILTER (WHERE a.status = 'waiting') AS first_waiting FROM asked a GROUP BY 1
), reached AS (
    -- The first units of a random order are a random sample themselves; those visited out of turn wait for theirs.
    SELECT a.*, count(*) OVER (PARTITION BY a.stratum) AS n,
        row_number() OVER (PARTITION BY a.stratum ORDER BY a.drawn_id) - 1 AS age
    FROM asked a JOIN turns t ON t.stratum = a.stratum
    WHERE t.first_waiting IS NULL OR a.position < t.first_waiting
), classed AS (
    -- Ids run with time: classes of equal size by age, of twenty units at least.
    SELECT *, (r.age * least(10, greatest(1, r.n / 20)) / r.n)::integer + 1 AS fine FROM reached r
), sound AS (
    -- A class whose answers are too few to speak for the rest is put together with its whole stratum.
    SELECT x.stratum, bool_and(
        x.answered >= 5 AND (x.unread = 0 OR x.hits >= 5)) AS is_sound
    FROM (
        SELECT c.stratum, c.fine, count(*) FILTER (WHERE c.status <> 'failed') AS answered,
            count(*) FILTER (WHERE c.status = 'unread') AS unread, count(*) FILTER (WHERE c.status = 'hit') AS hits
        FROM classed c GROUP BY 1, 2
    ) x GROUP BY 1
)
SELECT c.stratum, c.position, c.entity_id, c.status, CASE WHEN s.is_sound THEN c.fine ELSE 0 END, c.factor
FROM classed c JOIN sound s ON s.stratum = c.stratum;
END
$$;

COMMENT ON FUNCTION analytics.sample_response IS
    'The units of a sample of ids or authors that an estimate rests on, in the order of the draw up to the first that still waits: miss, hit, failed (could not be visited) or unread (a hit whose author, or whose list, could not be); class is that of stratum and age within which answers stand for what failed.';

CREATE FUNCTION analytics.nonresponse(design bigint, list text DEFAULT NULL, wave integer DEFAULT NULL)
RETURNS TABLE (
    stratum text, class integer, first_position bigint, last_position bigint, reached bigint, failed bigint, hits bigint,
    unread bigint, weight_of_visited double precision, weight_of_read double precision
)
LANGUAGE sql STABLE AS $$
SELECT r.stratum, r.class, min(r.position), max(r.position), count(*), count(*) FILTER (WHERE r.status = 'failed'),
    count(*) FILTER (WHERE r.status IN ('hit', 'unread')), count(*) FILTER (WHERE r.status = 'unread'),
    count(*)::float8 / nullif(count(*) FILTER (WHERE r.status <> 'failed'), 0),
    count(*) FILTER (WHERE r.status IN ('hit', 'unread'))::float8 / nullif(count(*) FILTER (WHERE r.status = 'hit'), 0)
FROM analytics.sample_response($1, $2, $3) r
GROUP BY 1, 2 ORDER BY 1, 2
$$;

COMMENT ON FUNCTION analytics.nonresponse IS
    'What could not be visited or read of a sample, by stratum and class of age, and by how much those that could be count more for it.';

CREATE FUNCTION analytics.estimate(
    design bigint, ids bigint[], y double precision[], list text DEFAULT NULL, is_share boolean DEFAULT NULL,
    wave integer DEFAULT NULL
)
RETURNS TABLE (
    figure text, estimate double precision, standard_error double precision, low double precision,
    high double precision, deff double precision, units bigint, reached bigint, drawn bigint, nonresponse bigint, note text
)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    about analytics.samples;
BEGIN
    SELECT * INTO about FROM analytics.samples s WHERE s.design_id = $1;
    IF about.design_id IS NULL THEN
        RAISE EXCEPTION 'there is no design %', design USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF cardinality(ids) <> cardinality(y) OR cardinality(ids) <> (SELECT count(DISTINCT i) FROM unnest(ids) i) THEN
        RAISE EXCEPTION 'one value for each id, and each id once' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF wave NOT BETWEEN 0 AND about.wave THEN
        RAISE EXCEPTION 'design % has no wave %', design, wave USING ERRCODE = 'invalid_parameter_value',
            HINT = 'analytics.sample_waves has the waves of a panel.';
    END IF;
    IF list IS NOT NULL AND wave < about.wave THEN
        RAISE EXCEPTION 'whether the % of wave % of design % had been read is not kept', list, wave, design
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Lists are estimated in the current wave alone.';
    END IF;
    IF about.name = 'walk' THEN
        IF NOT about.is_complete THEN
            RAISE EXCEPTION 'the random walks of design % are not at their end', design
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run `harvester crawl` until nothing is due.';
        END IF;
        RETURN QUERY SELECT e.figure, e.estimate, e.standard_error, e.low, e.high,
            e.standard_error ^ 2 / nullif(analytics.variance_of_steps($1, $2, $3), 0),
            e.units, e.reached, e.drawn, e.nonresponse, e.note
        FROM analytics.estimate_from_walks($1, $2, $3) e;
    ELSE
        RETURN QUERY SELECT e.figure, e.estimate, e.standard_error, e.low, e.high,
            e.standard_error ^ 2 / nullif(v.variance, 0), e.units, e.reached, e.drawn, e.nonresponse, e.note
        FROM analytics.estimate_from_draws($1, $2, $3, $4, $5, $6) e
        LEFT JOIN analytics.variances_of_draws($1, $2, $3, $4, $6) v ON v.figure = e.figure;
    END IF;
END
$$;

COMMENT ON FUNCTION analytics.estimate(bigint, bigint[], double precision[], text, boolean, integer) IS
    'Size, total and mean of a population from a sample, each with its standard error and 95% interval: y by id of the sampled things; what has no y, or null, is outside of the population that is meant. With list comments a unit counts once that list of it is read. Of a panel: the population at the time of a wave, the current one unless said, from the units that stood in it and what became of them in that wave. An interval that the data cannot carry is null, and note says why. deff is the variance by that of a simple random sample of as many units.';

CREATE FUNCTION analytics.weighed_units(
    design bigint, ids bigint[], y double precision[], list text DEFAULT NULL, wave integer DEFAULT NULL
)
RETURNS TABLE (
    stratum text, class integer, "position" bigint, entity_id bigint, status text, value double precision,
    d double precision, z double precision, m double precision, n_of_stratum double precision, n double precision,
    r double precision, h double precision, k double precision, a double precision, b double precision,
    w double precision
)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    base bigint := design;
    of_wave integer := wave;
BEGIN
SELECT CASE s.name WHEN 'authors' THEN s.parent_id ELSE s.design_id END, coalesce(of_wave, s.wave)
INTO base, of_wave FROM analytics.samples s WHERE s.design_id = base;
RETURN QUERY WITH valued AS (
    SELECT r.stratum, r.class, r.position, r.entity_id, r.status, CASE WHEN r.status = 'hit' THEN v.value END AS value,
        CASE WHEN r.status = 'hit' AND v.value IS NOT NULL THEN r.factor ELSE 0 END AS d,
        CASE WHEN r.status = 'hit' AND v.value IS NOT NULL THEN r.factor * v.value ELSE 0 END AS z
    FROM analytics.sample_response($1, $4, $5) r
    LEFT JOIN unnest($2, $3) AS v (id, value) ON v.id = r.entity_id
), classes AS (
    SELECT c.*, sum(c.n) OVER (PARTITION BY c.stratum) AS n_of_stratum, c.n / nullif(c.r, 0) AS a,
        CASE WHEN c.h = 0 THEN 1 ELSE c.h / nullif(c.k, 0) END AS b
    FROM (
        SELECT v.stratum, v.class, count(*)::float8 AS n, count(*) FILTER (WHERE v.status <> 'failed')::float8 AS r,
            count(*) FILTER (WHERE v.status IN ('hit', 'unread'))::float8 AS h,
            count(*) FILTER (WHERE v.status = 'hit')::float8 AS k
        FROM valued v GROUP BY 1, 2
    ) c
)
SELECT v.stratum, v.class, v.position, v.entity_id, v.status, v.value, v.d, v.z, s.frame_size::float8, c.n_of_stratum,
    c.n, c.r, c.h, c.k, c.a, c.b, s.frame_size / c.n_of_stratum * c.a * c.b
FROM (SELECT w.stratum, w.frame_size FROM analytics.sample_waves w WHERE w.design_id = base AND w.wave = of_wave) s
JOIN classes c ON c.stratum = s.stratum
JOIN valued v ON v.stratum = c.stratum AND v.class = c.class;
END
$$;

COMMENT ON FUNCTION analytics.weighed_units IS
    'The units that an estimate rests on, with what they add to it: d to the size, z to the total, each times the weight w. Of the stratum m ids and n_of_stratum units, of the class n units, r of them visited, h hits, k of them read; a and b are the weights of those that were visited and read.';

CREATE FUNCTION analytics.estimate_from_draws(
    design bigint, ids bigint[], y double precision[], list text, is_share boolean, wave integer
)
RETURNS TABLE (
    figure text, estimate double precision, standard_error double precision, low double precision,
    high double precision, units bigint, reached bigint, drawn bigint, nonresponse bigint, note text
)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    base bigint := design;
    of_wave integer := wave;
    is_of_authors boolean;
BEGIN
SELECT CASE s.name WHEN 'authors' THEN s.parent_id ELSE s.design_id END, coalesce(of_wave, s.wave), s.name = 'authors'
INTO base, of_wave, is_of_authors FROM analytics.samples s WHERE s.design_id = base;
RETURN QUERY WITH valued AS MATERIALIZED (
    SELECT * FROM analytics.weighed_units($1, $2, $3, $4, $6)
), weights AS (
    SELECT v.stratum, v.class, v.m, v.n_of_stratum, v.n, v.r, v.h, v.k, v.a, v.b, v.w, count(v.value) AS hits,
        count(*) FILTER (WHERE v.z <> 0) AS positive,
        sum(v.d) AS d, sum(v.z) AS z, sum(v.d * v.d) AS dd, sum(v.d * v.z) AS dz, sum(v.z * v.z) AS zz
    FROM valued v GROUP BY v.stratum, v.class, v.m, v.n_of_stratum, v.n, v.r, v.h, v.k, v.a, v.b, v.w
), sums AS (
    SELECT sum(w * d) AS size, sum(w * z) AS total, sum(w * z) / nullif(sum(w * d), 0) AS mean, sum(hits)::bigint AS units,
        sum(n)::bigint AS reached, sum(n - r + h - k)::bigint AS nonresponse, bool_or(w IS NULL) AS is_mute,
        -- What was taken whole has no error, and its part of an estimate no interval.
        coalesce(sum(w * d) FILTER (WHERE n_of_stratum >= m), 0) AS sure_size,
        coalesce(sum(w * z) FILTER (WHERE n_of_stratum >= m), 0) AS sure_total,
        coalesce(sum(m * n / n_of_stratum) FILTER (WHERE n_of_stratum < m), 0) AS left_frame,
        sum(hits) FILTER (WHERE n_of_stratum < m OR r < n OR k < h) AS left_hits,
        -- Kish: so many units of equal weight know as much.
        sum(m / n_of_stratum * a * r) FILTER (WHERE n_of_stratum < m) ^ 2
            / nullif(sum((m / n_of_stratum * a) ^ 2 * r) FILTER (WHERE n_of_stratum < m), 0) AS effective_draws,
        sum(w * hits) ^ 2 / nullif(sum(w * w * hits), 0) AS effective_hits,
        sum(w * hits) FILTER (WHERE n_of_stratum < m) AS expanded_hits, sum(dd) / nullif(sum(hits), 0) AS dd_of_hit,
        sum(w * positive) FILTER (WHERE n_of_stratum < m) AS expanded_positive,
        sum(zz) / nullif(sum(positive), 0) AS zz_of_positive
    FROM weights
), parts AS (
    SELECT w.*, f.figure, f.s, f.ss, f.seen, f.square, each_draw.rate
    FROM weights w CROSS JOIN sums u CROSS JOIN LATERAL (
        VALUES ('size', w.d, w.dd, w.hits, u.expanded_hits, u.dd_of_hit),
            ('total', w.z, w.zz, w.positive, u.expanded_positive, u.zz_of_positive),
            ('mean', w.z - u.mean * w.d, w.zz - 2 * u.mean * w.dz + u.mean ^ 2 * w.dd, w.positive, u.expanded_positive,
                u.zz_of_positive)
    ) AS f (figure, s, ss, seen, expanded, square)
    CROSS JOIN LATERAL (SELECT w.n_of_stratum * f.expanded / nullif(u.left_frame, 0) AS rate) AS each_draw
), powers AS (
    -- Of the units that add something; the others are that many times 0.
    SELECT f.figure, v.stratum, sum(f.e) AS e1, sum(f.e ^ 2) AS e2, sum(f.e ^ 3) AS e3, sum(f.e ^ 4) AS e4
    FROM valued v CROSS JOIN sums u CROSS JOIN LATERAL (
        VALUES ('size', v.a * v.b * v.d), ('total', v.a * v.b * v.z), ('mean', v.a * v.b * (v.z - u.mean * v.d))
    ) AS f (figure, e)
    WHERE v.d <> 0 GROUP BY 1, 2
), deviations AS (
    -- How far the variance rests on few units: by the fourth powers of what deviates from the stratum's mean. Where all
    -- deviate alike, the difference is 0 but for rounding, to either side.
    SELECT p.figure, p.stratum, least(k.n - 1, 2 / greatest(1e-12,
        (p.e4 - 4 * p.e3 * g.mean + 6 * p.e2 * g.mean ^ 2 - 4 * p.e1 * g.mean ^ 3 + k.n * g.mean ^ 4)
        / nullif(p.e2 - 2 * p.e1 * g.mean + k.n * g.mean ^ 2, 0) ^ 2 - 1 / k.n)) AS freedom
    FROM powers p
    JOIN (
        SELECT w.stratum, min(w.n_of_stratum) AS reached, sum(w.r - w.h + w.k) AS n FROM weights w GROUP BY 1
    ) k ON k.stratum = p.stratum
    CROSS JOIN LATERAL (SELECT p.e1 / k.reached AS mean) g
), strata AS (
    -- The variance of the draw, and of what could be visited.
    SELECT p.figure, p.stratum, min(p.m) AS m, sum(p.n) AS n, sum(p.seen) = 0 AS is_empty,
        -- None of a stratum is no proof that it has none: as if a part of one, as many as the others have, had been
        -- seen.
        CASE WHEN sum(p.seen) = 0 AND sum(p.n) BETWEEN 2 AND min(p.m) - 1 THEN
            (min(p.m) / sum(p.n)) ^ 2 * (1 - sum(p.n) / min(p.m)) * min(p.square) * min(p.rate) / (1 + min(p.rate))
        END AS unseen,
        CASE WHEN sum(p.n) >= min(p.m) THEN 0 WHEN sum(p.n) < 2 THEN NULL ELSE
            min(p.m) ^ 2 * (1 - sum(p.n) / min(p.m)) / sum(p.n)
            * greatest(0, sum(p.a * p.b * p.ss) - sum(p.a * p.b * p.s) ^ 2 / sum(p.n)) / (sum(p.n) - 1)
        END
        + (min(p.m) / sum(p.n)) ^ 2 * sum(
            CASE WHEN p.r = p.n THEN 0 WHEN p.r < 2 THEN NULL ELSE
                p.n ^ 2 * (1 - p.r / p.n) / p.r * greatest(0, p.b * p.ss - (p.b * p.s) ^ 2 / p.r) / (p.r - 1) END
        ) AS v
    FROM parts p GROUP BY p.figure, p.stratum
), read_rates AS (
    SELECT w.stratum, sum(w.k) / sum(w.h) AS rate FROM weights w GROUP BY 1 HAVING sum(w.k) < sum(w.h)
), read AS (
    -- The variance of which hits could be read. An author is read with all of their projects that were drawn, or with
    -- none.
    SELECT g.figure, CASE WHEN count(*) > 1 THEN sum(g.e ^ 2) * count(*) / (count(*) - 1) END AS v,
        -- Where few authors have most of it, no more than these few tell how it varies.
        1 + sum(g.e ^ 2) ^ 2 / nullif(sum(g.e ^ 4), 0) AS n
    FROM (
        SELECT p.figure, v.entity_id, sum(p.w * sqrt(1 - q.rate) * (
            CASE p.figure WHEN 'size' THEN v.d WHEN 'total' THEN v.z ELSE v.z - u.mean * v.d END - p.s / p.k)) AS e
        FROM sums u CROSS JOIN read_rates q
        JOIN parts p ON p.stratum = q.stratum
        JOIN valued v ON v.stratum = p.stratum AND v.class = p.class AND v.status = 'hit'
        GROUP BY 1, 2
    ) g GROUP BY 1
), components AS (
    SELECT t.figure, t.stratum, CASE WHEN t.v IS NOT NULL THEN greatest(t.v, t.unseen) END AS v,
        CASE WHEN t.is_empty THEN 2 ELSE d.freedom END AS freedom
    FROM strata t LEFT JOIN deviations d ON d.figure = t.figure AND d.stratum = t.stratum
    UNION ALL SELECT r.figure, 'of what could be read', r.v, r.n - 1 FROM read r
), errors AS (
    -- Satterthwaite: what is known of each stratum's variance counts by its part of the whole.
    SELECT t.figure, CASE WHEN bool_and(t.v IS NOT NULL) THEN sqrt(sum(t.v)) END AS error,
        sum(t.v) ^ 2 / nullif(sum(t.v ^ 2 / greatest(1, t.freedom)), 0) AS freedom,
        min(t.stratum) FILTER (WHERE t.v IS NULL) AS alone
    FROM components t GROUP BY 1
), tails AS (
    -- Of what has any, so many know as much as if all had the same.
    SELECT sum(z ^ 2) ^ 2 / nullif(sum(z ^ 4), 0) < count(*) / 7.0 AS is_heavy
    FROM valued WHERE z <> 0 AND n_of_stratum < m
), kinds AS (
    SELECT coalesce($5, bool_and(value IN (0, 1))) AS is_share, bool_and(value >= 0) AS is_positive FROM valued WHERE value IS NOT NULL
), missing AS (
    SELECT count(*) FILTER (WHERE c.stratum IS NULL) AS strata, min(s.stratum) FILTER (WHERE c.stratum IS NULL) AS first,
        sum(s.drawn)::bigint AS drawn
    FROM analytics.sample_waves s LEFT JOIN (SELECT DISTINCT stratum FROM weights) c ON c.stratum = s.stratum
    WHERE s.design_id = base AND s.wave = of_wave
), figures AS (
    SELECT f.place, f.figure, f.estimate, f.sure,
        -- Values that differ by rounding alone are alike.
        CASE WHEN r.error <= 1e-6 * abs(f.estimate - f.sure) THEN 0 ELSE r.error END AS error,
        greatest(1, e.freedom) AS freedom, e.alone, u.*,
        -- Where so few of them make the variance, others like them may not have been drawn, and nothing tells of these.
        f.figure <> 'size' AND NOT k.is_share AND x.is_heavy AND e.freedom < 40 AS is_heavy, m.drawn, m.strata AS strata_missing, m.first AS first_missing,
        CASE
            WHEN f.figure = 'size' THEN CASE WHEN is_of_authors THEN 'positive' ELSE 'count' END
            -- Differences of shares have either sign; they are bounded all the same, so that a few cannot have most of it.
            WHEN k.is_share AND NOT k.is_positive THEN 'any'
            WHEN k.is_share AND f.figure = 'mean' THEN 'share'
            WHEN k.is_share AND NOT is_of_authors THEN 'count'
            WHEN k.is_positive THEN 'positive' ELSE 'any' END AS scale
    FROM sums u CROSS JOIN kinds k CROSS JOIN missing m CROSS JOIN tails x
    CROSS JOIN LATERAL (
        VALUES (1, 'size', u.size, u.sure_size), (2, 'total', u.total, u.sure_total), (3, 'mean', u.mean, 0)
    ) AS f (place, figure, estimate, sure)
    LEFT JOIN errors e ON e.figure = f.figure
    CROSS JOIN LATERAL (SELECT e.error / CASE WHEN f.figure = 'mean' THEN nullif(u.size, 0) ELSE 1 END AS error) r
), bounded AS (
    SELECT f.*, CASE
        WHEN error IS NULL THEN ARRAY[NULL, NULL]::float8[]
        WHEN left_frame = 0 AND nonresponse = 0 THEN ARRAY[estimate, estimate]
        -- None at all of n, or all of them: the largest share that brings that about once in forty times.
        WHEN scale = 'count' AND estimate - sure <= 1e-9 * left_frame AND left_frame > 0
            THEN ARRAY[sure, sure + left_frame * (1 - 0.025 ^ (1 / effective_draws))]
        WHEN scale = 'count' AND estimate - sure >= (1 - 1e-9) * left_frame AND left_frame > 0
            THEN ARRAY[sure + left_frame * 0.025 ^ (1 / effective_draws), sure + left_frame]
        WHEN scale = 'count' AND left_frame > 0
            THEN (SELECT ARRAY[sure + left_frame * i[1], sure + left_frame * i[2]] FROM analytics.interval95(
                (estimate - sure) / left_frame, error / left_frame, freedom, 'share') i)
        WHEN scale = 'share' AND estimate = 0 THEN ARRAY[0, 1 - 0.025 ^ (1 / effective_hits)]
        WHEN scale = 'share' AND estimate = 1 THEN ARRAY[0.025 ^ (1 / effective_hits), 1]
        -- Nothing seen among what was drawn by chance: no upper bound is known.
        WHEN scale = 'positive' AND figure <> 'mean' AND estimate - sure <= 0 THEN ARRAY[sure, NULL]
        WHEN error = 0 OR left_hits < 2 THEN ARRAY[NULL, NULL]::float8[]
        WHEN is_heavy AND scale <> 'positive' THEN ARRAY[NULL, NULL]::float8[]
        WHEN figure = 'mean' THEN analytics.interval95(estimate, error, freedom, scale)
        ELSE (SELECT ARRAY[sure + i[1], sure + i[2]]
              FROM analytics.interval95(estimate - sure, error, freedom, scale) i)
    END AS reach
    FROM figures f
)
SELECT figure, CASE WHEN is_sound THEN estimate END, CASE WHEN is_sound AND estimate IS NOT NULL THEN error END,
    CASE WHEN is_sound THEN reach[1] END, CASE WHEN is_sound AND is_heavy IS NOT TRUE THEN reach[2] END, coalesce(units, 0), coalesce(reached, 0), drawn,
    coalesce(nonresponse, 0),
    nullif(concat_ws('; ',
        CASE WHEN strata_missing > 0 THEN format('no estimate: nothing of stratum %s is visited in its turn', first_missing) END,
        CASE WHEN is_mute THEN 'no estimate: a stratum has hits, and none of them could be read' END,
        CASE WHEN is_sound AND reached < drawn THEN format('the first %s of %s draws, in their random order', reached, drawn) END,
        CASE WHEN is_sound AND nonresponse > 0 THEN format('%s units could not be visited or read: others of their stratum and age count for them', nonresponse) END,
        CASE WHEN is_sound AND error IS NULL AND estimate IS NOT NULL THEN format('no interval: stratum %s has fewer than two draws or answers', alone) END,
        CASE WHEN is_sound AND error IS NOT NULL AND estimate IS NOT NULL AND reach[1] IS NULL AND reach[2] IS NULL
                AND is_heavy IS NOT TRUE
            THEN 'no interval: fewer than two hits, or no two that differ' END,
        CASE WHEN is_sound AND is_heavy AND reach[1] IS NOT NULL
            THEN 'no upper bound: a few have most of it, and others like them may not have been drawn' END,
        CASE WHEN is_sound AND is_heavy AND reach[1] IS NULL AND estimate IS NOT NULL
            THEN 'no interval: a few have most of it, and others like them may not have been drawn' END,
        CASE WHEN is_sound AND reach[1] IS NOT NULL AND reach[2] IS NULL THEN 'no upper bound: nothing but 0 among what was drawn by chance' END
    ), '')
FROM (SELECT *, strata_missing = 0 AND is_mute IS NOT TRUE AND size IS NOT NULL AS is_sound FROM bounded) b
ORDER BY place;
END
$$;

COMMENT ON FUNCTION analytics.estimate_from_draws IS
    'Estimates from draws of ids, and of the authors of what was drawn: stratified expansion and ratio estimators with a second phase for what could not be visited or read, linearised, with finite populations corrected for. Use analytics.estimate.';

CREATE FUNCTION analytics.estimate_from_walks(design bigint, ids bigint[], y double precision[])
RETURNS TABLE (
    figure text, estimate double precision, standard_error double precision, low double precision,
    high double precision, units bigint, reached bigint, drawn bigint, nonresponse bigint, note text
)
LANGUAGE sql STABLE AS $$
WITH steps AS (
    SELECT u.cluster_id AS walk, u.weight AS w, v.value AS y
    FROM analytics.sample_units u JOIN unnest($2, $3) AS v (id, value) ON v.id = u.entity_id
    WHERE u.design_id = $1 AND u.outcome = 'hit' AND v.value IS NOT NULL
), sums AS (
    SELECT sum(w) AS w, sum(w * y) / sum(w) AS mean, count(*) AS units, bool_and(y IN (0, 1)) AS is_share,
        bool_and(y >= 0) AS is_positive FROM steps
), walks AS (
    -- Steps of one random walk depend on each other, random walks do not: they are what varies.
    SELECT count(*) AS walks, sum(deviation * deviation) AS squares
    FROM (SELECT walk, sum(s.w * (s.y - a.mean)) AS deviation FROM steps s, sums a GROUP BY walk) each
), result AS (
    SELECT a.*, walks, walks - 1 AS freedom, CASE WHEN squares <= 1e-12 * (a.w * a.mean) ^ 2 THEN 0 ELSE squares END AS squares
    FROM sums a, walks
), errors AS (
    SELECT r.*, CASE WHEN walks > 1 THEN sqrt(squares * walks / (walks - 1)) / w END AS error FROM result r
)
SELECT 'mean', mean, error, reach[1], reach[2], units, d.drawn, d.drawn, 0::bigint,
    CASE WHEN mean IS NOT NULL AND error IS NULL THEN 'no interval: one random walk has no variance'
        WHEN mean IS NOT NULL AND reach[1] IS NULL THEN 'no interval: no two users who were met differ' END
FROM errors CROSS JOIN (SELECT s.drawn FROM analytics.samples s WHERE s.design_id = $1) d CROSS JOIN LATERAL (
    SELECT CASE
        WHEN error > 0 OR error IS NULL THEN analytics.interval95(mean, error, freedom,
            CASE WHEN is_share THEN 'share' WHEN is_positive THEN 'positive' ELSE 'any' END)
        -- A random walk meets nobody of a share p with a probability of at most 1 - p, that of a single step.
        WHEN is_share AND mean = 0 THEN ARRAY[0, 1 - 0.025 ^ (1.0::float8 / walks)]
        WHEN is_share AND mean = 1 THEN ARRAY[0.025 ^ (1.0::float8 / walks), 1]
        ELSE ARRAY[NULL, NULL]::float8[] END AS reach
) i
$$;

COMMENT ON FUNCTION analytics.estimate_from_walks IS
    'A mean over users from random walks, each step weighed by what makes it likely (Hansen and Hurwitz); its error from the differences between random walks. Use analytics.estimate.';

CREATE FUNCTION analytics.sample_numbers(
    design bigint, number text, wave integer DEFAULT NULL,
    OUT ids bigint[], OUT y double precision[], OUT list text, OUT is_share boolean
)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    about analytics.samples;
    value text;
    things text;
BEGIN
    SELECT * INTO about FROM analytics.samples s WHERE s.design_id = $1;
    IF about.design_id IS NULL THEN
        RAISE EXCEPTION 'there is no design %', design USING ERRCODE = 'invalid_parameter_value';
    END IF;
    value := (
        SELECT CASE WHEN a.atttypid = 'bool'::regtype THEN format('t.%I::int', a.attname) ELSE format('t.%I', a.attname) END
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = ('scratch.' || about.kind || 's')::regclass AND a.attname = number AND a.attnum > 0
            AND NOT a.attisdropped AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'bool'::regtype)
            AND a.attname <> 'id' AND a.attname !~ '_id$'
    );
    is_share := coalesce(value LIKE '%::int', false);
    IF value IS NULL AND number = 'comments' AND about.kind IN ('project', 'studio') THEN
        list := 'comments';
        value := format(
            '(SELECT count(*) FROM scratch.%1$I c WHERE c.%2$I = t.id AND c.gone_at IS NULL)',
            about.kind || '_comments', about.kind || '_id');
    ELSIF value IS NULL AND number = 'projects' AND about.kind = 'user' THEN
        value := '(SELECT count(*) FROM scratch.projects p'
            ' WHERE p.author_id = t.id AND p.gone_at IS NULL AND p.public IS NOT FALSE)';
    END IF;
    IF value IS NULL THEN
        RAISE EXCEPTION 'a % has no number called %', about.kind, number USING ERRCODE = 'undefined_column',
            HINT = 'A column of whole numbers or of true and false, comments of a project or studio, projects of a user.';
    END IF;
    -- Of an earlier wave, as it was when it was visited in that wave.
    things := CASE WHEN wave < about.wave THEN format('history.%I(u.visited_at)', about.kind || 's_at')
        ELSE format('scratch.%I', about.kind || 's') END;
    EXECUTE format(
        'SELECT coalesce(array_agg(x.id), ''{}''), coalesce(array_agg(x.value), ''{}'') FROM ('
        ' SELECT DISTINCT t.id, (%s)::double precision AS value FROM analytics.sample_visits u CROSS JOIN %s t'
        ' WHERE u.design_id = $1 AND u.wave = $2 AND u.outcome = ''hit'' AND t.id = u.entity_id) x', value, things)
        INTO ids, y USING design, coalesce(wave, about.wave);
END
$$;

COMMENT ON FUNCTION analytics.sample_numbers IS
    'A number that the hits of a sample have, by id: a column of scratch.projects, studios or users, comments, or projects; of an earlier wave of a panel as it was when the unit was visited in it. list and is_share are what analytics.estimate needs to know of it.';

CREATE FUNCTION analytics.estimate(design bigint, y text, wave integer DEFAULT NULL)
RETURNS TABLE (
    figure text, estimate double precision, standard_error double precision, low double precision,
    high double precision, deff double precision, units bigint, reached bigint, drawn bigint, nonresponse bigint, note text
)
LANGUAGE sql STABLE AS $$
SELECT e.* FROM analytics.sample_numbers($1, $2, $3) n
CROSS JOIN LATERAL analytics.estimate($1, n.ids, n.y, n.list, n.is_share, $3) e
$$;

COMMENT ON FUNCTION analytics.estimate(bigint, text, integer) IS
    'As the other one, of a number that the sampled things have: a column of scratch.projects, studios or users, comments, or projects.';

CREATE FUNCTION analytics.change(
    design bigint, from_wave integer, to_wave integer, ids_from bigint[], y_from double precision[],
    ids_to bigint[], y_to double precision[], is_share boolean DEFAULT NULL
)
RETURNS TABLE (
    figure text, before double precision, after double precision, change double precision,
    standard_error double precision, low double precision, high double precision, overlap bigint, note text
)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    IF from_wave >= to_wave THEN
        RAISE EXCEPTION 'wave % does not come before wave %', from_wave, to_wave USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY WITH waves AS (
        SELECT 1 AS place, e.* FROM analytics.estimate($1, $4, $5, NULL, $8, $2) e
        UNION ALL SELECT 2, e.* FROM analytics.estimate($1, $6, $7, NULL, $8, $3) e
    ), units AS MATERIALIZED (
        SELECT 1 AS place, u.* FROM analytics.weighed_units($1, $4, $5, NULL, $2) u
        UNION ALL SELECT 2, u.* FROM analytics.weighed_units($1, $6, $7, NULL, $3) u
    ), residuals AS (
        -- What a unit adds to the figure, linearised.
        SELECT w.figure, u.place, u.stratum, u.position, u.m, u.n_of_stratum AS n, u.w, u.a * u.b AS response,
            u.status NOT IN ('failed', 'unread') AS is_known,
            CASE w.figure WHEN 'size' THEN u.d WHEN 'total' THEN u.z
                ELSE (u.z - w.estimate * u.d) / nullif(z.estimate, 0) END AS e
        FROM units u JOIN waves w ON w.place = u.place JOIN waves z ON z.place = u.place AND z.figure = 'size'
    ), spreads AS (
        SELECT r.figure, r.place, r.stratum, min(r.m) AS m, min(r.n) AS n, sum(r.response * r.e) / min(r.n) AS mean,
            (sum(r.response * r.e ^ 2) - sum(r.response * r.e) ^ 2 / min(r.n)) / nullif(min(r.n) - 1, 0) AS s2
        FROM residuals r WHERE r.is_known GROUP BY 1, 2, 3
    ), both_waves AS (
        SELECT r.figure, r.stratum, count(*) AS n,
            corr(r.e, o.e) FILTER (WHERE r.is_known AND o.is_known) AS correlation
        FROM residuals r JOIN residuals o
            ON o.figure = r.figure AND o.position = r.position AND r.place = 1 AND o.place = 2
        GROUP BY 1, 2
    ), covariances AS (
        SELECT b.figure, sum(b.n)::bigint AS overlap, sum(
            f.m ^ 2 * (b.n / (f.n * t.n) - 1 / f.m) * coalesce(b.correlation, 0)
            * sqrt(greatest(0, f.s2) * greatest(0, t.s2))) AS covariance
        FROM both_waves b
        JOIN spreads f ON f.figure = b.figure AND f.stratum = b.stratum AND f.place = 1
        JOIN spreads t ON t.figure = b.figure AND t.stratum = b.stratum AND t.place = 2
        GROUP BY 1
    ), moved AS (
        -- By how much each unit moves the change, and deviates in that from the others. Where few of them make most of
        -- it, no more than these tell how it varies.
        SELECT g.figure, count(*) AS n, count(*) FILTER (WHERE abs(g.moves) > 1e-9 * g.most) AS moving, sum(g.g ^ 2) AS squares,
            sum(g.g ^ 4) AS fourths, sum(g.moves ^ 2) ^ 2 / nullif(sum(g.moves ^ 4), 0) AS even
        FROM (
            SELECT r.figure, r.position, sum(CASE r.place WHEN 1 THEN -1 ELSE 1 END * r.w * (r.e - p.mean)) AS g,
                sum(CASE r.place WHEN 1 THEN -1 ELSE 1 END * r.w * r.e) AS moves,
                max(abs(sum(CASE r.place WHEN 1 THEN -1 ELSE 1 END * r.w * r.e))) OVER (PARTITION BY r.figure) AS most
            FROM residuals r JOIN spreads p ON p.figure = r.figure AND p.place = r.place AND p.stratum = r.stratum
            WHERE r.is_known GROUP BY 1, 2
        ) g GROUP BY 1
    ), changes AS (
        SELECT b.figure, b.estimate AS was, a.estimate AS becomes, a.estimate - b.estimate AS moves,
            CASE WHEN v.variance <= (1e-6 * greatest(abs(b.estimate), abs(a.estimate))) ^ 2 THEN 0
                ELSE sqrt(v.variance) END AS error,
            greatest(1, least(m.n - 1, 2 / greatest(1e-12, m.fourths / nullif(m.squares, 0) ^ 2 - 1.0 / m.n))) AS freedom,
            coalesce(c.overlap, 0) AS overlap, m.moving, m.even,
            concat_ws('; ', 'wave ' || $2 || ': ' || b.note, 'wave ' || $3 || ': ' || a.note) AS notes,
            CASE b.figure WHEN 'size' THEN 1 WHEN 'total' THEN 2 ELSE 3 END AS place
        FROM waves b JOIN waves a ON a.figure = b.figure AND b.place = 1 AND a.place = 2
        LEFT JOIN covariances c ON c.figure = b.figure LEFT JOIN moved m ON m.figure = b.figure
        CROSS JOIN LATERAL (
            SELECT CASE WHEN b.estimate IS NOT NULL AND a.estimate IS NOT NULL
                THEN b.standard_error ^ 2 + a.standard_error ^ 2 - 2 * coalesce(c.covariance, 0) END AS variance
        ) v
    )
    SELECT c.figure, c.was, c.becomes, c.moves, c.error, i.reach[1], i.reach[2], c.overlap, nullif(concat_ws('; ',
        nullif(c.notes, ''), CASE WHEN c.moving < 2 OR c.error = 0 THEN 'no interval: fewer than two units differ'
            WHEN t.is_heavy THEN 'no interval: a few make most of the change, and others like them may not have been drawn'
        END), '')
    FROM changes c
    CROSS JOIN LATERAL (
        SELECT c.figure <> 'size' AND NOT k.is_share AND c.freedom < 40 AND c.even < c.moving / 5.0 AS is_heavy
        FROM (
            SELECT coalesce($8, bool_and(v IN (0, 1))) AS is_share FROM unnest($5 || $7) v
        ) k
    ) t
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.moving < 2 OR c.error = 0 OR t.is_heavy THEN NULL
            ELSE analytics.interval95(c.moves, c.error, c.freedom, 'any') END AS reach
    ) i ORDER BY c.place;
END
$$;

COMMENT ON FUNCTION analytics.change(bigint, integer, integer, bigint[], double precision[], bigint[], double precision[], boolean) IS
    'By how much size, total and mean of a population changed between two waves of a panel: the difference of the estimates as of each wave, with y as it was in each. Its variance is that of both less twice their covariance, which the units that stood in both waves tell.';

CREATE FUNCTION analytics.change(design bigint, y text, from_wave integer DEFAULT NULL, to_wave integer DEFAULT NULL)
RETURNS TABLE (
    figure text, before double precision, after double precision, change double precision,
    standard_error double precision, low double precision, high double precision, overlap bigint, note text
)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    last_wave integer := coalesce($4, (SELECT s.wave FROM analytics.samples s WHERE s.design_id = $1));
    first_wave integer := coalesce($3, last_wave - 1);
    earlier record;
    later record;
BEGIN
    IF last_wave < 1 THEN
        RAISE EXCEPTION 'design % has one wave: no change', $1 USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Begin the next one of a panel with `harvester seed sample wave`.';
    END IF;
    earlier := analytics.sample_numbers($1, $2, first_wave);
    later := analytics.sample_numbers($1, $2, last_wave);
    IF earlier.list IS NOT NULL THEN
        RAISE EXCEPTION 'whether the % of an earlier wave had been read is not kept', earlier.list
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN QUERY SELECT * FROM analytics.change(
        $1, first_wave, last_wave, earlier.ids, earlier.y, later.ids, later.y, earlier.is_share);
END
$$;

COMMENT ON FUNCTION analytics.change(bigint, text, integer, integer) IS
    'As the other one, of a column of scratch.projects or studios; between the last two waves unless said.';

CREATE FUNCTION analytics.replicate_weights(design bigint, replicates integer DEFAULT 100)
RETURNS TABLE ("position" bigint, replicate integer, weight double precision)
LANGUAGE sql STABLE AS $$
WITH units AS (
    SELECT u.position, u.weight, u.outcome,
        CASE WHEN u.design = 'walk' THEN 'walks' ELSE u.stratum END AS stratum,
        CASE WHEN u.design = 'walk' THEN u.cluster_id ELSE u.position END AS psu,
        CASE WHEN u.design = 'walk' THEN 0 ELSE u.drawn::double precision / u.frame_size END AS fraction
    FROM analytics.sample_units u
    WHERE u.design_id = $1 AND u.design <> 'authors' AND u.replaced_at IS NULL AND u.outcome IS NOT NULL
    UNION ALL
    -- Authors are drawn as their projects are, misses included.
    SELECT b.position, d.weight, d.outcome, b.stratum, b.position, b.drawn::double precision / b.frame_size
    FROM analytics.samples s
    JOIN analytics.sample_units b ON b.design_id = s.parent_id AND b.replaced_at IS NULL AND b.outcome IS NOT NULL
    LEFT JOIN analytics.sample_units d ON d.design_id = $1 AND d.position = b.position
    WHERE s.design_id = $1 AND s.name = 'authors'
), psus AS (
    SELECT stratum, psu, row_number() OVER (PARTITION BY stratum ORDER BY psu) - 1 AS place,
        count(*) OVER (PARTITION BY stratum) AS n
    FROM (SELECT DISTINCT stratum, psu FROM units) each
), again AS (
    -- n - 1 of n drawn again, each place by a hash: the same weights for the same design, wherever they are made.
    SELECT s.stratum, r AS replicate,
        ('x' || substr(md5(format('%s/%s/%s/%s', $1, s.stratum, r, k)), 1, 15))::bit(60)::bigint % s.n AS place,
        count(*) AS times
    FROM (SELECT DISTINCT stratum, n FROM psus) s, generate_series(1, $2) r, generate_series(1, s.n - 1) k
    GROUP BY 1, 2, 3
)
SELECT u.position, r, u.weight * CASE
    WHEN p.n < 2 THEN 1
    ELSE 1 + sqrt(greatest(0, 1 - u.fraction)) * (p.n / (p.n - 1.0) * coalesce(a.times, 0) - 1)
END
FROM units u
JOIN psus p USING (stratum, psu)
CROSS JOIN generate_series(1, $2) r
LEFT JOIN again a ON a.stratum = u.stratum AND a.replicate = r AND a.place = p.place
WHERE u.outcome = 'hit' AND u.weight IS NOT NULL
$$;

COMMENT ON FUNCTION analytics.replicate_weights IS
    'Weights for the bootstrap of Rao and Wu, by replicate: an estimate made with each of them varies as it would from sample to sample.';

-- Design effects, sub-populations, ratios and differences --------------------------------------------------------------

CREATE FUNCTION analytics.variances_of_draws(
    design bigint, ids bigint[], y double precision[], list text DEFAULT NULL, wave integer DEFAULT NULL
)
RETURNS TABLE (figure text, variance double precision)
LANGUAGE sql STABLE AS $$
WITH units AS MATERIALIZED (
    SELECT u.d, u.z, u.w, u.status FROM analytics.weighed_units($1, $2, $3, $4, $5) u
), sums AS (
    SELECT sum(u.w * u.d) AS size, sum(u.w * u.z) / nullif(sum(u.w * u.d), 0) AS mean,
        count(*) FILTER (WHERE u.status NOT IN ('failed', 'unread'))::float8 AS n
    FROM units u
), frame AS (
    -- The design in a query of its own: with a join the draws of all designs would be counted.
    SELECT sum(s.frame_size)::float8 AS m FROM analytics.sample_waves s
    WHERE s.design_id = (
        SELECT CASE g.name WHEN 'authors' THEN g.parent_id ELSE g.design_id END
        FROM analytics.samples g WHERE g.design_id = $1
    ) AND s.wave = coalesce($5, (
        SELECT p.wave FROM analytics.samples g
        JOIN analytics.samples p ON p.design_id = CASE g.name WHEN 'authors' THEN g.parent_id ELSE g.design_id END
        WHERE g.design_id = $1
    ))
)
-- The spread of the frame as the sample shows it: a miss is 0.
SELECT f.figure, a.m ^ 2 * (1 - s.n / a.m) / s.n * s.n / nullif(s.n - 1, 0)
    * (sum(u.w * f.e ^ 2) / a.m - (sum(u.w * f.e) / a.m) ^ 2)
FROM units u CROSS JOIN sums s CROSS JOIN frame a CROSS JOIN LATERAL (
    VALUES ('size', u.d), ('total', u.z), ('mean', (u.z - s.mean * u.d) / nullif(s.size, 0))
) AS f (figure, e)
WHERE u.status NOT IN ('failed', 'unread')
GROUP BY f.figure, a.m, s.n
$$;

COMMENT ON FUNCTION analytics.variances_of_draws IS
    'The variances that size, total and mean would have in a simple random sample of as many ids from the whole frame. Use deff of analytics.estimate.';

CREATE FUNCTION analytics.variance_of_steps(design bigint, ids bigint[], y double precision[]) RETURNS double precision
LANGUAGE sql STABLE AS $$
SELECT (sum(u.weight * v.value ^ 2) / sum(u.weight) - (sum(u.weight * v.value) / sum(u.weight)) ^ 2) / nullif(count(*) - 1, 0)
FROM analytics.sample_units u JOIN unnest($2, $3) AS v (id, value) ON v.id = u.entity_id
WHERE u.design_id = $1 AND u.outcome = 'hit' AND v.value IS NOT NULL
$$;

COMMENT ON FUNCTION analytics.variance_of_steps IS
    'The variance that a mean over users would have if as many users were drawn independently and alike. Use deff of analytics.estimate.';

CREATE FUNCTION analytics.estimate_by(
    design bigint, ids bigint[], y double precision[], parts text[], list text DEFAULT NULL,
    is_share boolean DEFAULT NULL, wave integer DEFAULT NULL
)
RETURNS TABLE (
    part text, figure text, estimate double precision, standard_error double precision, low double precision,
    high double precision, deff double precision, units bigint, reached bigint, drawn bigint, nonresponse bigint,
    note text
)
LANGUAGE sql STABLE AS $$
SELECT p.part, e.*
FROM (SELECT DISTINCT each AS part FROM unnest($4) each WHERE each IS NOT NULL) p
CROSS JOIN LATERAL (
    SELECT array_agg(v.id) AS ids, array_agg(CASE WHEN v.part = p.part THEN v.y END) AS y
    FROM unnest($2, $3, $4) AS v (id, y, part)
) v
-- Whether values are shares is a matter of all of them, and not of one part.
CROSS JOIN LATERAL analytics.estimate($1, v.ids, v.y, $5,
    coalesce($6, (SELECT bool_and(o.y IN (0, 1)) FROM unnest($3) AS o (y))), $7) e
ORDER BY 1, CASE e.figure WHEN 'size' THEN 1 WHEN 'total' THEN 2 ELSE 3 END
$$;

COMMENT ON FUNCTION analytics.estimate_by IS
    'As analytics.estimate, of each sub-population: parts has the name of the one that an id belongs to, null for none. The errors are those of the whole sample, in which the number of units in a part varies too.';

CREATE FUNCTION analytics.ratio(
    design bigint, ids bigint[], y double precision[], x double precision[], list text DEFAULT NULL,
    wave integer DEFAULT NULL
)
RETURNS TABLE (
    estimate double precision, standard_error double precision, low double precision, high double precision,
    deff double precision, units bigint, note text
)
LANGUAGE sql STABLE AS $$
WITH pairs AS (
    SELECT p.id, CASE WHEN p.x IS NOT NULL THEN p.y END AS y, CASE WHEN p.y IS NOT NULL THEN p.x END AS x
    FROM unnest($2, $3, $4) AS p (id, y, x)
), means AS (
    SELECT y.estimate AS y, nullif(x.estimate, 0) AS x
    FROM (SELECT array_agg(id) AS ids, array_agg(y) AS y, array_agg(x) AS x FROM pairs) a
    CROSS JOIN LATERAL analytics.estimate($1, a.ids, a.y, $5, false, $6) y
    CROSS JOIN LATERAL analytics.estimate($1, a.ids, a.x, $5, false, $6) x
    WHERE y.figure = 'mean' AND x.figure = 'mean'
), kinds AS (
    SELECT bool_and(y IN (0, 1) AND x IN (0, 1)) AS are_shares FROM pairs
)
-- What a unit adds to the ratio, linearised, has the mean 0 and the error of the ratio.
SELECT m.y / m.x, e.standard_error, m.y / m.x + e.low, m.y / m.x + e.high, e.deff, e.units, e.note
FROM means m CROSS JOIN kinds k
CROSS JOIN LATERAL (
    SELECT array_agg(p.id) AS ids, array_agg((p.y - m.y / m.x * p.x) / m.x) AS deviations FROM pairs p
) a
-- Where no two values differ, all deviations are 0, and no interval can be given.
CROSS JOIN LATERAL analytics.estimate(
    $1, a.ids, a.deviations, $5, coalesce(k.are_shares AND 0 > ANY (a.deviations), false), $6) e
WHERE e.figure = 'mean'
$$;

COMMENT ON FUNCTION analytics.ratio IS
    'The ratio of the totals of y and x, of what has both, such as loves by view, with its error by linearisation and a symmetric interval.';

CREATE FUNCTION analytics.difference(
    design bigint, ids bigint[], y double precision[], is_first boolean[], list text DEFAULT NULL,
    wave integer DEFAULT NULL
)
RETURNS TABLE (
    first double precision, other double precision, estimate double precision, standard_error double precision,
    low double precision, high double precision, deff double precision, units bigint, note text
)
LANGUAGE sql STABLE AS $$
WITH given AS (
    SELECT p.id, CASE WHEN p.is_first IS NOT NULL THEN p.y END AS y, p.is_first::int::float8 AS of_first
    FROM unnest($2, $3, $4) AS p (id, y, is_first)
), parts AS (
    SELECT max(e.estimate) FILTER (WHERE e.part = 'first') AS first, max(e.estimate) FILTER (WHERE e.part = 'other') AS other
    FROM (
        SELECT array_agg(id) AS ids, array_agg(y) AS y, array_agg(CASE of_first WHEN 1 THEN 'first' WHEN 0 THEN 'other' END) AS part
        FROM given
    ) a
    CROSS JOIN LATERAL analytics.estimate_by($1, a.ids, a.y, a.part, $5, false, $6) e WHERE e.figure = 'mean'
), shares AS (
    SELECT nullif(e.estimate, 0) AS first, nullif(1 - e.estimate, 0) AS other
    FROM (SELECT array_agg(id) AS ids, array_agg(CASE WHEN y IS NOT NULL THEN of_first END) AS y FROM given) a
    CROSS JOIN LATERAL analytics.estimate($1, a.ids, a.y, $5, false, $6) e WHERE e.figure = 'mean'
), kinds AS (
    SELECT bool_and(y IN (0, 1)) AS are_shares FROM given
)
-- Both means vary together, as a unit that is in one part is not in the other: one deviation for each unit tells how.
SELECT p.first, p.other, p.first - p.other, e.standard_error, p.first - p.other + e.low, p.first - p.other + e.high,
    e.deff, e.units, e.note
FROM parts p CROSS JOIN shares s CROSS JOIN kinds k
CROSS JOIN LATERAL (
    SELECT array_agg(g.id) AS ids,
        array_agg(CASE g.of_first WHEN 1 THEN (g.y - p.first) / s.first WHEN 0 THEN (p.other - g.y) / s.other END) AS deviations
    FROM given g
) a
-- Where no two values differ, all deviations are 0, and no interval can be given.
CROSS JOIN LATERAL analytics.estimate(
    $1, a.ids, a.deviations, $5, coalesce(k.are_shares AND 0 > ANY (a.deviations), false), $6) e
WHERE e.figure = 'mean'
$$;

COMMENT ON FUNCTION analytics.difference IS
    'The mean of y in one part of the population less that in the other, both of the same sample, with its error by linearisation and a symmetric interval; is_first null: in neither.';
