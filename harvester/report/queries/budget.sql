-- What the budget of the last day was, how much of it was used, and what stands in the way now.
SELECT
    round((SELECT coalesce(sum(requests * extract(epoch FROM least(ended_at, %(at)s) - greatest(started_at, %(at)s - interval '1 day'))
            / greatest(extract(epoch FROM ended_at - started_at), 0.001)), 0)
        FROM (SELECT requests, started_at, coalesce(ended_at, %(at)s) AS ended_at FROM crawl.runs r
            WHERE NOT EXISTS (SELECT FROM crawl.runs w WHERE w.parent_run_id = r.id)) runs
        WHERE ended_at > %(at)s - interval '1 day' AND started_at < %(at)s)) AS requests_of_the_last_day,
    round(%(rate)s * 86400) AS budget_of_a_day,
    coalesce((SELECT taken FROM crawl.rate_limit), 0) AS places_handed_out,
    coalesce((SELECT breaker_trips FROM crawl.rate_limit), 0) AS pauses_in_a_row,
    (SELECT closed_until FROM crawl.rate_limit WHERE closed_until > %(at)s) AS closed_until
