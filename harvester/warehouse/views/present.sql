-- What is there: rows that are not gone, on pages that are not gone. Every figure of what is there rests on these
-- views.
--
-- `gone_at` speaks of a row alone. When a project, a studio or a user is gone, nobody is shown what stands on it. Who
-- is gone stays in the lists of others, and so among followers and members.

CREATE VIEW scratch.present_users AS
SELECT * FROM scratch.users WHERE gone_at IS NULL;

COMMENT ON VIEW scratch.present_users IS 'Users that are not gone.';

CREATE VIEW scratch.present_projects AS
SELECT * FROM scratch.projects WHERE gone_at IS NULL;

COMMENT ON VIEW scratch.present_projects IS 'Projects that are not gone.';

CREATE VIEW scratch.present_studios AS
SELECT * FROM scratch.studios WHERE gone_at IS NULL;

COMMENT ON VIEW scratch.present_studios IS 'Studios that are not gone.';

CREATE VIEW scratch.present_comments AS
SELECT * FROM scratch.comments WHERE is_present;

COMMENT ON VIEW scratch.present_comments IS
    'Comments of all kinds that are not gone, on projects, studios and profiles that are not gone.';

CREATE VIEW scratch.present_follows AS
SELECT * FROM scratch.follows WHERE gone_at IS NULL;

COMMENT ON VIEW scratch.present_follows IS 'Who follows whom, without what is gone.';

CREATE VIEW scratch.present_favorites AS
SELECT f.* FROM scratch.favorites f
WHERE f.gone_at IS NULL
    AND NOT EXISTS (SELECT FROM scratch.projects p WHERE p.id = f.project_id AND p.gone_at IS NOT NULL);

COMMENT ON VIEW scratch.present_favorites IS 'Favorites that are not gone, of projects that are not gone.';

CREATE VIEW scratch.present_studio_projects AS
SELECT sp.* FROM scratch.studio_projects sp
WHERE sp.gone_at IS NULL
    AND NOT EXISTS (SELECT FROM scratch.studios s WHERE s.id = sp.studio_id AND s.gone_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM scratch.projects p WHERE p.id = sp.project_id AND p.gone_at IS NOT NULL);

COMMENT ON VIEW scratch.present_studio_projects IS
    'Projects in studios, where neither the project, nor the studio, nor its place there is gone.';

CREATE VIEW scratch.present_studio_members AS
SELECT m.* FROM scratch.studio_members m
WHERE m.gone_at IS NULL
    AND NOT EXISTS (SELECT FROM scratch.studios s WHERE s.id = m.studio_id AND s.gone_at IS NOT NULL);

COMMENT ON VIEW scratch.present_studio_members IS
    'Members of studios that are not gone, who have not left; an account that is gone stays a member.';
