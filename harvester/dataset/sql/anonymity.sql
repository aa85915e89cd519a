-- name: make_facts
CREATE TEMP TABLE facts_{name} ON COMMIT DROP AS {facts}

-- name: suppressed_shares
-- The largest shares of rows whose values fewer than k people share: of what the sample drew or of the rest, and of a
-- part of these by the first stratification.
SELECT max(alone / rows) FILTER (WHERE part IS NULL) AS whole, max(alone / rows) FILTER (WHERE part IS NOT NULL) AS part
FROM (
    SELECT part, sum(n) AS rows, coalesce(sum(n) FILTER (WHERE people < {k}), 0)::float8 AS alone FROM (
        SELECT is_drawn, part, count(*) AS n, count(DISTINCT person) AS people FROM (
            SELECT person, {drawn} AS is_drawn, {part} AS part, {label} AS label FROM facts_{name}
        ) coded GROUP BY is_drawn, part, label
    ) classes GROUP BY GROUPING SETS ((is_drawn), (is_drawn, part))
) shares

-- name: make_coded
-- The published values of each row, with the stratum and the class of rows that share all values.
CREATE TEMP TABLE coded_{name} ON COMMIT DROP AS
SELECT f.id, f.person, own.p, {drawn} AS is_drawn, {stratum} AS stratum, md5({label})::uuid AS class{columns}
FROM facts_{name} f JOIN known_{name} own ON own.id = f.id

-- name: count_rows
SELECT count(*) FROM coded_{name}

-- name: make_suppressed
CREATE TEMP TABLE suppressed_{name} ON COMMIT DROP AS
SELECT id FROM coded_{name} WHERE class IN (
    SELECT class FROM coded_{name} GROUP BY 1 HAVING count(DISTINCT person) < {k}
)

-- name: people_of_classes
-- The classes that are shown, the largest first.
SELECT class::text AS class, count(DISTINCT person) AS people FROM coded_{name}
WHERE is_drawn = {is_drawn} AND id NOT IN (SELECT id FROM suppressed_{name}) GROUP BY 1 ORDER BY 2 DESC, 1

-- name: suppress_people
-- First people of whom nothing is suppressed, then those with the fewest rows, in the order of their pseudonyms.
INSERT INTO suppressed_{name}
SELECT id FROM coded_{name} WHERE class = '{label}' AND person IN (
    SELECT person FROM coded_{name} c WHERE class = '{label}' GROUP BY person
    ORDER BY person IN (
        SELECT o.person FROM coded_{name} o JOIN suppressed_{name} USING (id) WHERE o.is_drawn = {is_drawn}
    ), count(*), min(encode(p, 'hex') COLLATE "C") LIMIT {people}
)

-- name: count_suppressed_people
SELECT count(DISTINCT person) FROM coded_{name} JOIN suppressed_{name} USING (id) WHERE is_drawn = {is_drawn}

-- name: strata
-- Each person of whom rows are suppressed counts in one stratum alone, so that numbers of people add up.
WITH first AS (
    SELECT person, min(stratum COLLATE "C") AS stratum
    FROM coded_{name} JOIN suppressed_{name} USING (id) WHERE is_drawn = {is_drawn} GROUP BY 1
)
SELECT c.stratum, count(*) AS rows, count(*) FILTER (WHERE s.id IS NULL) AS shown,
    count(DISTINCT c.person) FILTER (WHERE s.id IS NOT NULL AND f.person IS NOT NULL) AS people,
    coalesce(sum({weight}), 0)::float8 AS drawn_weight,
    coalesce(sum({weight}) FILTER (WHERE s.id IS NULL), 0)::float8 AS shown_weight
FROM coded_{name} c
LEFT JOIN suppressed_{name} s USING (id)
LEFT JOIN first f ON f.person = c.person AND f.stratum = c.stratum
WHERE is_drawn = {is_drawn} GROUP BY c.stratum ORDER BY c.stratum COLLATE "C"

-- name: make_weights
CREATE TEMP TABLE weights_{name} (is_drawn boolean, stratum text, weight float8, factor float8) ON COMMIT DROP

-- name: make_cells
CREATE TEMP TABLE cells_{name} ON COMMIT DROP AS
SELECT c.id, c.person, c.p{columns}, w.weight
FROM coded_{name} c JOIN weights_{name} w USING (is_drawn, stratum)
WHERE NOT EXISTS (SELECT FROM suppressed_{name} s WHERE s.id = c.id)

-- name: make_looks
CREATE TEMP TABLE looks_{name} ON COMMIT DROP AS
SELECT b.id, b.looks, n.id IS NOT NULL AS is_there, n.person
FROM before_{name} b LEFT JOIN now_{name} n ON n.id = b.id

-- name: make_withdrawn
-- With each row that is gone, rows of k others that look the same.
CREATE TEMP TABLE withdrawn_{name} ON COMMIT DROP AS
WITH others AS (
    SELECT id, looks, min(id) OVER (PARTITION BY looks, person) AS first FROM looks_{name}
    WHERE is_there AND looks IN (SELECT looks FROM looks_{name} WHERE NOT is_there)
), chosen AS (
    SELECT id, dense_rank() OVER (PARTITION BY looks ORDER BY first COLLATE "C") AS place FROM others
)
SELECT id FROM looks_{name} WHERE NOT is_there
UNION ALL SELECT id FROM chosen WHERE place <= {k}
