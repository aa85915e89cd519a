-- name: upsert
-- Rows that change nothing are left out first. What is superseded is read before it changes: `after` waits for it.
WITH s AS MATERIALIZED (
    SELECT v.*{renamed}{ends} FROM {staged} v LEFT JOIN {target} t ON {same} WHERE t.{first} IS NULL OR {differs}
), {kept}done AS (
    INSERT INTO {target} AS t ({into}) SELECT {values} FROM s {after} ORDER BY {key}
    ON CONFLICT ({unique}) {conflict} RETURNING xmax = 0 AS new, {thing} AS thing
)
SELECT count(*) FILTER (WHERE new), count(*) FILTER (WHERE NOT new), {gone}, array_agg(thing) FILTER (WHERE NOT new), {names}
FROM done

-- name: renamed
-- Whether a user is met with another name than before, or with one and visits wait for that.
v.username IS NOT NULL AND CASE WHEN t.username IS NOT NULL THEN lower(t.username) <> lower(v.username)
    ELSE EXISTS (
        SELECT FROM crawl.frontier w WHERE w.stream = 'user' AND w.entity_id = t.id AND w.last_error = {waits}
    ) END

-- name: ended
INSERT INTO history.absences (kind, thing_id, other_id, gone_at, last_seen_at, returned_at, gone_reason)
SELECT {kind}, {first}, {second}, t.gone_at, t.last_seen_at, {now}, t.gone_reason
FROM s JOIN {table} t ON {same} WHERE {back} AND t.gone_at < {now}

-- name: superseded
INSERT INTO {log} ({into})
SELECT {key_values}, coalesce((SELECT max(h.valid_to) FROM {log} h WHERE {same}), t.first_seen_at),
    least({last_seen}), {now}, {kept}
FROM s JOIN {table} t ON {joined} WHERE {changed}
ORDER BY {key} FOR UPDATE OF t RETURNING 1

-- name: is_superseded
(t.{column} IS DISTINCT FROM s.{column} AND NOT {from_index} AND (
    t.{column} IS NOT NULL OR {was_served} OR EXISTS (SELECT FROM {log} h WHERE {same} AND h.{column} IS NOT NULL)
))

-- name: value_first_seen
-- When a value that changes was first seen. Its version may be younger, where another response, which does not show this
-- column, has changed another one.
CASE WHEN {changes} THEN coalesce((
    SELECT max(h.valid_to) FROM {log} h WHERE {same} AND h.{column} IS DISTINCT FROM t.{column}
), t.first_seen_at) END

-- name: value_changes
(t.{column} IS DISTINCT FROM s.{column} AND NOT {from_index})

-- name: values_last_seen
-- Of values that the same visits show: one look at the frontier for all of them.
CASE WHEN {change} THEN greatest(least({seen}), {visited}) END

-- name: role_last_seen
-- A list tells the host from the other managers by the studio's own page, as it was read last: that page dates the change.
coalesce(CASE WHEN 'host' IN (t.role, s.role) THEN (
    SELECT max(r.last_seen_at) FROM history.studio_revisions r
    WHERE r.studio_id = t.studio_id AND (r.host_id IS NOT DISTINCT FROM t.user_id) = (t.role = 'host')
) END, {seen})

-- name: last_complete_visit
-- The offset keeps a planner from looking up all that was visited, once for all rows.
(SELECT max(at) FROM (
    SELECT w.last_full_read_at AS at FROM crawl.frontier w
    WHERE w.stream = ANY({streams}) AND w.entity_id = t.id OFFSET 0
) v)

-- name: last_complete_visit_by_then
-- A visit of the same transaction counts if it ended at an earlier moment than the row.
(SELECT max(at) FROM (
    SELECT CASE WHEN e.is_complete THEN w.started_at ELSE w.last_full_read_at END AS at FROM crawl.frontier w
    LEFT JOIN pg_temp.ended e ON e.entity_id = w.entity_id AND e.stream = w.stream AND e.nth < s.nth
    WHERE w.stream = ANY({streams}) AND w.entity_id = t.id OFFSET 0
) v)

-- name: last_seen
greatest(t.first_seen_at, (
    SELECT w.visited_at FROM crawl.frontier w WHERE w.stream = {stream} AND w.entity_id = t.id
))

-- name: was_read
EXISTS (SELECT FROM crawl.frontier w WHERE w.stream = {stream} AND w.entity_id = t.id AND w.visited_at IS NOT NULL)

-- name: was_served
-- The offset keeps a planner from looking up all that was visited, once for all rows.
EXISTS (
    SELECT FROM crawl.frontier w
    WHERE w.stream = ANY({streams}) AND w.entity_id = t.id AND w.visited_at IS NOT NULL OFFSET 0
)

-- name: has_ended
-- A visit of the same transaction, but of an earlier moment than the row.
EXISTS (SELECT FROM pg_temp.ended e WHERE e.entity_id = t.id AND e.stream = ANY({streams}) AND e.nth < s.nth)

-- name: without_marks
CASE WHEN t.from_index = '{{}}' THEN t.from_index
    ELSE ARRAY(SELECT c FROM unnest(t.from_index) c WHERE c <> ALL ({marked})) END
