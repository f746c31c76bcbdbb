-- A day or month opens with what the one before closed with. It closes with that and what moved.
with

periods as (
    select
        'day' as period,
        daily.day as begins_on,
        daily.opening,
        daily.earned + daily.deducted + daily.redeemed + daily.expired + daily.unexplained
            as movement,
        daily.closing,
        lag(daily.closing) over (order by daily.day) as previous_closing
    from {{ ref('program_daily') }} as daily
    union all
    select
        'month' as period,
        monthly.month as begins_on,
        monthly.opening,
        monthly.earned + monthly.deducted + monthly.redeemed + monthly.expired
        + monthly.unexplained as movement,
        monthly.closing,
        lag(monthly.closing) over (order by monthly.month) as previous_closing
    from {{ ref('program_monthly') }} as monthly
)

select
    periods.period,
    periods.begins_on
from periods
where
    periods.opening <> coalesce(periods.previous_closing, 0)
    or periods.closing <> periods.opening + periods.movement
