-- The two rules speak of the same points, so nothing is ever added over `rule_type`.
with

expiring as (
    select
        expiring_points.user_id,
        expiring_points.rule_type,
        expiring_points.points,
        {{ crowdtwist.month_of('expiring_points.expires_on') }} as month
    from {{ ref('int_crowdtwist__points_expiring') }} as expiring_points
)

select
    expiring.month,
    expiring.rule_type,
    cast(sum(expiring.points) as bigint) as points,
    count(distinct expiring.user_id) as members
from expiring
group by expiring.month, expiring.rule_type
