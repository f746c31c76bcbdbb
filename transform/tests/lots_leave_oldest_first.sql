-- No points may leave a lot while an older one of the same member has some left.
with

older as (
    select
        lots.user_id,
        lots.issue_month,
        lots.issued,
        lots.remaining,
        max(lots.remaining) over (
            partition by lots.user_id
            order by lots.issue_month
            rows between unbounded preceding and 1 preceding
        ) as left_in_older
    from {{ ref('points_lots') }} as lots
)

select
    older.user_id,
    older.issue_month
from older
where older.left_in_older > 0 and older.remaining <> older.issued
