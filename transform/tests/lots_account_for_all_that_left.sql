-- Lots have every redemption, deduction and expiry of a member whose balance is not below zero.
with

lots as (
    select
        points_lots.user_id,
        sum(points_lots.redeemed) as redeemed,
        sum(points_lots.deducted) as deducted,
        sum(points_lots.expired) as expired
    from {{ ref('points_lots') }} as points_lots
    group by points_lots.user_id
)

select members.user_id
from {{ ref('members') }} as members
left join lots on members.user_id = lots.user_id
where
    members.earned + members.deducted + members.redeemed + members.expired
    + members.unexplained >= 0
    and (
        coalesce(lots.redeemed, 0) <> -members.redeemed
        or coalesce(lots.deducted, 0) <> -members.deducted
        or coalesce(lots.expired, 0) <> -members.expired
    )
