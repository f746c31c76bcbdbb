-- The whole liability in one row, with the rate that all of it comes to.
with

total as (
    select
        cast(coalesce(sum(liability.outstanding), 0) as bigint) as outstanding,
        cast(sum(liability.expected_redeemed) as numeric(18, 2)) as expected_redeemed,
        cast(sum(liability.amount) as numeric(18, 2)) as amount,
        min(liability.rate_source) as rate_source
    from {{ ref('points_liability') }} as liability
)

select
    total.outstanding,
    {{ crowdtwist.number_variable('point_value') }} as point_value,
    coalesce(
        {{ crowdtwist.number_variable('expected_redemption_rate') }},
        {{ crowdtwist.safe_ratio('total.expected_redeemed', 'total.outstanding') }}
    ) as expected_redemption_rate,
    total.rate_source,
    total.expected_redeemed,
    cast(total.outstanding - total.expected_redeemed as numeric(18, 2)) as breakage,
    total.amount
from total
