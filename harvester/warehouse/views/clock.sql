-- The clock of a replay, for sessions that look names up in this schema first.
CREATE FUNCTION crawl.now() RETURNS timestamptz LANGUAGE sql STABLE
RETURN pg_catalog.current_setting('harvester.moment')::timestamptz;

-- A tenth of what the statements before took here: a later statement is later, and hardly any is so after the end of
-- the transaction that is replayed.
CREATE FUNCTION crawl.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
RETURN pg_catalog.current_setting('harvester.moment')::timestamptz
    + (pg_catalog.statement_timestamp() - pg_catalog.now()) / 10;

COMMENT ON FUNCTION crawl.now IS 'The time of the transaction that is replayed.';
COMMENT ON FUNCTION crawl.statement_timestamp IS
    'The time of the transaction that is replayed, a little later for each of its statements.';
