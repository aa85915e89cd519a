-- name: create_chosen
CREATE TEMP TABLE chosen (stream text, entity_id bigint, PRIMARY KEY (stream, entity_id)) ON COMMIT DROP

-- name: create_unproven
CREATE TEMP TABLE unproven (stream text, entity_id bigint, PRIMARY KEY (stream, entity_id)) ON COMMIT DROP

-- name: create_differing
CREATE TEMP TABLE differing ON COMMIT DROP AS SELECT 0 AS part, {key} FROM {table} WITH NO DATA

-- name: create_staged
CREATE TEMP TABLE {staged} (LIKE {table}) ON COMMIT DROP

-- name: is_chosen
{owner} IN (SELECT c.entity_id FROM pg_temp.chosen c WHERE c.stream = {stream})

-- name: of_chosen
({things}) IN (SELECT {key} FROM {table} WHERE {chosen})

-- name: shown_by
EXISTS (SELECT FROM pg_temp.unproven u WHERE u.stream = {stream} AND {shown})

-- name: shown_over_link
u.entity_id IN (SELECT x.{owner} FROM {links} x WHERE x.{target} = r.id)

-- name: shown_as_author
u.entity_id IN (SELECT x.{owner} FROM {links} x JOIN scratch.projects p ON p.id = x.{target} WHERE p.author_id = r.id)

-- name: shown_in_ranking
EXISTS (SELECT FROM history.rankings x WHERE x.kind = {kind} AND x.thing_id = r.id)

-- name: leave
-- Rows of the warehouse and of the replay: both may say which lists show a row.
WITH left_out AS (
    DELETE FROM pg_temp.differing d WHERE EXISTS (
        SELECT FROM (
            SELECT * FROM {table} t WHERE {same} UNION ALL SELECT * FROM {staged} t WHERE {same}
        ) r WHERE {conditions}
    ) RETURNING {key}
)
SELECT count(*) FROM (SELECT DISTINCT * FROM left_out) each

-- name: count_extra
SELECT count(*) FROM pg_temp.differing d WHERE d.part = 0 AND NOT EXISTS (SELECT FROM {staged} t WHERE {same})

-- name: missing_parents
SELECT DISTINCT s.{column} FROM {staged} s
WHERE s.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM {parent} p WHERE p.id = s.{column}) ORDER BY 1

-- name: insert_parents
INSERT INTO {table} ({columns}) SELECT {columns} FROM {staged} ORDER BY id ON CONFLICT DO NOTHING

-- name: write
WITH done AS (
    INSERT INTO {table} AS w ({columns}) SELECT {columns} FROM {staged} t
    WHERE EXISTS (SELECT FROM pg_temp.differing d WHERE d.part = 0 AND {same}) ORDER BY {key}
    ON CONFLICT ({unique}) DO UPDATE SET {sets} WHERE w.* IS DISTINCT FROM excluded.*
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM done

-- name: delete_versions
DELETE FROM {table} t USING pg_temp.differing d WHERE d.part = {part} AND {same}{kind}

-- name: insert_versions
INSERT INTO {table} ({columns}) SELECT {columns} FROM {staged} t
WHERE EXISTS (SELECT FROM pg_temp.differing d WHERE d.part = {part} AND {same})

-- name: seeds_without_archive
SELECT EXISTS (SELECT FROM crawl.runs r WHERE r.id = ANY(%s) AND r.command NOT LIKE 'crawl%%')

-- name: count_part
SELECT count(*) FROM (SELECT DISTINCT {key} FROM pg_temp.differing WHERE part = {part}) each
