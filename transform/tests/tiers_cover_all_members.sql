-- The members of the tiers are all members, each with one status.
with

tiers as (
    select
        coalesce(sum(tiers.members), 0) as members,
        coalesce(
            sum(tiers.active_members + tiers.dormant_members + tiers.never_activated_members), 0
        ) as with_status
    from {{ ref('tiers') }} as tiers
),

members as (
    select count(*) as members
    from {{ ref('members') }}
)

select
    tiers.members as members_of_tiers,
    tiers.with_status,
    members.members
from tiers
cross join members
where tiers.members <> members.members or tiers.with_status <> members.members
