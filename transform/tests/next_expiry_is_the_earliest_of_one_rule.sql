with

due as (
    select
        expiring.user_id,
        expiring.rule_type,
        expiring.expires_on,
        sum(expiring.points) as points
    from {{ ref('int_crowdtwist__points_expiring') }} as expiring
    group by expiring.user_id, expiring.rule_type, expiring.expires_on
),

earliest as (
    select
        due.user_id,
        min(due.expires_on) as expires_on
    from due
    group by due.user_id
)

select
    members.user_id,
    members.next_expiry_on,
    members.next_expiry_rule,
    members.next_expiry_points,
    earliest.expires_on
from {{ ref('members') }} as members
left join earliest on members.user_id = earliest.user_id
left join due
    on
        members.user_id = due.user_id
        and members.next_expiry_on = due.expires_on
        and members.next_expiry_rule = due.rule_type
where
    (members.next_expiry_on is null) <> (earliest.expires_on is null)
    or members.next_expiry_on <> earliest.expires_on
    or members.next_expiry_points <> coalesce(due.points, 0)
