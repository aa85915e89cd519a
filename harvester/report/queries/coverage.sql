-- By stream: how old what is known of its lists and objects is, and of how many nothing is proved or known.
SELECT stream, sum(number)::bigint AS in_scope,
    coalesce(sum(number) FILTER (WHERE state IN ('certified', 'read') AND class = 1), 0)::bigint AS within_a_day,
    coalesce(sum(number) FILTER (WHERE state IN ('certified', 'read') AND class = 2), 0)::bigint AS within_a_week,
    coalesce(sum(number) FILTER (WHERE state IN ('certified', 'read') AND class = 3), 0)::bigint AS within_a_month,
    coalesce(sum(number) FILTER (WHERE state IN ('certified', 'read') AND class = 4), 0)::bigint AS within_half_a_year,
    coalesce(sum(number) FILTER (WHERE state IN ('certified', 'read') AND class = 5), 0)::bigint AS older,
    coalesce(sum(number) FILTER (WHERE state = 'unproved'), 0)::bigint AS unproved,
    coalesce(sum(number) FILTER (WHERE state = 'not read yet'), 0)::bigint AS not_read_yet,
    coalesce(sum(number) FILTER (WHERE state = 'gone'), 0)::bigint AS gone
FROM (
    -- A list is known as of when the visit behind its certificate began, an object as of its last visit. There are
    -- millions of both: each is put into its class once.
    SELECT stream, state, CASE
            WHEN coalesce(certified_from, visited_at) >= %(at)s - interval '1 day' THEN 1
            WHEN coalesce(certified_from, visited_at) >= %(at)s - interval '7 days' THEN 2
            WHEN coalesce(certified_from, visited_at) >= %(at)s - interval '30 days' THEN 3
            WHEN coalesce(certified_from, visited_at) >= %(at)s - interval '180 days' THEN 4
            WHEN coalesce(certified_from, visited_at) IS NOT NULL THEN 5
        END AS class, count(*) AS number
    FROM (
        SELECT stream, state, visited_at, CASE WHEN state = 'certified' THEN certified_from END AS certified_from
        FROM analytics.coverage
    ) lists
    GROUP BY 1, 2, 3
) classes
GROUP BY stream
ORDER BY stream
