-- Users by the month in which they joined, and how many of them were active so many months later.
--
-- Active means public activity that was read: a project last shared in that month, or a comment written in it. A month
-- of a user is observable if the user's list of projects was read whole after the month was over; shares are of these
-- users alone, and nothing that others did counts. Two biases stay, and have opposite signs: comments are known only
-- from places that were read, and people who were met because of what they did were active by construction. Take a sample by
-- design where that matters.

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

CREATE MATERIALIZED VIEW analytics.user_months AS SELECT * FROM analytics.live_user_months;

CREATE UNIQUE INDEX ON analytics.user_months (user_id, month);

COMMENT ON MATERIALIZED VIEW analytics.user_months IS
    'What each user did in each month in which they did anything public that was read.';
COMMENT ON COLUMN analytics.user_months.user_id IS 'The user. Soft reference to users.';
COMMENT ON COLUMN analytics.user_months.month IS 'The first day of the month, in UTC.';
COMMENT ON COLUMN analytics.user_months.projects IS 'Projects last shared in that month, those that are gone included.';
COMMENT ON COLUMN analytics.user_months.comments IS
    'Comments and replies of all three kinds written in that month, those that are gone included.';

CREATE VIEW analytics.live_cohorts AS
SELECT
    date_trunc('month', u.joined_at AT TIME ZONE 'UTC')::date AS cohort,
    count(*)::integer AS users,
    count(u.gone_at)::integer AS gone_users,
    (count(*) FILTER (WHERE w.visits > 0))::integer AS read_users
FROM scratch.users u
LEFT JOIN crawl.frontier w ON w.stream = 'user_projects' AND w.entity_id = u.id
WHERE u.joined_at IS NOT NULL
GROUP BY 1;

COMMENT ON VIEW analytics.live_cohorts IS
    'Defines analytics.cohorts: counts all users, and asks for each whether its projects were read, at each look.';

CREATE MATERIALIZED VIEW analytics.cohorts AS SELECT * FROM analytics.live_cohorts;

CREATE UNIQUE INDEX ON analytics.cohorts (cohort);

COMMENT ON MATERIALIZED VIEW analytics.cohorts IS
    'Users by the month in which they joined; those of whom that was never served are left out.';
COMMENT ON COLUMN analytics.cohorts.cohort IS 'The first day of the month in which they joined, in UTC.';
COMMENT ON COLUMN analytics.cohorts.users IS 'Users that are known, those that are gone included.';
COMMENT ON COLUMN analytics.cohorts.gone_users IS 'Users that are gone.';
COMMENT ON COLUMN analytics.cohorts.read_users IS
    'Users whose list of projects was read: of the others little is known.';

CREATE VIEW analytics.live_cohort_activity AS
WITH members AS (
    -- Of each user the last month that was over when the proved reading of their projects began.
    SELECT u.id, date_trunc('month', u.joined_at AT TIME ZONE 'UTC')::date AS cohort,
        (date_trunc('month', w.certified_from AT TIME ZONE 'UTC') - interval '1 month')::date AS last_month
    FROM scratch.users u
    JOIN crawl.frontier w ON w.stream = 'user_projects' AND w.entity_id = u.id
    WHERE u.joined_at IS NOT NULL AND (w.certificate ->> 'complete')::boolean
),
observed AS (
    SELECT cohort, x.month::date AS month, sum(users)::integer AS observable
    FROM (SELECT cohort, last_month, count(*) AS users FROM members GROUP BY 1, 2) ends
    CROSS JOIN LATERAL generate_series(cohort::timestamp, last_month::timestamp, interval '1 month') x (month)
    GROUP BY 1, 2
),
done AS (
    SELECT u.cohort, m.month, count(*)::integer AS active,
        (count(*) FILTER (WHERE m.projects > 0))::integer AS sharing,
        (count(*) FILTER (WHERE m.comments > 0))::integer AS commenting
    FROM members u JOIN analytics.user_months m ON m.user_id = u.id AND m.month BETWEEN u.cohort AND u.last_month
    GROUP BY 1, 2
)
SELECT cohort, month, observable, coalesce(active, 0) AS active, coalesce(sharing, 0) AS sharing,
    coalesce(commenting, 0) AS commenting
FROM observed LEFT JOIN done USING (cohort, month);

COMMENT ON VIEW analytics.live_cohort_activity IS
    'Defines analytics.cohort_activity: sums up analytics.user_months, and asks until when each user was observed, at each look.';

CREATE MATERIALIZED VIEW analytics.cohort_activity AS SELECT * FROM analytics.live_cohort_activity;

CREATE UNIQUE INDEX ON analytics.cohort_activity (cohort, month);

COMMENT ON MATERIALIZED VIEW analytics.cohort_activity IS
    'How many users of each cohort were active in each month, of those observed until its end; from user_months.';
COMMENT ON COLUMN analytics.cohort_activity.cohort IS 'The first day of the month in which they joined, in UTC.';
COMMENT ON COLUMN analytics.cohort_activity.month IS 'The first day of the month in which they were active or not.';
COMMENT ON COLUMN analytics.cohort_activity.observable IS
    'Users whose list of projects was read whole after the month was over.';
COMMENT ON COLUMN analytics.cohort_activity.active IS
    'How many of these last shared a project or wrote a comment in that month.';
COMMENT ON COLUMN analytics.cohort_activity.sharing IS 'How many of them last shared a project in that month.';
COMMENT ON COLUMN analytics.cohort_activity.commenting IS 'How many of them wrote a comment in that month.';

CREATE VIEW analytics.cohort_retention AS
SELECT
    c.cohort,
    (12 * (extract(year FROM a.month) - extract(year FROM c.cohort))
        + extract(month FROM a.month) - extract(month FROM c.cohort))::integer AS month_number,
    c.users,
    c.read_users,
    a.observable,
    a.active,
    a.sharing,
    a.commenting,
    round(a.active::numeric / a.observable, 4) AS share_active,
    a.observable = c.users AS is_complete
FROM analytics.cohorts c JOIN analytics.cohort_activity a USING (cohort);

COMMENT ON VIEW analytics.cohort_retention IS
    'How many users of each cohort were active in each month after joining, of those observed until its end, as of the last refresh. A cohort has a row for each month up to the last that is observable for any of its users.';
COMMENT ON COLUMN analytics.cohort_retention.cohort IS 'The first day of the month in which they joined, in UTC.';
COMMENT ON COLUMN analytics.cohort_retention.month_number IS 'Months after that one, which has 0.';
COMMENT ON COLUMN analytics.cohort_retention.users IS 'Users of the cohort that are known.';
COMMENT ON COLUMN analytics.cohort_retention.read_users IS 'Users of the cohort whose list of projects was read.';
COMMENT ON COLUMN analytics.cohort_retention.observable IS
    'Users of the cohort whose list of projects was read whole after the month was over: the others may have been active unseen.';
COMMENT ON COLUMN analytics.cohort_retention.active IS
    'Observable users that last shared a project or wrote a comment in that month.';
COMMENT ON COLUMN analytics.cohort_retention.sharing IS 'Observable users that last shared a project in that month.';
COMMENT ON COLUMN analytics.cohort_retention.commenting IS 'Observable users that wrote a comment in that month.';
COMMENT ON COLUMN analytics.cohort_retention.share_active IS
    'active / observable. Comments in places that were not read are missing in it.';
COMMENT ON COLUMN analytics.cohort_retention.is_complete IS
    'Whether the month is observable for every user of the cohort.';
