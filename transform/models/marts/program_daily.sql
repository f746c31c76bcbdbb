with

movements as (
    select
        daily.day,
        count(case when daily.earned > 0 then 1 end) as earning_members,
        count(case when daily.redeemed < 0 then 1 end) as redeeming_members,
        count(case when daily.deducted < 0 then 1 end) as deducting_members,
        count(case when daily.expired < 0 then 1 end) as expiring_members,
        count(case when daily.unexplained <> 0 then 1 end) as unexplained_members,
        sum(daily.earned) as earned,
        sum(daily.deducted) as deducted,
        sum(daily.redeemed) as redeemed,
        sum(daily.expired) as expired,
        sum(daily.unexplained) as unexplained
    from {{ ref('points_daily') }} as daily
    group by daily.day
),

joinings as (
    select
        coalesce({{ crowdtwist.local_day('members.joined_at') }}, as_of.day) as day,
        count(*) as joined
    from {{ ref('members') }} as members
    cross join {{ ref('as_of') }} as as_of
    group by coalesce({{ crowdtwist.local_day('members.joined_at') }}, as_of.day)
),

active as (
    select
        active_days.day,
        count(*) as members
    from {{ ref('int_crowdtwist__active_days') }} as active_days
    group by active_days.day
),

days as (
    select movements.day from movements
    union distinct
    select joinings.day from joinings
    union distinct
    select active.day from active
),

changes as (
    select
        days.day,
        coalesce(joinings.joined, 0) as joined,
        coalesce(active.members, 0) as active_members,
        coalesce(movements.earning_members, 0) as earning_members,
        coalesce(movements.redeeming_members, 0) as redeeming_members,
        coalesce(movements.deducting_members, 0) as deducting_members,
        coalesce(movements.expiring_members, 0) as expiring_members,
        coalesce(movements.unexplained_members, 0) as unexplained_members,
        cast(coalesce(movements.earned, 0) as bigint) as earned,
        cast(coalesce(movements.deducted, 0) as bigint) as deducted,
        cast(coalesce(movements.redeemed, 0) as bigint) as redeemed,
        cast(coalesce(movements.expired, 0) as bigint) as expired,
        cast(coalesce(movements.unexplained, 0) as bigint) as unexplained
    from days
    left join joinings on days.day = joinings.day
    left join active on days.day = active.day
    left join movements on days.day = movements.day
),

closings as (
    select
        changes.*,
        changes.earned + changes.deducted + changes.redeemed + changes.expired
        + changes.unexplained as movement,
        cast(sum(changes.joined) over (order by changes.day) as bigint) as members,
        cast(
            sum(
                changes.earned + changes.deducted + changes.redeemed + changes.expired
                + changes.unexplained
            ) over (order by changes.day) as bigint
        ) as closing
    from changes
)

select
    closings.day,
    closings.joined,
    closings.members,
    closings.active_members,
    closings.earning_members,
    closings.redeeming_members,
    closings.deducting_members,
    closings.expiring_members,
    closings.unexplained_members,
    closings.closing - closings.movement as opening,
    closings.earned,
    closings.deducted,
    closings.redeemed,
    closings.expired,
    closings.unexplained,
    closings.closing,
    {{ crowdtwist.safe_ratio('-closings.redeemed', 'closings.earned') }} as redemption_rate
from closings
