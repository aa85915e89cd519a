-- Remixes by how many steps they are away from the first project of their tree, and how many may be further away: on
-- their way a parent is not known, and the first project stands in its place.
SELECT depth, count(*) AS remixes, count(*) FILTER (WHERE NOT is_depth_known) AS assumed
FROM {remix_nodes}
WHERE depth > 0
GROUP BY depth
ORDER BY depth
