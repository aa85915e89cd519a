-- Remixes by how many steps they are away from the first project of their tree.
SELECT depth, count(*) AS remixes
FROM {remix_nodes}
WHERE depth > 0
GROUP BY depth
ORDER BY depth
