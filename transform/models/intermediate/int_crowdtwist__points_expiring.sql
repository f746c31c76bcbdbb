-- What the newest reading of each member says about points that are due to expire. Older rows,
-- such as those of past months, stay in the table and do not count.
with

readings as (
    select
        expirations.*,
        max(expirations.extracted_at) over (partition by expirations.user_id) as newest_at
    from {{ ref('stg_crowdtwist__points_expiration') }} as expirations
    inner join {{ ref('stg_crowdtwist__users') }} as users on expirations.user_id = users.id
)

select
    readings.user_id,
    readings.rule_type,
    readings.entry,
    readings.points_expiring as points,
    -- The end of a month is a date of the calendar, so it is not shifted to `timezone`.
    case
        when readings.rule_type = 'redemption_period' then cast(readings.expiration_date as date)
        else {{ crowdtwist.local_day('readings.expiration_date') }}
    end as expires_on
from readings
cross join {{ ref('as_of') }} as as_of
where
    readings.extracted_at = readings.newest_at
    and readings.deleted_at is null
    and readings.points_expiring > 0
    and readings.expiration_date is not null
    -- A member who is no longer read keeps old entries.
    and (
        readings.rule_type <> 'redemption_period'
        or cast(readings.expiration_date as date) >= as_of.day
    )
