-- Remixes by how many steps they are away from the root of their tree.
WITH RECURSIVE remixes AS (
    SELECT id, 1 AS depth FROM scratch.projects WHERE parent_id = root_id
    UNION ALL
    SELECT p.id, depth + 1 FROM remixes r JOIN scratch.projects p ON p.parent_id = r.id WHERE depth < 50
)
SELECT depth, count(*) AS remixes FROM remixes GROUP BY depth ORDER BY depth
