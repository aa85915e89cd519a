-- Studios by the projects in them, where that list was read whole.
SELECT least_size AS projects_from, count(*) AS studios, sum(size)::bigint AS projects
FROM (
    SELECT s.id, count(sp.project_id) AS size
    FROM scratch.studios s
    JOIN crawl.walks w ON w.stream = 'studio_projects' AND w.entity_id = s.id AND w.certificate ->> 'complete' = 'true'
    LEFT JOIN scratch.studio_projects sp ON sp.studio_id = s.id AND sp.gone_at IS NULL
    WHERE s.gone_at IS NULL
    GROUP BY s.id
) studios
CROSS JOIN LATERAL (SELECT max(b) AS least_size FROM unnest({bins}) b WHERE b <= size) bin
GROUP BY least_size
ORDER BY least_size
