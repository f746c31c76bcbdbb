-- In every scenario, points are either redeemed or never redeemed; one at most is in use.
with

outstanding as (
    select coalesce(sum(liability.outstanding), 0) as points
    from {{ ref('points_liability') }} as liability
),

used as (
    select count(*) as scenarios
    from {{ ref('liability_scenarios') }} as scenarios
    where scenarios.is_used
)

select scenarios.expected_redemption_rate
from {{ ref('liability_scenarios') }} as scenarios
cross join outstanding
cross join used
where
    scenarios.expected_redeemed + scenarios.breakage <> outstanding.points
    or used.scenarios > 1
