-- Studios by the projects in them, where that list was read whole.
SELECT least_size AS projects_from, count(*) AS studios, sum(size)::bigint AS projects
FROM (
    SELECT coalesce(f.projects, 0) AS size
    FROM scratch.studios s
    JOIN crawl.walks w ON w.stream = 'studio_projects' AND w.entity_id = s.id AND w.certificate ->> 'complete' = 'true'
    LEFT JOIN {studio_figures} f ON f.studio_id = s.id
    WHERE s.gone_at IS NULL
) studios
CROSS JOIN LATERAL (SELECT max(b) AS least_size FROM unnest({bins}) b WHERE b <= size) bin
GROUP BY least_size
ORDER BY least_size
