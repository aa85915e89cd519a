-- The share of comments that somebody else answers first within each span, as far as each comment was observed.
SELECT v.class, v.share, l.observable, l.answered, l.unread
FROM {reply_latency} l
CROSS JOIN LATERAL (
    VALUES (1, answered_in_a_minute), (2, answered_in_ten_minutes - answered_in_a_minute),
        (3, answered_in_an_hour - answered_in_ten_minutes), (4, answered_in_a_day - answered_in_an_hour),
        (5, answered_in_a_week - answered_in_a_day), (6, 1 - answered_in_a_week)
) v (class, share)
WHERE l.kind = 'any' AND l.month IS NULL
ORDER BY v.class
