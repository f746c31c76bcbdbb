with

days as (
    select
        daily.user_id,
        daily.closing,
        row_number() over (partition by daily.user_id order by daily.day desc) as age
    from {{ ref('points_daily') }} as daily
)

select
    users.id as user_id,
    users.redeemable_points as balance,
    days.closing
from {{ ref('stg_crowdtwist__users') }} as users
left join days on users.id = days.user_id and days.age = 1
where users.redeemable_points <> coalesce(days.closing, 0)
