{%- do crowdtwist.check_variables() -%}
with

lines as (
    select
        redemptions.reward_id,
        coalesce(redemptions.reward_title, redemptions.title) as reward,
        redemptions.user_id,
        coalesce(redemptions.quantity, 0) as quantity,
        coalesce(redemptions.total_points_redeemed, 0) as points,
        redemptions.order_date,
        {{ crowdtwist.local_day('redemptions.order_date') }}
        > as_of.day - {{ var('activity_days') }} as is_recent
    from {{ ref('stg_crowdtwist__redemptions') }} as redemptions
    cross join {{ ref('as_of') }} as as_of
    where redemptions.reward_id is not null
),

totals as (
    select
        lines.reward_id,
        count(*) as redemptions,
        cast(sum(lines.quantity) as bigint) as quantity,
        count(distinct lines.user_id) as members,
        cast(sum(lines.points) as bigint) as points,
        count(case when lines.is_recent then 1 end) as recent_redemptions,
        count(distinct case when lines.is_recent then lines.user_id end) as recent_members,
        cast(
            sum(case when lines.is_recent then lines.points else 0 end) as bigint
        ) as recent_points,
        min(lines.order_date) as first_at,
        max(lines.order_date) as last_at
    from lines
    group by lines.reward_id
),

names as (
    select
        lines.reward_id,
        lines.reward,
        row_number() over (
            partition by lines.reward_id
            order by
                max(lines.order_date) desc nulls last,
                {{ crowdtwist.bytewise('lines.reward') }}
        ) as place
    from lines
    where lines.reward is not null
    group by lines.reward_id, lines.reward
),

listed as (
    select
        rewards.id,
        rewards.title,
        rewards.current_quantity,
        rewards.extracted_at = max(rewards.extracted_at) over () as is_listed
    from {{ ref('stg_crowdtwist__rewards') }} as rewards
)

select
    totals.reward_id,
    coalesce(listed.title, names.reward) as reward,
    coalesce(listed.is_listed, false) as is_listed,
    totals.redemptions,
    totals.quantity,
    totals.members,
    totals.points,
    totals.recent_redemptions,
    totals.recent_members,
    totals.recent_points,
    listed.current_quantity,
    totals.first_at,
    totals.last_at
from totals
left join names on totals.reward_id = names.reward_id and names.place = 1
left join listed on totals.reward_id = listed.id
