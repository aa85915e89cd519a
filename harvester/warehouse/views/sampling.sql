-- Samples as they were drawn, and estimates from them with their errors. docs/sampling.md has the formulas.

-- One row per design: its frame, and how far it is. What was replaced in a panel counts no more.
CREATE VIEW analytics.samples AS
SELECT g.id AS design_id, g.name, g.kind, g.parent_id, g.depth, g.parameters, g.drawn_at,
    s.frame_size, coalesce(d.drawn, 0) AS drawn, coalesce(d.visited, 0) AS visited, coalesce(d.hits, 0) AS hits,
    coalesce(d.misses, 0) AS misses, coalesce(d.replaced, 0) AS replaced,
    g.completed_at IS NOT NULL AND coalesce(d.drawn, 0) = coalesce(d.visited, 0) AS is_complete
FROM crawl.designs g
LEFT JOIN (
    SELECT design_id, sum(frame_size)::bigint AS frame_size FROM crawl.strata GROUP BY 1
) s ON s.design_id = g.id
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
COMMENT ON COLUMN analytics.samples.name IS 'uniform, stratified, panel, authors or walk.';
COMMENT ON COLUMN analytics.samples.kind IS 'What it draws: project, studio or user.';
COMMENT ON COLUMN analytics.samples.parent_id IS 'For authors and walks: the design from whose hits they come or start.';
COMMENT ON COLUMN analytics.samples.depth IS 'Hops from a hit that are walked too; -1: the hit alone, without its lists.';
COMMENT ON COLUMN analytics.samples.parameters IS 'Its parameters, frame and seed. Whoever has the seed can draw the same ids: not for a dataset with pseudonyms.';
COMMENT ON COLUMN analytics.samples.drawn_at IS 'When it was drawn or begun.';
COMMENT ON COLUMN analytics.samples.frame_size IS 'Ids that could be drawn; null where there is no list of them (authors, walks).';
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
COMMENT ON COLUMN analytics.sample_units.design IS 'uniform, stratified, panel, authors or walk.';
COMMENT ON COLUMN analytics.sample_units.kind IS 'What was drawn: project, studio or user.';
COMMENT ON COLUMN analytics.sample_units.position IS 'The place in the draw: with the seed it tells the id.';
COMMENT ON COLUMN analytics.sample_units.entity_id IS 'What was drawn; authors and users of a walk may come more than once.';
COMMENT ON COLUMN analytics.sample_units.stratum IS 'The stratum it was drawn from; null in a walk.';
COMMENT ON COLUMN analytics.sample_units.cluster_id IS 'What was drawn independently: the project, an author''s project, the number of the walk.';
COMMENT ON COLUMN analytics.sample_units.inclusion_probability IS 'The first-order inclusion probability; null where it is known up to a factor only (walks).';
COMMENT ON COLUMN analytics.sample_units.weight IS 'What one draw stands for; of a walk up to a common factor; null where there is no hit to weigh.';
COMMENT ON COLUMN analytics.sample_units.measure IS 'Of an author: projects in the frame. Of a step: degree plus restart times projects.';
COMMENT ON COLUMN analytics.sample_units.outcome IS 'hit, not found, gone, not public; of walks also burn-in and isolated; null until visited.';
COMMENT ON COLUMN analytics.sample_units.panel_group IS 'Of a rotating panel: the part that is replaced together.';
COMMENT ON COLUMN analytics.sample_units.drawn_at IS 'When it was drawn.';
COMMENT ON COLUMN analytics.sample_units.visited_at IS 'When the outcome was recorded.';
COMMENT ON COLUMN analytics.sample_units.replaced_at IS 'When another took its place, in a panel.';
COMMENT ON COLUMN analytics.sample_units.frame_size IS 'Ids of the stratum.';
COMMENT ON COLUMN analytics.sample_units.drawn IS 'Draws from the stratum.';
COMMENT ON COLUMN analytics.sample_units.hits IS 'Hits of the stratum.';
COMMENT ON COLUMN analytics.sample_units.misses IS 'Misses of the stratum.';

