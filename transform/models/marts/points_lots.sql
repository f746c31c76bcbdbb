-- First in, first out, without a loop. The points that a member was issued, month after month, are
-- intervals on a line that begins at 0; so are the points that left, in the order of time. Where an
-- interval of leaving overlaps one of issue, those points left that month's lot.
with

issued as (
    select
        daily.user_id,
        {{ crowdtwist.month_of('daily.day') }} as issue_month,
        cast(sum(daily.earned + greatest(daily.unexplained, 0)) as bigint) as points
    from {{ ref('points_daily') }} as daily
    group by daily.user_id, {{ crowdtwist.month_of('daily.day') }}
    having sum(daily.earned + greatest(daily.unexplained, 0)) > 0
),

issue_intervals as (
    select
        issued.user_id,
        issued.issue_month,
        issued.points,
        cast(sum(issued.points) over (
            partition by issued.user_id
            order by issued.issue_month
            rows between unbounded preceding and current row
        ) as bigint) as ends_at
    from issued
),

-- Within a day, expiries are last, because points expire when a day ends. The opening difference
-- comes first: it happened before anything that is known.
left_points as (
    select
        daily.user_id,
        daily.day,
        0 as place,
        -daily.unexplained as points
    from {{ ref('points_daily') }} as daily
    where daily.unexplained < 0
    union all
    select
        daily.user_id,
        daily.day,
        1 as place,
        -daily.deducted as points
    from {{ ref('points_daily') }} as daily
    where daily.deducted < 0
    union all
    select
        daily.user_id,
        daily.day,
        2 as place,
        -daily.redeemed as points
    from {{ ref('points_daily') }} as daily
    where daily.redeemed < 0
    union all
    select
        daily.user_id,
        daily.day,
        3 as place,
        -daily.expired as points
    from {{ ref('points_daily') }} as daily
    where daily.expired < 0
),

left_intervals as (
    select
        left_points.user_id,
        left_points.place,
        left_points.points,
        cast(sum(left_points.points) over (
            partition by left_points.user_id
            order by left_points.day, left_points.place
            rows between unbounded preceding and current row
        ) as bigint) as ends_at
    from left_points
),

shares as (
    select
        issue.user_id,
        issue.issue_month,
        leaving.place,
        least(issue.ends_at, leaving.ends_at)
        - greatest(issue.ends_at - issue.points, leaving.ends_at - leaving.points) as points
    from issue_intervals as issue
    inner join left_intervals as leaving
        on
            issue.user_id = leaving.user_id
            and issue.ends_at > leaving.ends_at - leaving.points
            and issue.ends_at - issue.points < leaving.ends_at
),

left_by_lot as (
    select
        shares.user_id,
        shares.issue_month,
        sum(case when shares.place = 0 then shares.points else 0 end) as unexplained,
        sum(case when shares.place = 1 then shares.points else 0 end) as deducted,
        sum(case when shares.place = 2 then shares.points else 0 end) as redeemed,
        sum(case when shares.place = 3 then shares.points else 0 end) as expired,
        sum(shares.points) as points
    from shares
    group by shares.user_id, shares.issue_month
)

select
    issue.user_id,
    issue.issue_month,
    issue.points as issued,
    cast(coalesce(gone.redeemed, 0) as bigint) as redeemed,
    cast(coalesce(gone.deducted, 0) as bigint) as deducted,
    cast(coalesce(gone.expired, 0) as bigint) as expired,
    cast(coalesce(gone.unexplained, 0) as bigint) as unexplained,
    cast(issue.points - coalesce(gone.points, 0) as bigint) as remaining
from issue_intervals as issue
left join left_by_lot as gone
    on issue.user_id = gone.user_id and issue.issue_month = gone.issue_month
