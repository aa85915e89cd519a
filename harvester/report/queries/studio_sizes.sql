-- Studios by the projects in them, where that list was read whole.
SELECT ({bins})[width_bucket(size, {bins})] AS projects_from, count(*) AS studios, sum(size)::bigint AS projects
FROM (
    SELECT coalesce(f.projects, 0) AS size
    FROM scratch.present_studios s
    JOIN crawl.frontier w ON w.stream = 'studio_projects' AND w.entity_id = s.id AND w.certificate ->> 'complete' = 'true'
    LEFT JOIN {studio_figures} f ON f.studio_id = s.id
) studios
GROUP BY projects_from
ORDER BY projects_from
