-- Every member with a joining date until now is in one cohort, and no cohort is more than whole.
with

cohorts as (
    select coalesce(sum(retention.members), 0) as members
    from {{ ref('cohort_retention') }} as retention
    where retention.months_since = 0
),

joined as (
    select count(*) as members
    from {{ ref('members') }} as members
    inner join {{ ref('as_of') }} as as_of
        on members.joined_month <= {{ crowdtwist.month_of('as_of.day') }}
)

select
    cohorts.members as members_of_cohorts,
    joined.members
from cohorts
cross join joined
where
    cohorts.members <> joined.members
    or exists (
        select 1
        from {{ ref('cohort_retention') }} as retention
        where retention.retention > 1
    )
