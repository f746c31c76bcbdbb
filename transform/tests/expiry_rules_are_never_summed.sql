with

newest as (
    select
        expirations.user_id,
        max(expirations.extracted_at) as newest_at
    from {{ ref('stg_crowdtwist__points_expiration') }} as expirations
    group by expirations.user_id
),

expected as (
    select
        expirations.rule_type,
        sum(expirations.points_expiring) as points
    from {{ ref('stg_crowdtwist__points_expiration') }} as expirations
    inner join newest
        on
            expirations.user_id = newest.user_id
            and expirations.extracted_at = newest.newest_at
    inner join {{ ref('stg_crowdtwist__users') }} as users on expirations.user_id = users.id
    cross join {{ ref('as_of') }} as as_of
    where
        expirations.points_expiring > 0
        and expirations.expiration_date is not null
        and expirations.deleted_at is null
        and (
            expirations.rule_type <> 'redemption_period'
            or cast(expirations.expiration_date as date) >= as_of.day
        )
    group by expirations.rule_type
),

shown as (
    select
        expiring.rule_type,
        sum(expiring.points) as points
    from {{ ref('points_expiring') }} as expiring
    group by expiring.rule_type
)

select
    coalesce(expected.rule_type, shown.rule_type) as rule_type,
    expected.points as points_in_readings,
    shown.points as points_in_months
from expected
full outer join shown on expected.rule_type = shown.rule_type
where
    expected.rule_type is null
    or shown.rule_type is null
    or expected.points <> shown.points
