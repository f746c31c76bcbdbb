-- When the data was read, and whether everything was. A sweep takes hours, so it has a begin and
-- an end. `sync_runs` has both; without it, the times of reading of the profiles have to do.
with

-- A sweep that was interrupted began in an earlier run.
runs as (
    select
        history.stream,
        history.run_id,
        history.shard,
        cast({{ dbt.split_part('history.shard', "'/'", 1) }} as bigint) as shard_number,
        cast({{ dbt.split_part('history.shard', "'/'", 2) }} as bigint) as shards,
        history.begun_at as run_begun_at,
        coalesce(history.sweep_started_at, history.begun_at) as begun_at,
        history.ended_at,
        history.is_complete,
        history.incomplete_reason,
        coalesce(history.sweep_members, 'all') as sweep_members
    from {{ ref('stg_crowdtwist__sync_runs') }} as history
    where
        history.stream in (
            'users', 'user_activity_history', 'points_expiration', 'redemptions', 'purchases'
        )
),

by_age as (
    select
        runs.stream,
        runs.shards,
        row_number() over (
            partition by runs.stream order by runs.run_begun_at desc, runs.run_id asc
        ) as age
    from runs
),

-- Runs of another number of shards are of the past.
current_runs as (
    select
        runs.*,
        row_number() over (
            partition by runs.stream, runs.shard_number
            order by runs.run_begun_at desc, runs.run_id asc
        ) as age
    from runs
    inner join by_age on runs.stream = by_age.stream and runs.shards = by_age.shards
    where by_age.age = 1
),

newest as (
    select current_runs.*
    from current_runs
    where current_runs.age = 1
),

full_sweeps as (
    select
        current_runs.stream,
        current_runs.shard_number,
        max(current_runs.begun_at) as begun_at
    from current_runs
    where current_runs.sweep_members = 'all'
    group by current_runs.stream, current_runs.shard_number
),

-- Read once, since the history is long.
readings as materialized (
    select
        max(extracted.extracted_at) as ended_at,
        min(case when extracted.stream = 'users' then extracted.extracted_at end) as begun_at
    from (
        select
            'users' as stream,
            users.extracted_at
        from {{ ref('stg_crowdtwist__users') }} as users
        union all
        select
            'user_activity_history' as stream,
            history.extracted_at
        from {{ ref('stg_crowdtwist__user_activity_history') }} as history
        union all
        select
            'points_expiration' as stream,
            expirations.extracted_at
        from {{ ref('stg_crowdtwist__points_expiration') }} as expirations
        union all
        select
            'redemptions' as stream,
            redemptions.extracted_at
        from {{ ref('stg_crowdtwist__redemptions') }} as redemptions
        union all
        select
            'purchases' as stream,
            purchases.extracted_at
        from {{ ref('stg_crowdtwist__purchases') }} as purchases
    ) as extracted
),

recorded as (
    select
        count(*) as runs,
        min(coalesce(full_sweeps.begun_at, newest.begun_at)) as begun_at,
        max(newest.ended_at) as ended_at
    from newest
    left join full_sweeps
        on newest.stream = full_sweeps.stream and newest.shard_number = full_sweeps.shard_number
),

problems as (
    select
        newest.stream,
        newest.shard_number,
        newest.stream || case when newest.shards > 1 then ', shard ' || newest.shard else '' end
        || ': ' || coalesce(newest.incomplete_reason, 'the run gives no reason') as reason
    from newest
    where newest.is_complete is not true
    union all
    select
        newest.stream,
        0 as shard_number,
        newest.stream || ': ' || cast(count(*) as text) || ' of '
        || cast(newest.shards as text) || ' shards have been read' as reason
    from newest
    group by newest.stream, newest.shards
    having count(*) < newest.shards
    union all
    select
        newest.stream,
        newest.shard_number,
        newest.stream || case when newest.shards > 1 then ', shard ' || newest.shard else '' end
        || ': no sweep of all members is recorded' as reason
    from newest
    left join full_sweeps
        on newest.stream = full_sweeps.stream and newest.shard_number = full_sweeps.shard_number
    where full_sweeps.begun_at is null
    union all
    -- A run that was killed leaves rows, but no line in `sync_runs`.
    select
        'zz' as stream,
        0 as shard_number,
        'rows were read after the newest run in sync_runs: a run was killed or still goes on, '
        || 'or sync_runs is no longer selected' as reason
    from readings
    cross join recorded
    where readings.ended_at > recorded.ended_at
),

numbered_problems as (
    select
        problems.reason,
        row_number() over (
            order by problems.stream, problems.shard_number, problems.reason
        ) as place,
        count(*) over () as problems
    from problems
),

summary as (
    select
        case when recorded.runs > 0 then recorded.begun_at else readings.begun_at end as begun_at,
        greatest(recorded.ended_at, readings.ended_at) as ended_at,
        case when recorded.runs > 0 then numbered_problems.reason is null end as is_complete,
        numbered_problems.reason
        || case
            when numbered_problems.problems > 1
                then ' (and ' || cast(numbered_problems.problems - 1 as text) || ' more)'
            else ''
        end as incomplete_reason,
        case when recorded.runs > 0 then 'sync_runs' else 'extraction times' end as source
    from recorded
    cross join readings
    left join numbered_problems on numbered_problems.place = 1
)

select
    {{ crowdtwist.local_day('summary.ended_at') }} as day,
    summary.begun_at,
    summary.ended_at,
    summary.is_complete,
    summary.incomplete_reason,
    summary.source
from summary
