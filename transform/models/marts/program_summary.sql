{%- do crowdtwist.check_variables() -%}
with

totals as (
    select
        count(*) as members,
        count(case when members.status = 'active' then 1 end) as active_members,
        count(case when members.status = 'dormant' then 1 end) as dormant_members,
        count(case when members.status = 'never_activated' then 1 end) as never_activated_members,
        cast(coalesce(sum(members.balance), 0) as bigint) as balance,
        cast(coalesce(sum(members.lifetime_points), 0) as bigint) as lifetime_points,
        cast(coalesce(sum(members.earned), 0) as bigint) as earned,
        cast(coalesce(sum(members.deducted), 0) as bigint) as deducted,
        cast(coalesce(sum(members.redeemed), 0) as bigint) as redeemed,
        cast(coalesce(sum(members.expired), 0) as bigint) as expired,
        cast(coalesce(sum(members.unexplained), 0) as bigint) as unexplained
    from {{ ref('members') }} as members
)

select
    as_of.day,
    as_of.begun_at,
    as_of.ended_at,
    as_of.is_complete,
    as_of.incomplete_reason,
    totals.members,
    totals.active_members,
    totals.dormant_members,
    totals.never_activated_members,
    totals.balance,
    totals.lifetime_points,
    totals.earned,
    totals.deducted,
    totals.redeemed,
    totals.expired,
    totals.unexplained,
    cast({{ var('activity_days') }} as bigint) as activity_days,
    cast('{{ var("timezone") }}' as text) as timezone,
    cast({{ crowdtwist.text_variable('currency') }} as text) as currency,
    liability.point_value,
    liability.expected_redemption_rate,
    liability.rate_source,
    liability.expected_redeemed,
    liability.breakage,
    liability.amount
from totals
cross join {{ ref('as_of') }} as as_of
cross join {{ ref('int_crowdtwist__liability_total') }} as liability
