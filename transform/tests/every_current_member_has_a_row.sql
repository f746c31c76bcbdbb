select
    coalesce(users.id, members.user_id) as user_id,
    users.redeemable_points as balance_in_profile,
    members.balance
from {{ ref('stg_crowdtwist__users') }} as users
full outer join {{ ref('members') }} as members on users.id = members.user_id
where
    users.id is null
    or members.user_id is null
    or coalesce(users.redeemable_points, 0) <> coalesce(members.balance, 0)
