with

totals as (
    select
        {{ crowdtwist.month_of('daily.day') }} as month,
        cast(sum(daily.joined) as bigint) as joined,
        cast(sum(daily.earned) as bigint) as earned,
        cast(sum(daily.deducted) as bigint) as deducted,
        cast(sum(daily.redeemed) as bigint) as redeemed,
        cast(sum(daily.expired) as bigint) as expired,
        cast(sum(daily.unexplained) as bigint) as unexplained
    from {{ ref('program_daily') }} as daily
    group by {{ crowdtwist.month_of('daily.day') }}
),

-- A member counts once in a month, so days do not add up here.
movers as (
    select
        {{ crowdtwist.month_of('daily.day') }} as month,
        count(distinct case when daily.earned > 0 then daily.user_id end) as earning_members,
        count(distinct case when daily.redeemed < 0 then daily.user_id end) as redeeming_members,
        count(distinct case when daily.deducted < 0 then daily.user_id end) as deducting_members,
        count(distinct case when daily.expired < 0 then daily.user_id end) as expiring_members,
        count(distinct case when daily.unexplained <> 0 then daily.user_id end)
            as unexplained_members
    from {{ ref('points_daily') }} as daily
    group by {{ crowdtwist.month_of('daily.day') }}
),

active as (
    select
        {{ crowdtwist.month_of('active_days.day') }} as month,
        count(distinct active_days.user_id) as members
    from {{ ref('int_crowdtwist__active_days') }} as active_days
    group by {{ crowdtwist.month_of('active_days.day') }}
),

changes as (
    select
        totals.month,
        totals.joined,
        coalesce(active.members, 0) as active_members,
        coalesce(movers.earning_members, 0) as earning_members,
        coalesce(movers.redeeming_members, 0) as redeeming_members,
        coalesce(movers.deducting_members, 0) as deducting_members,
        coalesce(movers.expiring_members, 0) as expiring_members,
        coalesce(movers.unexplained_members, 0) as unexplained_members,
        totals.earned,
        totals.deducted,
        totals.redeemed,
        totals.expired,
        totals.unexplained
    from totals
    left join movers on totals.month = movers.month
    left join active on totals.month = active.month
),

closings as (
    select
        changes.*,
        changes.earned + changes.deducted + changes.redeemed + changes.expired
        + changes.unexplained as movement,
        cast(sum(changes.joined) over (order by changes.month) as bigint) as members,
        cast(
            sum(
                changes.earned + changes.deducted + changes.redeemed + changes.expired
                + changes.unexplained
            ) over (order by changes.month) as bigint
        ) as closing
    from changes
)

select
    closings.month,
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
