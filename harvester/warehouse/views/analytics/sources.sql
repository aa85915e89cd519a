-- What projects are made of: the facts of their sources as they were last read, by time and cohort; what remixes
-- change; how far assets spread.
--
-- They rest on sources that were read (HARVESTER_SOURCES=1) and worked out (`harvester source analyse`), and projects
-- whose source was not are in none of them. Projects that are gone are counted. What a remix shows is what it inherited
-- as well as what its author did: source_scores keeps remixes apart. docs/sources.md has the rules.

CREATE VIEW analytics.project_sources AS
SELECT
    v.project_id,
    v.body_sha256,
    v.format,
    (SELECT count(*) FROM source.versions e WHERE e.project_id = v.project_id)::integer AS versions,
    v.first_seen_at,
    v.last_seen_at,
    f.sprites,
    f.scripts,
    f.blocks,
    f.unreachable,
    f.costumes,
    f.sounds,
    f.variables,
    f.lists,
    f.broadcasts,
    f.clones,
    f.custom_blocks,
    f.duplicate_scripts,
    f.abstraction,
    f.parallelism,
    f.logic,
    f.synchronization,
    f.flow_control,
    f.user_interactivity,
    f.data_representation,
    f.abstraction + f.parallelism + f.logic + f.synchronization + f.flow_control + f.user_interactivity
        + f.data_representation AS score
FROM source.present_versions v
JOIN source.facts f ON f.body_sha256 = v.body_sha256;

COMMENT ON VIEW analytics.project_sources IS
    'Each project whose source was read and worked out: its present version with counts and scores.';
COMMENT ON COLUMN analytics.project_sources.project_id IS 'The project; it may be gone.';
COMMENT ON COLUMN analytics.project_sources.body_sha256 IS 'Its body: the key of source.facts and source.assets.';
COMMENT ON COLUMN analytics.project_sources.format IS 'The version of Scratch that it is written for. Values: scratch3, scratch2.';
COMMENT ON COLUMN analytics.project_sources.versions IS 'How many versions of it were read.';
COMMENT ON COLUMN analytics.project_sources.first_seen_at IS 'When the present version was first read.';
COMMENT ON COLUMN analytics.project_sources.last_seen_at IS 'When it was last read.';
COMMENT ON COLUMN analytics.project_sources.sprites IS 'Sprites, without the stage.';
COMMENT ON COLUMN analytics.project_sources.scripts IS 'Stacks of blocks and single blocks.';
COMMENT ON COLUMN analytics.project_sources.blocks IS 'Blocks; the fields and menus of a block are a part of it.';
COMMENT ON COLUMN analytics.project_sources.unreachable IS 'Blocks that no event leads to.';
COMMENT ON COLUMN analytics.project_sources.costumes IS 'Costumes and backdrops.';
COMMENT ON COLUMN analytics.project_sources.sounds IS 'Sounds.';
COMMENT ON COLUMN analytics.project_sources.variables IS 'Variables that are declared.';
COMMENT ON COLUMN analytics.project_sources.lists IS 'Lists that are declared.';
COMMENT ON COLUMN analytics.project_sources.broadcasts IS 'Messages that blocks name.';
COMMENT ON COLUMN analytics.project_sources.clones IS 'Blocks that create a clone.';
COMMENT ON COLUMN analytics.project_sources.custom_blocks IS 'Definitions of custom blocks.';
COMMENT ON COLUMN analytics.project_sources.duplicate_scripts IS 'Scripts that are the same as one before.';
COMMENT ON COLUMN analytics.project_sources.abstraction IS 'Score from 0 to 3.';
COMMENT ON COLUMN analytics.project_sources.parallelism IS 'Score from 0 to 3.';
COMMENT ON COLUMN analytics.project_sources.logic IS 'Score from 0 to 3.';
COMMENT ON COLUMN analytics.project_sources.synchronization IS 'Score from 0 to 3.';
COMMENT ON COLUMN analytics.project_sources.flow_control IS 'Score from 0 to 3.';
COMMENT ON COLUMN analytics.project_sources.user_interactivity IS 'Score from 0 to 3.';
COMMENT ON COLUMN analytics.project_sources.data_representation IS 'Score from 0 to 3.';
COMMENT ON COLUMN analytics.project_sources.score IS 'The sum of the seven scores, from 0 to 21.';

CREATE VIEW analytics.source_scores AS
SELECT
    date_trunc('month', u.joined_at AT TIME ZONE 'UTC')::date AS cohort,
    date_trunc('month', p.shared_at AT TIME ZONE 'UTC')::date AS month,
    p.parent_id IS NOT NULL AS is_remix,
    count(*)::integer AS projects,
    round(avg(s.score), 4) AS score,
    round(avg(s.abstraction), 4) AS abstraction,
    round(avg(s.parallelism), 4) AS parallelism,
    round(avg(s.logic), 4) AS logic,
    round(avg(s.synchronization), 4) AS synchronization,
    round(avg(s.flow_control), 4) AS flow_control,
    round(avg(s.user_interactivity), 4) AS user_interactivity,
    round(avg(s.data_representation), 4) AS data_representation,
    round(avg(s.blocks), 4) AS blocks
FROM analytics.project_sources s
JOIN scratch.projects p ON p.id = s.project_id
LEFT JOIN scratch.users u ON u.id = p.author_id
GROUP BY 1, 2, 3;

COMMENT ON VIEW analytics.source_scores IS
    'Means of scores and blocks by the month in which the author joined, the month in which the project was last shared, and whether it is a remix.';
