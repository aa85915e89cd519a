-- By the year in which projects were last shared: the mean score of those whose source is known, of remixes apart. Years
-- with fewer than {fewest} authors are not shown.
SELECT extract(year FROM p.shared_at AT TIME ZONE 'UTC')::integer AS year, p.parent_id IS NOT NULL AS is_remix,
    count(*) AS projects, round(avg(s.score), 2) AS score
FROM analytics.project_sources s
JOIN scratch.projects p ON p.id = s.project_id
WHERE p.shared_at IS NOT NULL
GROUP BY 1, 2
HAVING count(DISTINCT p.author_id) >= {fewest}
ORDER BY 1, 2
