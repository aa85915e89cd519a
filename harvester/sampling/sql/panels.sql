-- name: panel
SELECT kind, depth, parameters FROM crawl.designs
WHERE id = %s AND name = 'panel' AND cancelled_at IS NULL FOR UPDATE

-- name: store_wave
INSERT INTO crawl.wave_outcomes (design_id, wave, position, visit, outcome, visited_at)
SELECT design_id, wave, position, visit, outcome, visited_at FROM analytics.sample_visits
WHERE design_id = %s AND wave = %s

-- name: record_known
UPDATE crawl.draws SET outcome = CASE WHEN entity_id = ANY(%(hidden)s) THEN 'not found' END,
    visited_at = CASE WHEN entity_id = ANY(%(hidden)s) THEN crawl.clock() END
WHERE design_id = %(design)s AND replaced_at IS NULL

-- name: units
SELECT entity_id, stratum, inclusion_probability, panel_group, outcome FROM crawl.draws
WHERE design_id = %s AND replaced_at IS NULL ORDER BY position

-- name: replace_group
UPDATE crawl.draws SET replaced_at = crawl.clock()
WHERE design_id = %s AND panel_group = %s AND replaced_at IS NULL
