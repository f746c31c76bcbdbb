with

days as (
    select
        daily.user_id,
        daily.day,
        daily.opening,
        lag(daily.closing) over (partition by daily.user_id order by daily.day) as previous_closing
    from {{ ref('points_daily') }} as daily
)

select
    days.user_id,
    days.day,
    days.opening,
    days.previous_closing
from days
where days.opening <> coalesce(days.previous_closing, 0)
