-- What is gone from the site, and what its absence means as far as the site tells.
SELECT what, coalesce(gone_reason, 'not known') AS reason, count(*) AS gone
FROM (
    SELECT 'users' AS what, gone_reason FROM scratch.users WHERE gone_at IS NOT NULL
    UNION ALL SELECT 'projects', gone_reason FROM scratch.projects WHERE gone_at IS NOT NULL
    UNION ALL SELECT 'studios', gone_reason FROM scratch.studios WHERE gone_at IS NOT NULL
    UNION ALL SELECT 'comments', gone_reason FROM scratch.project_comments WHERE gone_at IS NOT NULL
    UNION ALL SELECT 'comments', gone_reason FROM scratch.studio_comments WHERE gone_at IS NOT NULL
    UNION ALL SELECT 'comments', gone_reason FROM scratch.profile_comments WHERE gone_at IS NOT NULL
    UNION ALL SELECT 'follows', gone_reason FROM scratch.follows WHERE gone_at IS NOT NULL
    UNION ALL SELECT 'favorites', gone_reason FROM scratch.favorites WHERE gone_at IS NOT NULL
    UNION ALL SELECT 'projects in studios', gone_reason FROM scratch.studio_projects WHERE gone_at IS NOT NULL
    UNION ALL SELECT 'members of studios', gone_reason FROM scratch.studio_members WHERE gone_at IS NOT NULL
) things
GROUP BY what, reason
ORDER BY gone DESC, what, reason
