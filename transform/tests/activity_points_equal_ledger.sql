-- Activities gave out what members earned. Redemptions and deductions are no activities.
with

activities as (
    select coalesce(sum(performance.points), 0) as points
    from {{ ref('activity_performance') }} as performance
),

ledger as (
    select coalesce(sum(points_ledger.points), 0) as points
    from {{ ref('points_ledger') }} as points_ledger
    where points_ledger.kind = 'earned' and points_ledger.activity_id is not null
)

select
    activities.points as points_of_activities,
    ledger.points as points_earned
from activities
cross join ledger
where activities.points <> ledger.points
