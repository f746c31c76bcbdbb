with

expected as (
    select
        history.id as line_id,
        history.num_points as points
    from {{ ref('stg_crowdtwist__user_activity_history') }} as history
    inner join {{ ref('stg_crowdtwist__users') }} as users on history.user_id = users.id
    where history.num_points <> 0
),

booked as (
    select
        ledger.line_id,
        count(*) as occurrences,
        sum(ledger.points) as points
    from {{ ref('points_ledger') }} as ledger
    where ledger.kind <> 'expired'
    group by ledger.line_id
)

select
    coalesce(expected.line_id, booked.line_id) as line_id,
    expected.points as points_in_history,
    booked.points as points_in_ledger,
    coalesce(booked.occurrences, 0) as occurrences
from expected
full outer join booked on expected.line_id = booked.line_id
where
    expected.line_id is null
    or booked.line_id is null
    or booked.occurrences > 1
    or expected.points <> booked.points
