with recursive

cohorts as (
    select
        members.joined_month,
        count(*) as members
    from {{ ref('members') }} as members
    where members.joined_month is not null
    group by members.joined_month
),

bounds as (
    select
        (select min(cohorts.joined_month) from cohorts) as first_month,
        (
            select {{ crowdtwist.month_of('as_of.day') }}
            from {{ ref('as_of') }} as as_of
        ) as last_month
),

months as (
    select bounds.first_month as month
    from bounds
    where bounds.first_month <= bounds.last_month
    union all
    select cast(months.month + interval '1 month' as date) as month
    from months
    inner join bounds on months.month < bounds.last_month
),

active as (
    select
        members.joined_month,
        {{ crowdtwist.month_of('days.day') }} as month,
        count(distinct days.user_id) as members
    from {{ ref('int_crowdtwist__active_days') }} as days
    inner join {{ ref('members') }} as members on days.user_id = members.user_id
    group by members.joined_month, {{ crowdtwist.month_of('days.day') }}
)

select
    cohorts.joined_month,
    cast(
        (extract(year from months.month) - extract(year from cohorts.joined_month)) * 12
        + extract(month from months.month) - extract(month from cohorts.joined_month) as bigint
    ) as months_since,
    cohorts.members,
    coalesce(active.members, 0) as active_members,
    {{ crowdtwist.safe_ratio('coalesce(active.members, 0)', 'cohorts.members') }} as retention
from cohorts
inner join months on cohorts.joined_month <= months.month
left join active
    on cohorts.joined_month = active.joined_month and months.month = active.month
