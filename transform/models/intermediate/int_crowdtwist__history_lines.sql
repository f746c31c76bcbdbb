{{ config(materialized='table') }}

-- Every line of the activity history of the current members, and what kind of line it is.
--
-- The history marks a redemption only by points that are not positive, and so it marks what staff
-- deduct and what a returned purchase costs. A line is taken for a redemption if an order of the
-- same member, day and points can be paired with it: the first with the first, and so on.
with

lines as (
    select
        history.id as line_id,
        history.user_id,
        history.num_points,
        history.activity_id,
        history.date_awarded as awarded_at,
        coalesce(history.activity_name, history.name) as activity_name,
        coalesce(
            history.date_created, history.date_awarded, history.activity_date, history.extracted_at
        ) as occurred_at
    from {{ ref('stg_crowdtwist__user_activity_history') }} as history
    inner join {{ ref('stg_crowdtwist__users') }} as users on history.user_id = users.id
),

days as (
    select
        lines.*,
        {{ crowdtwist.local_day('lines.occurred_at') }} as day
    from lines
),

numbered_lines as (
    select
        days.line_id,
        days.user_id,
        days.day,
        days.num_points,
        row_number() over (
            partition by days.user_id, days.day, days.num_points
            order by days.occurred_at, days.line_id
        ) as occurrence
    from days
    where days.num_points <= 0
),

numbered_shares as (
    select
        shares.redemption_id,
        shares.user_id,
        shares.day,
        shares.points,
        row_number() over (
            partition by shares.user_id, shares.day, shares.points
            order by shares.redeemed_at, shares.redemption_id
        ) as occurrence
    from {{ ref('int_crowdtwist__redemption_shares') }} as shares
    where shares.points >= 0
),

paired as (
    select
        numbered_lines.line_id,
        numbered_shares.redemption_id
    from numbered_lines
    inner join numbered_shares
        on
            numbered_lines.user_id = numbered_shares.user_id
            and numbered_lines.day = numbered_shares.day
            and numbered_lines.num_points = -numbered_shares.points
            and numbered_lines.occurrence = numbered_shares.occurrence
),

loaded_redemptions as (
    select count(*) as orders
    from {{ ref('stg_crowdtwist__redemptions') }}
)

select
    days.line_id,
    days.user_id,
    days.day,
    days.occurred_at,
    days.awarded_at,
    case
        when days.num_points > 0 then 'earned'
        when paired.redemption_id is not null then 'redeemed'
        when days.num_points < 0 and loaded_redemptions.orders = 0 then 'redeemed'
        when days.num_points < 0 then 'deducted'
        else 'none'
    end as kind,
    coalesce(days.num_points, 0) as points,
    days.activity_id,
    days.activity_name,
    paired.redemption_id
from days
left join paired on days.line_id = paired.line_id
cross join loaded_redemptions
