-- name: table_at
-- The rows of a table that were there at a time, unmasked, with what is known of their end by now.
(SELECT f.*, {life} FROM history.{table}_at({at}) f JOIN scratch.{table} g ON {same})

-- name: kept
-- The rows of a table that the release has.
SELECT {columns} FROM {source} t{joins} WHERE {conditions}

-- name: has_changed
EXISTS (SELECT FROM history.{log} h WHERE {same} AND {ended})

-- name: not_of_erased_hosts
NOT EXISTS (SELECT FROM erased_studios e WHERE e.id = {studio})

-- name: not_by_erased_hosts
NOT EXISTS (SELECT FROM erased_users e WHERE e.id = h.host_id)

-- name: states
-- Each state of the kept rows: those that ended, and the last one.
kept AS MATERIALIZED ({kept}), states AS (
    SELECT {keys}, h.valid_from, h.last_seen_at, h.valid_to, {earlier}
    FROM kept k JOIN history.{log} h ON {same}
    WHERE h.valid_from < h.valid_to AND {ended}
    UNION ALL
    SELECT {keys}, coalesce(h.valid_to, k.first_seen_at), NULL::timestamptz, NULL::timestamptz, {present}
    FROM kept k LEFT JOIN (
        SELECT {log_keys}, max(h.valid_to) AS valid_to FROM history.{log} h WHERE {ended} GROUP BY {log_keys}
    ) h ON {same}
)

-- name: stats
WITH {states}
SELECT {columns} FROM (
    SELECT s.*, lag(s.last_seen_at) OVER (PARTITION BY {key} ORDER BY s.valid_from) AS changed_after FROM states s
) s{joins}

-- name: revisions
-- A state that differs from the one before in no column of the release is one with it.
WITH {states}, compared AS (
    SELECT s.*, lag(s.last_seen_at) OVER w AS changed_after,
        CASE WHEN lag(s.valid_from) OVER w IS NOT NULL THEN nullif(concat_ws(' ', {changed}), '') END AS changed,
        lag(s.valid_to) OVER w IS DISTINCT FROM s.valid_from AS follows_a_gap
    FROM states s WINDOW w AS (PARTITION BY {key} ORDER BY s.valid_from)
), numbered AS (
    SELECT c.*, changed IS NOT NULL OR follows_a_gap AS is_new,
        count(*) FILTER (WHERE changed IS NOT NULL OR follows_a_gap) OVER (PARTITION BY {key} ORDER BY valid_from) AS state
    FROM compared c
), merged AS (
    SELECT n.*, max(coalesce(valid_to, 'infinity')) OVER (PARTITION BY {key}, state) AS ended_at FROM numbered n
)
SELECT {columns} FROM (
    SELECT m.*, count(*) FILTER (WHERE is_new) OVER (PARTITION BY {key}) AS states FROM merged m
) s{joins}
WHERE s.is_new AND s.states > 1

-- name: was_changed
CASE WHEN lag(s.{column}) OVER w IS DISTINCT FROM s.{column} THEN '{column}' END

-- name: intervals
-- Each time in which a kept row was there: those that ended with an absence, and the last one.
WITH kept AS MATERIALIZED ({kept}), ends AS (
    SELECT {keys}, k.first_seen_at, a.last_seen_at, a.gone_at, a.gone_reason, a.returned_at
    FROM kept k JOIN history.absences a ON a.kind = '{table}' AND {same} AND {ended}
    UNION ALL
    SELECT {keys}, k.first_seen_at, k.last_seen_at, k.gone_at, k.gone_reason, NULL FROM kept k
)
SELECT {columns} FROM (
    SELECT e.*, coalesce(lag(e.returned_at) OVER w, e.first_seen_at) AS seen_from, lag(e.gone_at) OVER w AS started_after
    FROM ends e WINDOW w AS (PARTITION BY {key} ORDER BY e.returned_at)
) s

-- name: absences
SELECT {columns} FROM ({each}) s

-- name: absences_of
SELECT '{table}' AS kind, k.key, a.gone_at, a.last_seen_at, a.returned_at, a.gone_reason
FROM ({kept}) k JOIN history.absences a ON a.kind = '{table}' AND a.thing_id = k.id AND {ended}

-- name: rankings
SELECT {columns} FROM history.rankings r
LEFT JOIN {projects} project ON r.kind = 'project' AND project.id = r.thing_id
LEFT JOIN {studios} studio ON r.kind = 'studio' AND studio.id = r.thing_id{named}
WHERE {conditions}

-- name: rankings_without_words
-- What was searched for is told by a number, but for `*`, which is everything.
JOIN (
    SELECT ranking AS word, regexp_replace(ranking, '\?q=(?!\*&mode=).*(&mode=[^&]*&language=[^&]*)$', '?q=' || number || '\1') AS name
    FROM (SELECT ranking, dense_rank() OVER (ORDER BY ranking COLLATE "C") AS number FROM (SELECT DISTINCT ranking FROM history.rankings) d) n
) named ON named.word = r.ranking

-- name: told_apart
-- Projects whose counters, as they are now and over time, no other project of the release has.
SELECT count(*) AS projects, count(*) FILTER (WHERE alike = 1) AS alone, count(*) FILTER (WHERE alike_over_time = 1) AS alone_over_time
FROM (
    SELECT count(*) OVER (PARTITION BY present) AS alike, count(*) OVER (PARTITION BY trajectory) AS alike_over_time
    FROM (
        SELECT (array_agg({counters} ORDER BY s.valid_from DESC))[1] AS present,
            md5(string_agg({counters}, ' ' ORDER BY s.valid_from)) AS trajectory
        FROM (WITH {states} SELECT * FROM states) s GROUP BY {key}
    ) paths
) counted
