-- The points that each member gave for an order. The order of a household names the share of
-- each member; any other order is one member's alone.
with

household_shares as (
    select
        redemptions.id,
        redemptions.order_date,
        {{ crowdtwist.json_elements('redemptions.household_breakdown') }} as share
    from {{ ref('stg_crowdtwist__redemptions') }} as redemptions
),

shares as (
    select
        household_shares.id as redemption_id,
        household_shares.order_date,
        {{ crowdtwist.json_integer('household_shares.share', ['user_id']) }} as user_id,
        {{ crowdtwist.json_integer('household_shares.share', ['num_points']) }} as points
    from household_shares
),

orders_of_one as (
    select
        redemptions.id as redemption_id,
        redemptions.order_date,
        redemptions.user_id,
        redemptions.total_points_redeemed as points
    from {{ ref('stg_crowdtwist__redemptions') }} as redemptions
    where
        not exists (
            select 1
            from shares
            where shares.redemption_id = redemptions.id and shares.user_id is not null
        )
),

all_shares as (
    select
        shares.redemption_id,
        shares.order_date,
        shares.user_id,
        sum(shares.points) as points
    from shares
    where shares.user_id is not null
    group by shares.redemption_id, shares.order_date, shares.user_id
    union all
    select
        orders_of_one.redemption_id,
        orders_of_one.order_date,
        orders_of_one.user_id,
        orders_of_one.points
    from orders_of_one
)

select
    all_shares.redemption_id,
    all_shares.user_id,
    all_shares.order_date as redeemed_at,
    {{ crowdtwist.local_day('all_shares.order_date') }} as day,
    cast(all_shares.points as bigint) as points
from all_shares
