-- By stream: how old what is known of its lists and objects is, and of how many nothing is proved or known.
SELECT stream, count(*) AS in_scope,
    count(*) FILTER (WHERE known AND age <= interval '1 day') AS within_a_day,
    count(*) FILTER (WHERE known AND age > interval '1 day' AND age <= interval '7 days') AS within_a_week,
    count(*) FILTER (WHERE known AND age > interval '7 days' AND age <= interval '30 days') AS within_a_month,
    count(*) FILTER (WHERE known AND age > interval '30 days' AND age <= interval '180 days') AS within_half_a_year,
    count(*) FILTER (WHERE known AND age > interval '180 days') AS older,
    count(*) FILTER (WHERE state = 'unproved') AS unproved,
    count(*) FILTER (WHERE state = 'not read yet') AS not_read_yet,
    count(*) FILTER (WHERE state = 'gone') AS gone
FROM (
    -- A list is known as of when the walk behind its certificate began, an object as of its last visit.
    SELECT stream, state, state IN ('certified', 'read') AS known,
        %(at)s - coalesce(CASE WHEN state = 'certified' THEN certified_from END, visited_at) AS age
    FROM analytics.coverage
) lists
GROUP BY stream
ORDER BY stream
