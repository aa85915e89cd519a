-- name: edited_titles
SELECT p.id, h.title, p.title
FROM history.project_revisions h JOIN scratch.projects p ON p.id = h.project_id
WHERE h.title <> p.title ORDER BY h.valid_to DESC, p.id LIMIT 5
