-- name: spendings
SELECT fingerprint, name, epsilon, delta, built_at
FROM (SELECT DISTINCT ON (fingerprint) * FROM crawl.releases WHERE fingerprint IS NOT NULL ORDER BY fingerprint, release_id) f
ORDER BY release_id

-- name: record
INSERT INTO crawl.releases (name, profile, as_of, fingerprint, epsilon, delta, built_at)
VALUES (%(name)s, %(profile)s, %(as_of)s, %(fingerprint)s, %(epsilon)s, %(delta)s, crawl.clock()) RETURNING release_id

-- name: take_back
DELETE FROM crawl.releases WHERE release_id = %s
