with

used as (
    select
        total.outstanding,
        total.point_value,
        total.expected_redemption_rate,
        total.expected_redeemed,
        total.breakage,
        total.amount
    from {{ ref('int_crowdtwist__liability_total') }} as total
),

rates as (
    select cast(listed.rate as numeric(18, 6)) as rate
    from (values (0.5), (0.6), (0.7), (0.8), (0.9), (1.0)) as listed (rate)
),

others as (
    select
        rates.rate as expected_redemption_rate,
        false as is_used,
        used.outstanding,
        used.point_value,
        {{ crowdtwist.expected_redeemed('used.outstanding', 'rates.rate') }} as expected_redeemed,
        {{ crowdtwist.amount('used.outstanding', 'rates.rate', 'used.point_value') }} as amount
    from rates
    cross join used
    where rates.rate <> coalesce(used.expected_redemption_rate, -1)
)

select
    used.expected_redemption_rate,
    true as is_used,
    used.expected_redeemed,
    used.breakage,
    used.amount
from used
where used.expected_redemption_rate is not null
union all
select
    others.expected_redemption_rate,
    others.is_used,
    others.expected_redeemed,
    cast(others.outstanding - others.expected_redeemed as numeric(18, 2)) as breakage,
    others.amount
from others
