-- Arrival rates of lists.

-- Without settings of its own, so that it is inlined where it is called.
CREATE FUNCTION crawl.arrival_rate(new_items float8, exposure float8, shape float8, prior_rate float8)
RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (shape + new_items) / (shape / prior_rate + exposure);

COMMENT ON FUNCTION crawl.arrival_rate IS
    'The mean of the rate of new items a day: a gamma prior of that shape and mean, after so many new items in so many days.';

CREATE FUNCTION crawl.rate_class(priority float8, classes int, first_class int)
RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(classes - 1, greatest(0, floor(-log(2, greatest(priority, 1e-9)::numeric))::int - first_class));

COMMENT ON FUNCTION crawl.rate_class IS
    'The class of a list by its priority, in item weights per day and request: each holds priorities half as high as the one before, the first and the last also all that are higher or lower.';
