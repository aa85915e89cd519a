-- The one clock of what a crawl writes. A replay and a simulation set it: see harvester/warehouse/clock.py.
CREATE FUNCTION crawl.clock() RETURNS timestamptz LANGUAGE sql STABLE
RETURN coalesce(nullif(pg_catalog.current_setting('harvester.clock', true), '')::timestamptz, pg_catalog.now());

-- Under a clock that is set, a tenth of what the statements before took here: a later statement is later, and hardly
-- any is so after the end of the transaction that is replayed.
CREATE FUNCTION crawl.statement_clock() RETURNS timestamptz LANGUAGE sql STABLE
RETURN coalesce(
    nullif(pg_catalog.current_setting('harvester.clock', true), '')::timestamptz
        + (pg_catalog.statement_timestamp() - pg_catalog.now()) / 10,
    pg_catalog.statement_timestamp()
);

COMMENT ON FUNCTION crawl.clock IS
    'The time of the transaction: the setting harvester.clock, which a replay or a simulation sets, else now().';
COMMENT ON FUNCTION crawl.statement_clock IS
    'The time of the statement by the clock of crawl.clock(): later statements of a transaction are later.';
