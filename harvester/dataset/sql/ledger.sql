-- name: published
SELECT fingerprint, release, epsilon, delta, published_at FROM crawl.privacy_budget ORDER BY published_at, fingerprint

-- name: publish
INSERT INTO crawl.privacy_budget (fingerprint, release, epsilon, delta, published_at)
VALUES (%(fingerprint)s, %(release)s, %(epsilon)s, %(delta)s, crawl.clock())

-- name: take_back
DELETE FROM crawl.privacy_budget WHERE fingerprint = %(fingerprint)s
