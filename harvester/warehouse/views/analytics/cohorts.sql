-- Users by the month in which they joined, and how many of them were active so many months later.
--
-- Active means public activity that was read: a project last shared in that month, or a comment written in it. The
-- comments of a user are known only from places that were read, so activity is a lower bound; whoever was met only
-- because of a comment was active by construction. Compare cohorts by their read_users, or take a sample by design.

CREATE VIEW analytics.live_user_months AS
SELECT
    user_id,
    month,
    (count(*) FILTER (WHERE is_project))::integer AS projects,
    (count(*) FILTER (WHERE NOT is_project))::integer AS comments
FROM (
    SELECT author_id AS user_id, date_trunc('month', shared_at AT TIME ZONE 'UTC')::date AS month, true AS is_project
    FROM scratch.projects
    UNION ALL
    SELECT author_id, date_trunc('month', created_at AT TIME ZONE 'UTC')::date, false FROM scratch.project_comments
    UNION ALL
    SELECT author_id, date_trunc('month', created_at AT TIME ZONE 'UTC')::date, false FROM scratch.studio_comments
    UNION ALL
    SELECT author_id, date_trunc('month', created_at AT TIME ZONE 'UTC')::date, false FROM scratch.profile_comments
) events
WHERE user_id IS NOT NULL AND month IS NOT NULL
GROUP BY 1, 2;

COMMENT ON VIEW analytics.live_user_months IS
    'Defines analytics.user_months, and is always up to date: quick for one user, slow for all.';

CREATE VIEW analytics.cohorts AS
SELECT
    date_trunc('month', u.joined_at AT TIME ZONE 'UTC')::date AS cohort,
    count(*)::integer AS users,
    count(u.gone_at)::integer AS gone_users,
    (count(*) FILTER (WHERE w.visits > 0))::integer AS read_users
FROM scratch.users u
LEFT JOIN crawl.walks w ON w.stream = 'user_projects' AND w.entity_id = u.id
WHERE u.joined_at IS NOT NULL
GROUP BY 1;

COMMENT ON VIEW analytics.cohorts IS
    'Users by the month in which they joined. Users whose month of joining was never served are left out.';
COMMENT ON COLUMN analytics.cohorts.cohort IS 'The first day of the month in which they joined, in UTC.';
COMMENT ON COLUMN analytics.cohorts.users IS 'Users that are known, those that are gone included.';
COMMENT ON COLUMN analytics.cohorts.gone_users IS 'Users that are gone.';
COMMENT ON COLUMN analytics.cohorts.read_users IS 'Users whose list of projects was read: of the others little is known.';

CREATE VIEW analytics.live_cohort_activity AS
SELECT
    date_trunc('month', u.joined_at AT TIME ZONE 'UTC')::date AS cohort,
    m.month,
    count(*)::integer AS active,
    (count(*) FILTER (WHERE m.projects > 0))::integer AS sharing,
    (count(*) FILTER (WHERE m.comments > 0))::integer AS commenting
FROM analytics.user_months m
JOIN scratch.users u ON u.id = m.user_id
WHERE u.joined_at IS NOT NULL
GROUP BY 1, 2;

COMMENT ON VIEW analytics.live_cohort_activity IS
    'Defines analytics.cohort_activity: sums up analytics.user_months at each look.';

CREATE VIEW analytics.cohort_retention AS
WITH newest AS (SELECT max(month) AS month FROM analytics.cohort_activity)
SELECT
    c.cohort,
    n.number AS month_number,
    c.users,
    c.read_users,
    coalesce(a.active, 0) AS active,
    coalesce(a.sharing, 0) AS sharing,
    coalesce(a.commenting, 0) AS commenting,
    round(coalesce(a.active, 0)::numeric / c.users, 4) AS share_active,
    x.month < newest.month AS is_complete
FROM analytics.cohorts c
CROSS JOIN newest
CROSS JOIN LATERAL generate_series(
    0, (12 * (extract(year FROM newest.month) - extract(year FROM c.cohort))
        + extract(month FROM newest.month) - extract(month FROM c.cohort))::integer
) AS n (number)
CROSS JOIN LATERAL (SELECT (c.cohort + make_interval(months => n.number))::date AS month) x
LEFT JOIN analytics.cohort_activity a ON a.cohort = c.cohort AND a.month = x.month;

COMMENT ON VIEW analytics.cohort_retention IS
    'How many users of each cohort were active in each month after joining, as of the last refresh. Months without activity have their row, up to the newest month with any.';
COMMENT ON COLUMN analytics.cohort_retention.cohort IS 'The first day of the month in which they joined, in UTC.';
COMMENT ON COLUMN analytics.cohort_retention.month_number IS 'Months after that one, which has 0.';
COMMENT ON COLUMN analytics.cohort_retention.users IS 'Users of the cohort that are known.';
COMMENT ON COLUMN analytics.cohort_retention.read_users IS 'Users of the cohort whose list of projects was read.';
COMMENT ON COLUMN analytics.cohort_retention.active IS 'Users that shared a project or wrote a comment in that month.';
COMMENT ON COLUMN analytics.cohort_retention.sharing IS 'Users that last shared a project in that month.';
COMMENT ON COLUMN analytics.cohort_retention.commenting IS 'Users that wrote a comment in that month.';
COMMENT ON COLUMN analytics.cohort_retention.share_active IS 'active / users: a lower bound, since not all is read.';
COMMENT ON COLUMN analytics.cohort_retention.is_complete IS
    'Whether the month is over, judged by the newest month with activity.';
