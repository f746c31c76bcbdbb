-- The liability has the points of every lot, those of members without a tier too.
with

liability as (
    select coalesce(sum(points_liability.outstanding), 0) as points
    from {{ ref('points_liability') }} as points_liability
),

lots as (
    select coalesce(sum(points_lots.remaining), 0) as points
    from {{ ref('points_lots') }} as points_lots
)

select
    liability.points as outstanding,
    lots.points as remaining
from liability
cross join lots
where liability.points <> lots.points
