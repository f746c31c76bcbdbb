-- The movements and joinings of a month are the sums of its days.
with

days as (
    select
        {{ crowdtwist.month_of('daily.day') }} as month,
        sum(daily.joined) as joined,
        sum(daily.earned) as earned,
        sum(daily.deducted) as deducted,
        sum(daily.redeemed) as redeemed,
        sum(daily.expired) as expired,
        sum(daily.unexplained) as unexplained,
        max(daily.members) as members
    from {{ ref('program_daily') }} as daily
    group by {{ crowdtwist.month_of('daily.day') }}
)

select coalesce(days.month, monthly.month) as month
from days
full outer join {{ ref('program_monthly') }} as monthly on days.month = monthly.month
where
    days.month is null
    or monthly.month is null
    or days.joined <> monthly.joined
    or days.earned <> monthly.earned
    or days.deducted <> monthly.deducted
    or days.redeemed <> monthly.redeemed
    or days.expired <> monthly.expired
    or days.unexplained <> monthly.unexplained
    or days.members <> monthly.members
