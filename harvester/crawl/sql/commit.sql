-- name: advance
-- One JSON parameter instead of arrays, whose types vary with nulls: each variant would be planned again.
UPDATE crawl.frontier AS w SET
    position = w.position + v.pages,
    items = w.items + v.items,
    lease_until = crawl.clock() + make_interval(secs => %(lease)s),
    state = v.state::jsonb,
    failures = 0,
    last_error = NULL
FROM jsonb_to_recordset(%(pages)s) AS v (
    stream text, entity_id bigint, token uuid, position int, pages int, items int, state text
)
WHERE w.stream = v.stream AND w.entity_id = v.entity_id AND w.lease_token = v.token AND w.position = v.position
RETURNING v.token, w.depth

-- name: make_due
INSERT INTO crawl.frontier AS w (stream, entity_id, owner_id, depth, signal, due_at)
SELECT v.stream, v.entity_id, v.owner_id, v.depth, v.signal, coalesce(v.at, crawl.clock())
FROM jsonb_to_recordset(%(entries)s) AS v (
    stream text, entity_id bigint, owner_id bigint, depth smallint, signal int, at timestamptz
)
LEFT JOIN crawl.frontier w USING (stream, entity_id)
-- Do not lock unchanged rows.
WHERE w.stream IS NULL OR v.depth > w.depth OR (v.signal IS NOT NULL AND w.signal IS DISTINCT FROM v.signal)
    OR (w.gone_at IS NOT NULL AND w.stream = ANY(%(resting)s))
ORDER BY 1, 2
ON CONFLICT (stream, entity_id) DO UPDATE SET
    depth = greatest(w.depth, excluded.depth),
    signal = coalesce(excluded.signal, w.signal),
    due_at = CASE
        WHEN excluded.signal IS NOT NULL AND w.signal IS DISTINCT FROM excluded.signal THEN excluded.due_at
        WHEN w.gone_at IS NOT NULL AND w.stream = ANY(%(resting)s) THEN excluded.due_at
        ELSE w.due_at
    END
WHERE excluded.depth > w.depth OR (excluded.signal IS NOT NULL AND w.signal IS DISTINCT FROM excluded.signal)
    OR (w.gone_at IS NOT NULL AND w.stream = ANY(%(resting)s))

-- name: announce
-- A counter announces once what it shows, an event is announced once. The first counter announces nothing to a list that
-- was visited since the visit that shows the counter was due.
WITH told AS (
    SELECT w.stream, w.entity_id, v.counter, coalesce(v.at, crawl.clock()) AS now,
        v.counter IS NOT NULL AND w.signal IS NULL AND coalesce(w.started_at >= v.since, false) AS is_known
    FROM jsonb_to_recordset(%(told)s) AS v (
        stream text, entity_id bigint, counter int, since timestamptz, at timestamptz
    )
    JOIN crawl.frontier w USING (stream, entity_id)
    WHERE w.failures = 0 AND (v.counter IS NULL OR w.signal IS DISTINCT FROM v.counter)
    ORDER BY w.stream, w.entity_id FOR UPDATE OF w
)
UPDATE crawl.frontier w SET signal = coalesce(t.counter, w.signal),
    -- The result of a visit under way may be older than this: it is visited again.
    due_at = CASE WHEN t.is_known THEN w.due_at WHEN w.lease_token IS NULL THEN least(w.due_at, t.now) ELSE t.now END,
    announced_at = CASE WHEN t.is_known THEN w.announced_at WHEN w.visits > 0 THEN t.now END
FROM told t WHERE w.stream = t.stream AND w.entity_id = t.entity_id

-- name: mark_gone
UPDATE {table} t SET gone_reason = %(reason)s,
    gone_at = CASE WHEN s.missed_at > t.first_seen_at THEN s.missed_at ELSE crawl.clock() END,
    last_seen_at = greatest(t.first_seen_at, coalesce({missed_reply}, s.last_seen_at, w.last_full_read_at))
FROM (SELECT 1) one
LEFT JOIN crawl.frontier w ON w.stream = %(by)s AND w.entity_id = %(id)s
LEFT JOIN crawl.missing_items s ON s.stream = %(list)s AND s.entity_id = %(owner)s AND s.item_id = %(id)s
WHERE (t.id = %(id)s{or_replies}) AND t.gone_at IS NULL{is_there}{is_named}

-- name: store_position
UPDATE crawl.replays SET transactions = %(transactions)s WHERE hash = %(archives)s
