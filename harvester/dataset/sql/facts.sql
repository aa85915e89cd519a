-- name: state_at
-- The state is that of now while a run is at work, else that at the end of the last run.
SELECT CASE WHEN bool_or(ended_at IS NULL) IS NOT FALSE THEN now() ELSE max(ended_at) END FROM crawl.runs

-- name: state_of_sources
SELECT nullif((SELECT count(*) FROM source.versions), 0) || ' versions, '
    || (SELECT count(*) || ' facts by rules ' || coalesce(max(rules), 0) FROM source.facts) || ', '
    || (SELECT count(*) FROM source.differences) || ' differences'

-- name: sources
SELECT outcome, count(*) AS projects FROM source.projects GROUP BY 1 ORDER BY 1

-- name: lists
SELECT stream, count(*) AS lists,
    count(*) FILTER (WHERE state = 'certified') AS certified,
    count(*) FILTER (WHERE state = 'unproved') AS unproved,
    count(*) FILTER (WHERE state = 'read') AS read,
    count(*) FILTER (WHERE state = 'not read yet') AS not_read_yet,
    count(*) FILTER (WHERE state = 'gone') AS gone,
    count(*) FILTER (WHERE capped) AS capped_by_the_site,
    count(*) FILTER (WHERE hole_before IS NOT NULL) AS with_a_hole
FROM analytics.coverage WHERE stream NOT LIKE 'account%' GROUP BY 1 ORDER BY 1

-- name: failing
SELECT stream, count(*) AS failing FROM crawl.frontier WHERE failures > 0 GROUP BY 1 ORDER BY 1

-- name: ids_by_year
SELECT kind, extract(year FROM month)::int AS year, sum(held)::bigint AS held, sum(ids_not_held)::bigint AS not_held
FROM analytics.id_gaps GROUP BY 1, 2 ORDER BY 1, 2

-- name: deletions
SELECT {kind} AS kind, count(*) AS gone, count(last_seen_at) AS between_two_reads,
    extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY gone_at - last_seen_at)) / 86400 AS median_days
FROM {table} WHERE gone_at IS NOT NULL

-- name: runs
SELECT count(*) AS runs, min(started_at) AS first, max(coalesce(ended_at, started_at)) AS last,
    coalesce(sum(requests), 0)::bigint AS requests,
    string_agg(DISTINCT api_url, ', ' ORDER BY api_url) AS api,
    string_agg(DISTINCT contact, ', ' ORDER BY contact) AS contact,
    string_agg(DISTINCT permission, ', ' ORDER BY permission) AS permission,
    string_agg(DISTINCT version, ', ' ORDER BY version) AS crawled_by
FROM crawl.runs WHERE parent_run_id IS NULL

-- name: designs
-- The parameters have the seed and the range of ids, from which the drawn ids can be computed.
SELECT g.id AS design_id, g.name, g.kind, g.drawn_at::date::text AS drawn_on, g.parent_id AS of_design,
    (SELECT sum(frame_size)::bigint FROM crawl.strata s WHERE s.design_id = g.id) AS frame_size,
    count(d.design_id) AS drawn, count(*) FILTER (WHERE d.outcome = 'hit') AS hits,
    count(*) FILTER (WHERE d.outcome <> 'hit') AS misses,
    g.parameters::text AS parameters
FROM crawl.designs g LEFT JOIN crawl.draws d ON d.design_id = g.id GROUP BY g.id ORDER BY g.id

-- name: strata
SELECT design_id, stratum, frame_size, drawn, visited FROM analytics.sample_strata
ORDER BY design_id, first_id NULLS FIRST, stratum
