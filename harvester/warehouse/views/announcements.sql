-- The schedule of lists whose new items another list or object announces, and of what announces them.

CREATE FUNCTION crawl.announced_share(list text, entity bigint)
RETURNS float8 LANGUAGE sql STABLE
RETURN (
    SELECT coalesce(max(f.share), 0)
    FROM crawl.announcements f
    JOIN crawl.frontier a ON a.stream = f.announced_by AND a.entity_id = entity
    WHERE f.stream = list AND a.gone_at IS NULL AND a.failures = 0
);

COMMENT ON FUNCTION crawl.announced_share IS
    'The share of the new items of a list that is announced: 0 where what announces them is not in scope, fails or is gone.';

CREATE FUNCTION crawl.announced_items(announcer text, entity bigint, lists jsonb)
RETURNS float8 LANGUAGE sql STABLE
RETURN (
    SELECT coalesce(sum(x.item_weight * f.share * crawl.arrival_rate(
        t.new_items_decayed, t.exposure, coalesce(p.shape, x.shape), coalesce(p.rate, x.rate))), 0)
    FROM jsonb_to_recordset(lists) AS x (stream text, announced_by text, item_weight float8, shape float8, rate float8)
    JOIN crawl.announcements f ON f.stream = x.stream
    JOIN crawl.frontier t ON t.stream = x.stream AND t.entity_id = entity AND t.queue IS NOT NULL
    LEFT JOIN crawl.priors p ON p.stream = t.stream AND p.stratum = -1
    WHERE x.announced_by = announcer
);

COMMENT ON FUNCTION crawl.announced_items IS
    'The item weights a day that are expected to be announced, of the given lists of an entity.';

CREATE FUNCTION crawl.scheduled_items(
    own float8, list text, entity bigint, announced_by text, announces bool, lists jsonb
)
RETURNS float8 LANGUAGE sql STABLE
RETURN own * CASE WHEN announced_by IS NULL THEN 1 ELSE 1 - crawl.announced_share(list, entity) END
    + CASE WHEN announces THEN crawl.announced_items(list, entity, lists) ELSE 0 END;

COMMENT ON FUNCTION crawl.scheduled_items IS
    'The item weights a day for which an entry is scheduled: its own that are not announced, and those that it announces.';
