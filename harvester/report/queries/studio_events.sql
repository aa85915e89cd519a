-- What happens in studios: events by kind.
SELECT type, count(*) AS events, count(DISTINCT studio_id) AS studios
FROM scratch.studio_activity
GROUP BY type
ORDER BY events DESC, type