CREATE FUNCTION analytics.t95(freedom double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
-- Exact for 1 and 2 degrees of freedom, else the expansion in their inverse: to 0.1% from 3 on.
SELECT CASE
    WHEN freedom < 1 OR freedom IS NULL THEN NULL
    WHEN freedom < 2 THEN 12.706204736
    WHEN freedom < 3 THEN 4.302652730
    WHEN freedom < 4 THEN 3.182446305
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

CREATE FUNCTION analytics.estimate(design bigint, ids bigint[], y double precision[])
RETURNS TABLE (
    figure text, estimate double precision, standard_error double precision, low double precision,
    high double precision, units bigint
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
    IF about.name = 'walk' THEN
        RETURN QUERY SELECT * FROM analytics.estimate_from_walks(design, ids, y);
    ELSE
        RETURN QUERY SELECT * FROM analytics.estimate_from_draws(design, ids, y);
    END IF;
END
$$;

COMMENT ON FUNCTION analytics.estimate(bigint, bigint[], double precision[]) IS
    'Size, total and mean of a population from a sample, each with its standard error and 95% interval: y by id of the sampled things; whatever has no y, or null, is outside of the population that is meant.';

CREATE FUNCTION analytics.estimate_from_draws(design bigint, ids bigint[], y double precision[])
RETURNS TABLE (
    figure text, estimate double precision, standard_error double precision, low double precision,
    high double precision, units bigint
)
LANGUAGE sql STABLE AS $$
WITH about AS (
    SELECT s.name = 'authors' AS is_of_authors, CASE WHEN s.name = 'authors' THEN s.parent_id ELSE s.design_id END AS base
    FROM analytics.samples s WHERE s.design_id = $1
), answered AS (
    -- What was drawn and brought something that counts: an author counts for 1 / projects with each project drawn.
    SELECT b.stratum, d.entity_id, CASE WHEN a.is_of_authors THEN 1 / d.measure ELSE 1 END AS factor
    FROM about a
    JOIN analytics.sample_units d ON d.design_id = $1 AND d.outcome = 'hit'
    JOIN analytics.sample_units b ON b.design_id = a.base AND b.position = d.position AND b.replaced_at IS NULL
), unanswered AS (
    -- An author who was not visited yet counts as not drawn.
    SELECT d.stratum, count(*) AS n
    FROM about a
    JOIN analytics.sample_units b ON b.design_id = a.base AND b.outcome = 'hit' AND b.replaced_at IS NULL
    LEFT JOIN analytics.sample_units d ON d.design_id = $1 AND d.position = b.position
    WHERE a.is_of_authors AND d.outcome IS NULL
    GROUP BY d.stratum
), valued AS (
    SELECT w.stratum, w.factor AS d, w.factor * v.value AS z, v.value
    FROM answered w JOIN unnest($2, $3) AS v (id, value) ON v.id = w.entity_id
    WHERE v.value IS NOT NULL
), strata AS (
    SELECT s.stratum, s.frame_size::double precision AS m, (s.visited - coalesce(u.n, 0))::double precision AS n,
        coalesce(v.hits, 0) AS hits, coalesce(v.d, 0) AS d, coalesce(v.z, 0) AS z,
        coalesce(v.dd, 0) AS dd, coalesce(v.dz, 0) AS dz, coalesce(v.zz, 0) AS zz
    FROM about a
    JOIN analytics.sample_strata s ON s.design_id = a.base
    LEFT JOIN unanswered u ON u.stratum = s.stratum
    LEFT JOIN (
        SELECT stratum, count(*) AS hits, sum(v.d) AS d, sum(v.z) AS z, sum(v.d * v.d) AS dd, sum(v.d * v.z) AS dz,
            sum(v.z * v.z) AS zz
        FROM valued v GROUP BY 1
    ) v ON v.stratum = s.stratum
), sums AS (
    SELECT sum(m / n * d) AS size, sum(m / n * z) AS total, sum(hits)::bigint AS units,
        count(*) FILTER (WHERE n < 1 OR (n < 2 AND n < m)) = 0 AS is_sound,
        -- What was taken whole has no error, and its part of an estimate no interval.
        coalesce(sum(d) FILTER (WHERE n >= m), 0) AS sure_size, coalesce(sum(z) FILTER (WHERE n >= m), 0) AS sure_total,
        coalesce(sum(m) FILTER (WHERE n < m), 0) AS left_frame, coalesce(sum(n) FILTER (WHERE n < m), 0) AS left_draws,
        coalesce(sum(hits) FILTER (WHERE n < m), 0) AS left_hits,
        greatest(1, coalesce(sum(hits) FILTER (WHERE n < m), 0) - count(*) FILTER (WHERE n < m AND hits > 0)) AS freedom_of_mean,
        greatest(1, coalesce(sum(n) FILTER (WHERE n < m), 0) - count(*) FILTER (WHERE n < m)) AS freedom_of_size
    FROM (SELECT stratum, m, nullif(n, 0) AS n, hits, d, z FROM strata) s
), errors AS (
    SELECT s.*, f.*, s.total / nullif(s.size, 0) AS mean,
        (SELECT bool_and(value IN (0, 1)) FROM valued) AS is_share,
        (SELECT bool_and(value >= 0) FROM valued) AS is_positive,
        a.is_of_authors
    FROM sums s CROSS JOIN about a CROSS JOIN LATERAL (
        SELECT
            sqrt(sum(c * greatest(0, (dd - d * d / n) / (n - 1)))) AS size_error,
            sqrt(sum(c * greatest(0, (zz - z * z / n) / (n - 1)))) AS total_error,
            sqrt(sum(c * greatest(0, ((zz - 2 * r * dz + r * r * dd) - (z - r * d) ^ 2 / n) / (n - 1)))) / nullif(s.size, 0) AS mean_error
        FROM (
            SELECT t.*, m * m * (1 - n / m) / n AS c, s.total / nullif(s.size, 0) AS r
            FROM strata t WHERE n >= 2 AND n < m
        ) t
    ) f
), figures AS (
    SELECT 1 AS place, 'size' AS figure, size AS estimate, coalesce(size_error, 0) AS error, sure_size AS sure,
        freedom_of_size AS freedom,
        CASE WHEN is_of_authors THEN 'positive' ELSE 'count' END AS scale, e.* FROM errors e
    UNION ALL
    SELECT 2, 'total', total, coalesce(total_error, 0), sure_total, freedom_of_mean,
        CASE WHEN is_share AND NOT is_of_authors THEN 'count' WHEN is_positive THEN 'positive' ELSE 'any' END, e.*
    FROM errors e
    UNION ALL
    SELECT 3, 'mean', mean, coalesce(mean_error, 0), 0, freedom_of_mean,
        CASE WHEN is_share THEN 'share' WHEN is_positive THEN 'positive' ELSE 'any' END, e.*
    FROM errors e
), bounded AS (
    SELECT f.*, CASE
        -- None at all of n, or all of them: the largest share that brings that about once in forty times.
        WHEN scale = 'count' AND estimate - sure = 0 AND left_draws > 0
            THEN ARRAY[sure, sure + left_frame * (1 - 0.025 ^ (1 / left_draws))]
        WHEN scale = 'count' AND estimate - sure >= left_frame AND left_draws > 0
            THEN ARRAY[sure + left_frame * 0.025 ^ (1 / left_draws), sure + left_frame]
        WHEN scale = 'count' AND left_draws > 0
            THEN (SELECT ARRAY[sure + left_frame * i[1], sure + left_frame * i[2]] FROM analytics.interval95(
                (estimate - sure) / left_frame, error / left_frame, freedom, 'share') i)
        WHEN scale = 'share' AND estimate = 0 AND left_hits > 0 THEN ARRAY[0, 1 - 0.025 ^ (1 / left_hits::float8)]
        WHEN scale = 'share' AND estimate = 1 AND left_hits > 0 THEN ARRAY[0.025 ^ (1 / left_hits::float8), 1]
        -- Nothing seen among what was drawn by chance: no upper bound is known.
        WHEN scale = 'positive' AND figure <> 'mean' AND estimate - sure = 0 AND left_draws > 0
            THEN ARRAY[sure, NULL]
        WHEN figure = 'mean' THEN analytics.interval95(estimate, error, freedom, scale)
        ELSE (SELECT ARRAY[sure + i[1], sure + i[2]]
              FROM analytics.interval95(estimate - sure, error, freedom, scale) i)
    END AS reach
    FROM figures f
)
SELECT figure, CASE WHEN is_sound THEN estimate END, CASE WHEN is_sound AND estimate IS NOT NULL THEN error END,
    CASE WHEN is_sound THEN reach[1] END, CASE WHEN is_sound THEN reach[2] END, units
FROM bounded ORDER BY place
$$;

COMMENT ON FUNCTION analytics.estimate_from_draws IS
    'Estimates from draws of ids, and of the authors of what was drawn: stratified expansion and ratio estimators, linearised, with finite populations corrected for. Use analytics.estimate.';

CREATE FUNCTION analytics.estimate_from_walks(design bigint, ids bigint[], y double precision[])
RETURNS TABLE (
    figure text, estimate double precision, standard_error double precision, low double precision,
    high double precision, units bigint
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
    -- Steps of one walk depend on each other, walks do not: they are what varies.
    SELECT count(*) AS walks, sum(deviation * deviation) AS squares
    FROM (SELECT walk, sum(s.w * (s.y - a.mean)) AS deviation FROM steps s, sums a GROUP BY walk) each
), result AS (
    SELECT a.*, walks - 1 AS freedom,
        CASE WHEN walks > 1 THEN sqrt(squares * walks / (walks - 1)) / a.w END AS error
    FROM sums a, walks
)
SELECT 'mean', mean, error, reach[1], reach[2], units
FROM result CROSS JOIN LATERAL (
    SELECT analytics.interval95(mean, error, freedom,
        CASE WHEN is_share THEN 'share' WHEN is_positive THEN 'positive' ELSE 'any' END) AS reach
) i
$$;

COMMENT ON FUNCTION analytics.estimate_from_walks IS
    'A mean over users from random walks, each step weighed by what makes it likely (Hansen and Hurwitz); its error from the differences between walks. Use analytics.estimate.';

CREATE FUNCTION analytics.estimate(design bigint, y text)
RETURNS TABLE (
    figure text, estimate double precision, standard_error double precision, low double precision,
    high double precision, units bigint
)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    thing text := (SELECT s.kind FROM analytics.samples s WHERE s.design_id = $1);
    value text;
    ids bigint[];
    found double precision[];
BEGIN
    IF thing IS NULL THEN
        RAISE EXCEPTION 'there is no design %', design USING ERRCODE = 'invalid_parameter_value';
    END IF;
    value := (
        SELECT CASE WHEN a.atttypid = 'bool'::regtype THEN format('t.%I::int', a.attname) ELSE format('t.%I', a.attname) END
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = ('scratch.' || thing || 's')::regclass AND a.attname = $2 AND a.attnum > 0
            AND NOT a.attisdropped AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'bool'::regtype)
            AND a.attname <> 'id' AND a.attname !~ '_id$'
    );
    IF value IS NULL AND y = 'comments' AND thing IN ('project', 'studio') THEN
        value := format(
            '(SELECT count(*) FROM scratch.%1$I c WHERE c.%2$I = t.id AND c.gone_at IS NULL)',
            thing || '_comments', thing || '_id');
    ELSIF value IS NULL AND y = 'projects' AND thing = 'user' THEN
        value := '(SELECT count(*) FROM scratch.projects p'
            ' WHERE p.author_id = t.id AND p.gone_at IS NULL AND p.public IS NOT FALSE)';
    END IF;
    IF value IS NULL THEN
        RAISE EXCEPTION 'a % has no number called %', thing, y USING ERRCODE = 'undefined_column',
            HINT = 'A column of whole numbers or of true and false, comments of a project or studio, projects of a user.';
    END IF;
    EXECUTE format(
        'SELECT array_agg(t.id), array_agg((%s)::double precision) FROM scratch.%I t'
        ' WHERE t.id IN (SELECT u.entity_id FROM analytics.sample_units u WHERE u.design_id = $1 AND u.outcome = ''hit'')',
        value, thing || 's') INTO ids, found USING design;
    RETURN QUERY SELECT * FROM analytics.estimate(design, coalesce(ids, '{}'), coalesce(found, '{}'));
END
$$;

COMMENT ON FUNCTION analytics.estimate(bigint, text) IS
    'As the other one, of a number that the sampled things have: a column of scratch.projects, studios or users, comments, or projects.';

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
