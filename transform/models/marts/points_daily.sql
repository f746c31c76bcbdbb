with

movements as (
    select
        ledger.user_id,
        ledger.day,
        sum(case when ledger.kind = 'earned' then ledger.points else 0 end) as earned,
        sum(case when ledger.kind = 'deducted' then ledger.points else 0 end) as deducted,
        sum(case when ledger.kind = 'redeemed' then ledger.points else 0 end) as redeemed,
        sum(case when ledger.kind = 'expired' then ledger.points else 0 end) as expired
    from {{ ref('points_ledger') }} as ledger
    group by ledger.user_id, ledger.day
),

totals as (
    select
        movements.user_id,
        min(movements.day) as first_day,
        sum(movements.earned + movements.deducted + movements.redeemed + movements.expired)
            as points
    from movements
    group by movements.user_id
),

-- What the ledger does not explain of the balance was there, or was lost, before what is loaded
-- begins. It stands on one day and is not spread over others.
differences as (
    select
        users.id as user_id,
        coalesce(
            least({{ crowdtwist.local_day('users.date_created') }}, totals.first_day), as_of.day
        ) as day,
        users.redeemable_points - coalesce(totals.points, 0) as unexplained
    from {{ ref('stg_crowdtwist__users') }} as users
    cross join {{ ref('as_of') }} as as_of
    left join totals on users.id = totals.user_id
    where users.redeemable_points <> coalesce(totals.points, 0)
),

keys as (
    select
        movements.user_id,
        movements.day
    from movements
    union
    select
        differences.user_id,
        differences.day
    from differences
),

changes as (
    select
        keys.user_id,
        keys.day,
        cast(coalesce(movements.earned, 0) as bigint) as earned,
        cast(coalesce(movements.deducted, 0) as bigint) as deducted,
        cast(coalesce(movements.redeemed, 0) as bigint) as redeemed,
        cast(coalesce(movements.expired, 0) as bigint) as expired,
        cast(coalesce(differences.unexplained, 0) as bigint) as unexplained
    from keys
    left join movements on keys.user_id = movements.user_id and keys.day = movements.day
    left join differences on keys.user_id = differences.user_id and keys.day = differences.day
),

sums as (
    select
        changes.*,
        changes.earned + changes.deducted + changes.redeemed + changes.expired
        + changes.unexplained as change
    from changes
),

balances as (
    select
        sums.*,
        cast(
            sum(sums.change) over (
                partition by sums.user_id order by sums.day rows unbounded preceding
            ) as bigint
        ) as closing
    from sums
)

select
    balances.user_id,
    balances.day,
    balances.closing - balances.change as opening,
    balances.earned,
    balances.deducted,
    balances.redeemed,
    balances.expired,
    balances.unexplained,
    balances.closing
from balances
