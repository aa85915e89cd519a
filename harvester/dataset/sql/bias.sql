-- name: make_bounded
-- The first rows of each person, in the order of their pseudonyms.
CREATE TEMP TABLE bounded_{name} ON COMMIT DROP AS
SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY person ORDER BY p) AS place FROM coded_{name}) numbered
WHERE place <= {most}

-- name: counts
SELECT coalesce({value}, '') AS value, count(*) AS rows FROM bounded_{name} GROUP BY 1

-- name: released
SELECT coalesce({value}, '') AS value, sum(weight) AS weight FROM cells_{name} GROUP BY 1

-- name: total
-- What the people of a table add to a sum, each clipped, and how many have more.
SELECT coalesce(sum(greatest(-{most}, least({most}, own))), 0)::bigint AS total,
    count(*) FILTER (WHERE abs(own) > {most}) AS clipped
FROM (SELECT sum({fact}) AS own FROM facts_{name} GROUP BY person) people
