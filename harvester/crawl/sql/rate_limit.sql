-- name: reserve_slots
WITH b AS (
    SELECT *, clock_timestamp() AS at FROM crawl.rate_limit WHERE id = 1 FOR UPDATE
), granted AS (
    SELECT CASE
            WHEN closed_until > at OR (breaker_trips > 0 AND probing_until > at) THEN 0
            WHEN breaker_trips > 0 THEN 1
            WHEN rate > 0 THEN least(%(count)s, greatest(1, floor(rate * %(block)s)))::int
            ELSE %(count)s
        END AS slots,
        CASE WHEN rate > 0 THEN 1 / rate ELSE 0 END AS interval,
        breaker_trips > 0 AS is_probe,
        -- Nulls and what is past do not count.
        greatest(closed_until, CASE WHEN breaker_trips > 0 THEN probing_until END) AS again,
        greatest(next_at, at - make_interval(secs => %(slack)s), closed_until) AS first
    FROM b
)
UPDATE crawl.rate_limit SET
    next_at = CASE WHEN slots > 0 THEN first + make_interval(secs => slots * granted.interval) ELSE next_at END,
    probing_until = CASE
        WHEN slots > 0 AND is_probe THEN clock_timestamp() + make_interval(secs => %(probe)s) ELSE probing_until
    END,
    taken = taken + slots
FROM granted WHERE id = 1
RETURNING slots, extract(epoch FROM CASE WHEN slots > 0 THEN first ELSE again END - clock_timestamp())::float8,
    is_probe, rate

-- name: trip_breaker
UPDATE crawl.rate_limit SET
    breaker_trips = breaker_trips + (closed_until IS NULL OR closed_until < clock_timestamp())::int,
    probing_until = NULL,
    closed_reason = %(reason)s,
    closed_until = greatest(closed_until, clock_timestamp() + make_interval(secs => least(
        %(longest)s,
        %(first)s * 2 ^ least(breaker_trips - (breaker_trips > 0 AND closed_until > clock_timestamp())::int, 20)
    )))
RETURNING extract(epoch FROM closed_until - clock_timestamp())::float8

-- name: pause
UPDATE crawl.rate_limit SET
    closed_until = greatest(closed_until, clock_timestamp() + make_interval(secs => %(seconds)s)),
    closed_reason = %(reason)s