COMMENT ON COLUMN analytics.source_scores.cohort IS
    'The first day of the month in which the author joined, in UTC; null where that is not known.';
COMMENT ON COLUMN analytics.source_scores.month IS
    'The first day of the month in which the project was last shared, in UTC; null where that is not known.';
COMMENT ON COLUMN analytics.source_scores.is_remix IS 'Whether the project states a parent, whose scripts it began with.';
COMMENT ON COLUMN analytics.source_scores.projects IS 'Projects whose source was read and worked out.';
COMMENT ON COLUMN analytics.source_scores.score IS 'Mean of the sum of the seven scores, from 0 to 21.';
COMMENT ON COLUMN analytics.source_scores.abstraction IS 'Mean score, from 0 to 3.';
COMMENT ON COLUMN analytics.source_scores.parallelism IS 'Mean score, from 0 to 3.';
COMMENT ON COLUMN analytics.source_scores.logic IS 'Mean score, from 0 to 3.';
COMMENT ON COLUMN analytics.source_scores.synchronization IS 'Mean score, from 0 to 3.';
COMMENT ON COLUMN analytics.source_scores.flow_control IS 'Mean score, from 0 to 3.';
COMMENT ON COLUMN analytics.source_scores.user_interactivity IS 'Mean score, from 0 to 3.';
COMMENT ON COLUMN analytics.source_scores.data_representation IS 'Mean score, from 0 to 3.';
COMMENT ON COLUMN analytics.source_scores.blocks IS 'Mean number of blocks.';

CREATE VIEW analytics.remix_changes AS
SELECT
    d.relation,
    date_trunc('month', p.shared_at AT TIME ZONE 'UTC')::date AS month,
    count(*)::integer AS remixes,
    (count(*) FILTER (WHERE d.untouched))::integer AS untouched,
    (count(*) FILTER (WHERE d.scripts_added > 0 OR d.scripts_removed > 0))::integer AS changed_scripts,
    (count(*) FILTER (WHERE d.assets_added > 0 OR d.assets_removed > 0))::integer AS changed_assets,
    sum(d.scripts_kept)::bigint AS scripts_kept,
    sum(d.scripts_added)::bigint AS scripts_added,
    sum(d.scripts_removed)::bigint AS scripts_removed,
    sum(d.assets_kept)::bigint AS assets_kept,
    sum(d.assets_added)::bigint AS assets_added,
    sum(d.assets_removed)::bigint AS assets_removed
FROM source.differences d
JOIN scratch.projects p ON p.id = d.project_id
GROUP BY 1, 2;

COMMENT ON VIEW analytics.remix_changes IS
    'What remixes changed, by the month in which they were last shared: of those that were read, as was what they were made of. Both are compared as they were last read.';
COMMENT ON COLUMN analytics.remix_changes.relation IS 'What they are compared with. Values: parent, root.';
COMMENT ON COLUMN analytics.remix_changes.month IS
    'The first day of the month in which the remix was last shared, in UTC; null where that is not known.';
COMMENT ON COLUMN analytics.remix_changes.remixes IS 'Remixes that could be compared.';
COMMENT ON COLUMN analytics.remix_changes.untouched IS 'Those of which nothing differs.';
COMMENT ON COLUMN analytics.remix_changes.changed_scripts IS 'Those that have another script, or lack one.';
COMMENT ON COLUMN analytics.remix_changes.changed_assets IS 'Those that have another costume or sound, or lack one.';
COMMENT ON COLUMN analytics.remix_changes.scripts_kept IS 'Scripts that both have, of all remixes.';
COMMENT ON COLUMN analytics.remix_changes.scripts_added IS 'Scripts that the remixes alone have.';
COMMENT ON COLUMN analytics.remix_changes.scripts_removed IS 'Scripts that the remixes lack.';
COMMENT ON COLUMN analytics.remix_changes.assets_kept IS 'Costumes and sounds that both have.';
COMMENT ON COLUMN analytics.remix_changes.assets_added IS 'Costumes and sounds that the remixes alone have.';
COMMENT ON COLUMN analytics.remix_changes.assets_removed IS 'Costumes and sounds that the remixes lack.';

CREATE VIEW analytics.asset_reuse AS
SELECT
    a.kind,
    a.file,
    count(*)::integer AS projects,
    (count(*) FILTER (WHERE p.parent_id IS NULL))::integer AS originals,
    count(DISTINCT p.author_id)::integer AS authors,
    sum(a.count)::bigint AS uses
FROM analytics.project_sources s
JOIN source.assets a ON a.body_sha256 = s.body_sha256
JOIN scratch.projects p ON p.id = s.project_id
GROUP BY 1, 2;

COMMENT ON VIEW analytics.asset_reuse IS
    'How many projects have each costume and sound, in the versions that were last read. It looks at all of them.';
COMMENT ON COLUMN analytics.asset_reuse.kind IS 'What it is. Values: costume, sound.';
COMMENT ON COLUMN analytics.asset_reuse.file IS 'The MD5 of its bytes, with an extension.';
COMMENT ON COLUMN analytics.asset_reuse.projects IS 'Projects that have it.';
COMMENT ON COLUMN analytics.asset_reuse.originals IS 'Those of them that are no remixes: they did not inherit it.';
COMMENT ON COLUMN analytics.asset_reuse.authors IS 'Authors of these projects, as far as they are known.';
COMMENT ON COLUMN analytics.asset_reuse.uses IS 'How often these projects have it.';
