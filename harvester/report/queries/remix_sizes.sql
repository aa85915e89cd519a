-- Trees of remixes by the projects in them, the root counted; gone ones are kept.
SELECT least_size AS projects_from, count(*) AS trees, sum(size)::bigint AS projects
FROM (SELECT count(*) + 1 AS size FROM scratch.projects WHERE root_id IS NOT NULL GROUP BY root_id) trees
CROSS JOIN LATERAL (SELECT max(b) AS least_size FROM unnest({bins}) b WHERE b <= size) bin
GROUP BY least_size
ORDER BY least_size
