-- Trees of remixes by the projects in them, the first one counted; gone ones are kept.
SELECT ({bins})[width_bucket(size, {bins})] AS projects_from, count(*) AS trees, sum(size)::bigint AS projects
FROM (SELECT count(*)::int AS size FROM {remix_nodes} GROUP BY root_id) trees
GROUP BY projects_from
ORDER BY projects_from
