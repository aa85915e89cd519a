-- Trees of remixes by the projects in them, the first one counted; gone ones are kept.
SELECT least_size AS projects_from, count(*) AS trees, sum(size)::bigint AS projects
FROM (SELECT count(*) AS size FROM {remix_nodes} GROUP BY root_id) trees
CROSS JOIN LATERAL (SELECT max(b) AS least_size FROM unnest({bins}) b WHERE b <= size) bin
GROUP BY least_size
ORDER BY least_size
