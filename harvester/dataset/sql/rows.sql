-- name: was_read
EXISTS (
    SELECT FROM crawl.frontier w
    WHERE w.stream = '{stream}' AND w.entity_id = {entity} AND w.{when} >= {since} AND w.gone_at IS NULL
)

-- name: is_missing
EXISTS (
    SELECT FROM crawl.missing_items s
    WHERE s.stream = '{stream}' AND s.entity_id = {entity} AND s.item_id = {item}
)

-- name: drawn
(
    SELECT d.entity_id, d.design_id, min({stratum}) AS stratum, max(d.inclusion_probability) AS inclusion_probability,
        sum(d.weight) AS weight, min(d.cluster_id) AS cluster_id
    FROM crawl.draws d{strata}
    WHERE {of_design} AND d.outcome = 'hit' AND d.replaced_at IS NULL
    GROUP BY 1, 2
)

-- name: numbered_strata
JOIN (
    SELECT design_id, stratum, dense_rank() OVER (PARTITION BY design_id ORDER BY stratum COLLATE "C") AS number
    FROM crawl.draws GROUP BY 1, 2
) s ON s.design_id = d.design_id AND s.stratum IS NOT DISTINCT FROM d.stratum

-- name: grown_until
-- The state of a table at a time whose rows do not change.
(SELECT * FROM scratch.{table} WHERE first_seen_at <= {at} AND (gone_at IS NULL OR gone_at > {at}))

-- name: state_at
-- The state of a table at a time (f), with the present one (g).
(SELECT {columns} FROM history.{table}_at({at}) f JOIN scratch.{table} g ON {same})

-- name: without_hosts
-- Studios whose host was erased, without what the host made.
(SELECT {columns} FROM {studios} s LEFT JOIN erased_studios e ON e.id = s.id)

-- name: kept
SELECT {key} AS id, {is_gone} AS gone FROM {source} t{joins}{conditions}

-- name: user_of_name
LEFT JOIN LATERAL (
    SELECT u.id FROM scratch.users u WHERE lower(u.username) = lower(t.{column}) ORDER BY u.id LIMIT 1
) {user}_id ON true
LEFT JOIN known_users {user} ON {user}.id = {user}_id.id
