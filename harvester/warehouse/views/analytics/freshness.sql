-- How far each figure can be trusted: how much of what it rests on was read, and when.
--
-- Shares are of what is in scope. What part of the site that is, is another question: analytics.id_gaps for what is
-- held of a month, and the samples for what was drawn how.

CREATE VIEW analytics.stream_freshness AS
SELECT
    stream,
    count(*) AS in_scope,
    count(*) FILTER (WHERE visits > 0) AS read,
    round(count(*) FILTER (WHERE visits > 0)::numeric / count(*), 6) AS share_read,
    count(*) FILTER (WHERE (certificate ->> 'complete')::boolean) AS certified,
    count(gone_at) AS gone,
    count(*) FILTER (WHERE failures > 0) AS failing,
    min(visited_at) AS oldest_read_at,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY visited_at) AS median_read_at,
    max(visited_at) AS newest_read_at
FROM crawl.frontier
GROUP BY 1;

COMMENT ON VIEW analytics.stream_freshness IS
    'By stream of the catalogue: how much of what is in scope was read, and when; always up to date.';
COMMENT ON COLUMN analytics.stream_freshness.stream IS 'The stream.';
COMMENT ON COLUMN analytics.stream_freshness.in_scope IS 'Lists or objects that are to be read.';
COMMENT ON COLUMN analytics.stream_freshness.read IS 'How many of them were read at least once.';
COMMENT ON COLUMN analytics.stream_freshness.share_read IS 'read / in_scope.';
COMMENT ON COLUMN analytics.stream_freshness.certified IS 'Lists of which it is proved that they were read whole.';
COMMENT ON COLUMN analytics.stream_freshness.gone IS 'How many were not found when they were last asked for.';
COMMENT ON COLUMN analytics.stream_freshness.failing IS 'How many could not be read the last time.';
COMMENT ON COLUMN analytics.stream_freshness.oldest_read_at IS 'The last visit of the one that waits longest.';
COMMENT ON COLUMN analytics.stream_freshness.median_read_at IS 'Half of them were last visited since then.';
COMMENT ON COLUMN analytics.stream_freshness.newest_read_at IS 'The newest visit.';

CREATE VIEW analytics.freshness AS
SELECT
    f.subject,
    f.relation,
    f.streams,
    coalesce(sum(s.in_scope), 0)::bigint AS in_scope,
    coalesce(sum(s.read), 0)::bigint AS read,
    round(sum(s.read) / nullif(sum(s.in_scope), 0), 6) AS share_read,
    coalesce(sum(s.certified), 0)::bigint AS certified,
    min(s.oldest_read_at) AS oldest_read_at,
    max(s.newest_read_at) AS newest_read_at,
    f.is_live,
    CASE WHEN NOT f.is_live THEN (SELECT min(r.refreshed_at) FROM analytics.refreshes r) END AS refreshed_at
FROM (
    SELECT subject, relation, is_live, streams
    FROM (VALUES
        ('activity', '{daily_activity, monthly_activity}'::text[], '{live_daily_activity}'::text[],
            '{user, user_projects, project, studio, project_comments, project_replies, studio_comments, studio_replies, profile_comments, studio_activity}'::text[]),
        ('cohorts', '{user_months, cohorts, cohort_activity, cohort_retention}', '{live_user_months, live_cohorts, live_cohort_activity}',
            '{user, user_projects, project_comments, project_replies, studio_comments, studio_replies, profile_comments}'),
        ('countries', '{countries}', '{live_countries}',
            '{user, user_projects, project_comments, project_replies, studio_comments, studio_replies, profile_comments}'),
        ('remixes', '{remix_nodes, remix_trees}', '{live_remix_nodes, live_remix_trees, remix_edges, remix_roots, remix_tree}',
            '{project, project_remixes, user_projects}'),
        ('threads', '{threads, reply_latency}', '{live_threads, live_reply_latency, reply_waits}',
            '{project_comments, project_replies, studio_comments, studio_replies, profile_comments}'),
        ('network', '{follow_degrees, follow_lists, follow_network, degree_distribution}', '{live_follow_degrees}',
            '{user_followers, user_following}'),
        ('studios', '{studio_figures}', '{live_studio_figures, studio_memberships, studio_overlap}',
            '{studio_projects, studio_managers, studio_curators, studio_comments, studio_replies, user_studios, project_studios}'),
        ('life', '{life_curves}', '{live_life_curves, project_life}', '{project, user_projects}'),
        ('over_time', '{}', '{followers_over_time, comments_over_time, studio_lifetimes}',
            '{user, user_followers, user_following, project_comments, project_replies, studio_comments, studio_replies, profile_comments, studio, studio_activity}'),
        ('rankings', '{ranking_stays, ranking_survival, ranking_countries}', '{live_ranking_stays, live_ranking_countries, ranking_moves, ranking_readings, index_lag}',
            '{explore_projects, explore_studios, search_projects, search_studios, front_page}'),
        ('sources', '{}', '{project_sources, source_scores, remix_changes, asset_reuse}',
            '{project_source, project, user_projects}')
    ) AS subjects (subject, refreshed, live, streams)
    CROSS JOIN LATERAL (
        SELECT unnest(refreshed) AS relation, false AS is_live UNION ALL SELECT unnest(live), true
    ) relations
) f
LEFT JOIN analytics.stream_freshness s ON s.stream = ANY (f.streams)
GROUP BY f.subject, f.relation, f.streams, f.is_live;

COMMENT ON VIEW analytics.freshness IS
    'For each figure of this schema: how much of the data that it is computed from was read, and when. Look here before you use a figure.';
COMMENT ON COLUMN analytics.freshness.subject IS 'What it is about; each subject is a file of harvester/warehouse/views/analytics.';
COMMENT ON COLUMN analytics.freshness.relation IS 'The table, view or function of this schema.';
COMMENT ON COLUMN analytics.freshness.streams IS 'The streams that it rests on.';
COMMENT ON COLUMN analytics.freshness.in_scope IS 'Lists and objects of these streams that are to be read.';
COMMENT ON COLUMN analytics.freshness.read IS 'How many of them were read at least once.';
COMMENT ON COLUMN analytics.freshness.share_read IS 'read / in_scope; null where nothing is in scope.';
COMMENT ON COLUMN analytics.freshness.certified IS 'Lists of which it is proved that they were read whole.';
COMMENT ON COLUMN analytics.freshness.oldest_read_at IS 'The last visit of the one that waits longest.';
COMMENT ON COLUMN analytics.freshness.newest_read_at IS 'The newest visit.';
COMMENT ON COLUMN analytics.freshness.is_live IS 'Whether it is always up to date; else it is as of refreshed_at.';
COMMENT ON COLUMN analytics.freshness.refreshed_at IS
    'When the tables of this schema were last brought up to date; null while they never were, and for what is live.';
