-- The clock of a replay, for sessions that look names up in this schema first.
CREATE FUNCTION crawl.now() RETURNS timestamptz LANGUAGE sql STABLE
RETURN pg_catalog.current_setting('harvester.moment')::timestamptz;

CREATE FUNCTION crawl.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
RETURN pg_catalog.current_setting('harvester.moment')::timestamptz;

COMMENT ON FUNCTION crawl.now IS 'The time of the page that is replayed.';
COMMENT ON FUNCTION crawl.statement_timestamp IS 'The time of the page that is replayed.';
