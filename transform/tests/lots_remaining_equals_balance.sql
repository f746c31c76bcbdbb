-- What is left in a member's lots is the balance, or nothing if that is below zero.
with

lots as (
    select
        points_lots.user_id,
        sum(points_lots.remaining) as remaining
    from {{ ref('points_lots') }} as points_lots
    group by points_lots.user_id
),

balances as (
    select
        members.user_id,
        coalesce(
            members.balance,
            members.earned + members.deducted + members.redeemed + members.expired
            + members.unexplained
        ) as balance
    from {{ ref('members') }} as members
)

select
    balances.user_id,
    balances.balance,
    lots.remaining
from balances
left join lots on balances.user_id = lots.user_id
where greatest(balances.balance, 0) <> coalesce(lots.remaining, 0)
