with

activities as (
    select
        history_lines.user_id,
        count(*) as activities,
        sum(
            case
                when
                    {{ dbt.datediff('history_lines.day', 'as_of.day', 'day') }}
                    < {{ var('activity_days') }}
                    then 1
                else 0
            end
        ) as recent_activities,
        min(history_lines.occurred_at) as first_activity_at,
        max(history_lines.occurred_at) as last_activity_at,
        max(history_lines.day) as last_day
    from {{ ref('int_crowdtwist__history_lines') }} as history_lines
    cross join {{ ref('as_of') }} as as_of
    where history_lines.kind <> 'deducted'
    group by history_lines.user_id
),

points as (
    select
        daily.user_id,
        sum(daily.earned) as earned,
        sum(daily.deducted) as deducted,
        sum(daily.redeemed) as redeemed,
        sum(daily.expired) as expired,
        sum(daily.unexplained) as unexplained
    from {{ ref('points_daily') }} as daily
    group by daily.user_id
),

orders as (
    select
        redemptions.user_id,
        count(*) as redemptions,
        max(redemptions.order_date) as last_redeemed_at
    from {{ ref('stg_crowdtwist__redemptions') }} as redemptions
    group by redemptions.user_id
),

purchases as (
    select
        bought.user_id,
        count(*) as purchases,
        sum(bought.purchase_total) as purchase_total
    from {{ ref('stg_crowdtwist__purchases') }} as bought
    group by bought.user_id
),

expiring_days as (
    select
        expiring_points.user_id,
        expiring_points.expires_on,
        expiring_points.rule_type,
        sum(expiring_points.points) as points
    from {{ ref('int_crowdtwist__points_expiring') }} as expiring_points
    group by
        expiring_points.user_id, expiring_points.expires_on, expiring_points.rule_type
),

-- The earlier date of the two rules; on the same date, the rule that takes more.
expiries as (
    select
        expiring_days.*,
        row_number() over (
            partition by expiring_days.user_id
            order by
                expiring_days.expires_on asc, expiring_days.points desc, expiring_days.rule_type asc
        ) as place
    from expiring_days
),

profiles as (
    select
        users.id as user_id,
        users.date_created as joined_at,
        {{ crowdtwist.month_of(crowdtwist.local_day('users.date_created')) }} as joined_month,
        users.is_active as is_active_account,
        {{ crowdtwist.tier_title() }} as tier,
        {{ crowdtwist.json_value('users.tier_info', ['current_level', 'title']) }} as level_title,
        {{ crowdtwist.json_integer('users.tier_info', ['current_level', 'min_value']) }}
            as level_floor,
        {{ crowdtwist.json_value('users.tier_info', ['next_level', 'title']) }} as next_tier,
        {{ crowdtwist.json_integer('users.tier_info', ['score_needed_to_reach']) }}
            as points_to_next_tier,
        users.redeemable_points as balance,
        users.total_points as lifetime_points,
        users.extracted_at as read_at
    from {{ ref('stg_crowdtwist__users') }} as users
)

select
    profiles.user_id,
    profiles.joined_at,
    profiles.joined_month,
    profiles.is_active_account,
    profiles.tier,
    -- The lowest tier has no minimum; a tier that only `fan_level` names has an unknown one.
    case when profiles.level_title is not null then coalesce(profiles.level_floor, 0) end
        as tier_floor,
    profiles.next_tier,
    profiles.points_to_next_tier,
    profiles.balance,
    profiles.lifetime_points,
    cast(coalesce(points.earned, 0) as bigint) as earned,
    cast(coalesce(points.deducted, 0) as bigint) as deducted,
    cast(coalesce(points.redeemed, 0) as bigint) as redeemed,
    cast(coalesce(points.expired, 0) as bigint) as expired,
    cast(coalesce(points.unexplained, 0) as bigint) as unexplained,
    activities.first_activity_at,
    activities.last_activity_at,
    cast({{ dbt.datediff('activities.last_day', 'as_of.day', 'day') }} as bigint)
        as days_since_activity,
    coalesce(activities.activities, 0) as activities,
    cast(coalesce(activities.recent_activities, 0) as bigint) as recent_activities,
    coalesce(orders.redemptions, 0) as redemptions,
    orders.last_redeemed_at,
    coalesce(purchases.purchases, 0) as purchases,
    cast(coalesce(purchases.purchase_total, 0) as numeric(18, 2)) as purchase_total,
    case
        when activities.activities is null then 'never_activated'
        when activities.recent_activities > 0 then 'active'
        else 'dormant'
    end as status,
    expiries.expires_on as next_expiry_on,
    cast(expiries.points as bigint) as next_expiry_points,
    expiries.rule_type as next_expiry_rule,
    profiles.read_at
from profiles
cross join {{ ref('as_of') }} as as_of
left join points on profiles.user_id = points.user_id
left join activities on profiles.user_id = activities.user_id
left join orders on profiles.user_id = orders.user_id
left join purchases on profiles.user_id = purchases.user_id
left join expiries on profiles.user_id = expiries.user_id and expiries.place = 1
