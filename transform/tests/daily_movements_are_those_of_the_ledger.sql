with

booked as (
    select
        ledger.user_id,
        ledger.day,
        sum(ledger.points) as points,
        sum(case when ledger.kind = 'earned' then ledger.points else 0 end) as earned,
        sum(case when ledger.kind = 'expired' then ledger.points else 0 end) as expired,
        sum(case when ledger.kind = 'redeemed' then ledger.points else 0 end) as redeemed
    from {{ ref('points_ledger') }} as ledger
    group by ledger.user_id, ledger.day
)

select
    coalesce(booked.user_id, daily.user_id) as user_id,
    coalesce(booked.day, daily.day) as day,
    booked.points as points_in_ledger,
    daily.earned + daily.deducted + daily.redeemed + daily.expired as points_in_daily
from booked
full outer join {{ ref('points_daily') }} as daily
    on booked.user_id = daily.user_id and booked.day = daily.day
where
    coalesce(booked.points, 0)
    <> coalesce(daily.earned + daily.deducted + daily.redeemed + daily.expired, 0)
    or coalesce(booked.earned, 0) <> coalesce(daily.earned, 0)
    or coalesce(booked.expired, 0) <> coalesce(daily.expired, 0)
    or coalesce(booked.redeemed, 0) <> coalesce(daily.redeemed, 0)
