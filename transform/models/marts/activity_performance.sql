{%- do crowdtwist.check_variables() -%}
with

lines as (
    select
        history.activity_id,
        history.activity_name,
        history.user_id,
        history.points,
        history.occurred_at,
        history.day > as_of.day - {{ var('activity_days') }} as is_recent
    from {{ ref('int_crowdtwist__history_lines') }} as history
    cross join {{ ref('as_of') }} as as_of
    where history.activity_id is not null and history.kind in ('earned', 'none')
),

totals as (
    select
        lines.activity_id,
        count(*) as completions,
        count(distinct lines.user_id) as members,
        cast(sum(lines.points) as bigint) as points,
        count(case when lines.is_recent then 1 end) as recent_completions,
        count(distinct case when lines.is_recent then lines.user_id end) as recent_members,
        cast(
            sum(case when lines.is_recent then lines.points else 0 end) as bigint
        ) as recent_points,
        min(lines.occurred_at) as first_at,
        max(lines.occurred_at) as last_at
    from lines
    group by lines.activity_id
),

names as (
    select
        lines.activity_id,
        lines.activity_name,
        row_number() over (
            partition by lines.activity_id
            order by max(lines.occurred_at) desc, {{ crowdtwist.bytewise('lines.activity_name') }}
        ) as place
    from lines
    where lines.activity_name is not null
    group by lines.activity_id, lines.activity_name
),

listed as (
    select
        activities.id,
        coalesce(activities.title, activities.name) as activity,
        activities.category_name,
        activities.type_name,
        activities.extracted_at = max(activities.extracted_at) over () as is_listed
    from {{ ref('stg_crowdtwist__activities') }} as activities
)

select
    totals.activity_id,
    coalesce(listed.activity, names.activity_name) as activity,
    listed.category_name as category,
    listed.type_name as type,
    coalesce(listed.is_listed, false) as is_listed,
    totals.completions,
    totals.members,
    totals.points,
    totals.recent_completions,
    totals.recent_members,
    totals.recent_points,
    totals.first_at,
    totals.last_at
from totals
left join names on totals.activity_id = names.activity_id and names.place = 1
left join listed on totals.activity_id = listed.id
