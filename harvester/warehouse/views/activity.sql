-- How active an entity is now, by what was found lately in its other lists.

CREATE FUNCTION crawl.activity_factor(
    list text, entity bigint, lists text[], at timestamptz, memory_days float8, most_days float8
)
RETURNS float8 LANGUAGE sql STABLE
RETURN CASE WHEN list = ANY(lists) THEN (
    SELECT (1 + coalesce(sum(w.recent_items * e.left_over), 0)) / (1 + coalesce(sum(w.recent_expected * e.left_over), 0))
    FROM crawl.frontier w
    CROSS JOIN LATERAL (
        SELECT exp(-greatest(0, least(most_days, extract(epoch FROM at - w.visited_at)::float8 / 86400)) / memory_days)
            AS left_over
    ) e
    WHERE w.stream = ANY(lists) AND w.stream <> list AND w.entity_id = entity AND w.recent_expected IS NOT NULL
) ELSE 1 END;

COMMENT ON FUNCTION crawl.activity_factor IS
    'The factor of the rate of a list by what its entity did lately: new items that visits found in its other lists against those that were to be expected there, each with one more; 1 for what is none of the lists.';
