{%- do crowdtwist.check_variables() -%}
with

outstanding as (
    select
        members.tier,
        lots.issue_month,
        count(*) as members,
        cast(sum(lots.remaining) as bigint) as points
    from {{ ref('points_lots') }} as lots
    inner join {{ ref('members') }} as members on lots.user_id = members.user_id
    where lots.remaining > 0
    group by members.tier, lots.issue_month
),

-- What has left the lots of each calendar year, by redemption or by expiry.
cohorts as (
    select
        extract(year from lots.issue_month) as issue_year,
        {{ crowdtwist.safe_ratio(
            'sum(lots.redeemed)', 'sum(lots.redeemed + lots.expired)'
        ) }} as rate
    from {{ ref('points_lots') }} as lots
    group by extract(year from lots.issue_month)
),

program as (
    select
        {{ crowdtwist.safe_ratio(
            'sum(lots.redeemed)', 'sum(lots.redeemed + lots.expired)'
        ) }} as rate
    from {{ ref('points_lots') }} as lots
),

assumed as (
    select
        as_of.day,
        outstanding.tier,
        outstanding.issue_month,
        outstanding.members,
        outstanding.points,
        {{ crowdtwist.number_variable('point_value') }} as point_value,
        coalesce(
            {{ crowdtwist.number_variable('expected_redemption_rate') }}, cohorts.rate, program.rate
        ) as rate,
        case
            when {{ crowdtwist.number_variable('expected_redemption_rate') }} is not null
                then 'variable'
            when cohorts.rate is not null then 'cohort'
            when program.rate is not null then 'program'
        end as rate_source
    from outstanding
    cross join {{ ref('as_of') }} as as_of
    cross join program
    left join cohorts on cohorts.issue_year = extract(year from outstanding.issue_month)
),

estimated as (
    select
        assumed.*,
        {{ crowdtwist.expected_redeemed('assumed.points', 'assumed.rate') }} as expected_redeemed
    from assumed
)

select
    estimated.day as as_of,
    estimated.tier,
    estimated.issue_month,
    estimated.members,
    estimated.points as outstanding,
    estimated.rate as expected_redemption_rate,
    estimated.rate_source,
    estimated.point_value,
    estimated.expected_redeemed,
    cast(estimated.points - estimated.expected_redeemed as numeric(18, 2)) as breakage,
    {{ crowdtwist.amount('estimated.points', 'estimated.rate', 'estimated.point_value') }} as amount
from estimated
