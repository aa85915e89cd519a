-- Arrival rates of lists.

-- Without settings of its own, so that it is inlined where it is called.
CREATE FUNCTION crawl.arrival_rate(new_items float8, exposure float8, shape float8, prior_rate float8)
RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (shape + new_items) / (shape / prior_rate + exposure);

COMMENT ON FUNCTION crawl.arrival_rate IS
    'The mean of the rate of new items a day: a gamma prior of that shape and mean, after so many new items in so many days.';
