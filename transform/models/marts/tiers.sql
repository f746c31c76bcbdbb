select
    members.tier,
    -- Some members of a tier lack the details of it, and so its floor.
    max(members.tier_floor) as floor,
    count(*) as members,
    count(case when members.status = 'active' then 1 end) as active_members,
    count(case when members.status = 'dormant' then 1 end) as dormant_members,
    count(case when members.status = 'never_activated' then 1 end) as never_activated_members,
    cast(coalesce(sum(members.balance), 0) as bigint) as balance,
    cast(coalesce(sum(members.lifetime_points), 0) as bigint) as lifetime_points,
    cast(coalesce(sum(members.purchase_total), 0) as numeric(18, 2)) as purchase_total
from {{ ref('members') }} as members
group by members.tier
