-- After the last day, the program holds the points that its members hold.
with

last_day as (
    select daily.closing
    from {{ ref('program_daily') }} as daily
    where daily.day = (select max(newest.day) from {{ ref('program_daily') }} as newest)
),

balances as (
    select
        coalesce(
            sum(
                coalesce(
                    members.balance,
                    members.earned + members.deducted + members.redeemed + members.expired
                    + members.unexplained
                )
            ), 0
        ) as points
    from {{ ref('members') }} as members
)

select
    last_day.closing,
    balances.points as balance
from last_day
cross join balances
where last_day.closing <> balances.points
