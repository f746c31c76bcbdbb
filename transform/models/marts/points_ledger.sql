-- The history is the ledger. Redemptions are in it as negative lines, so the orders of
-- `redemptions` are never added. Only expiries are not, and come from `points_expiration`.
with

expiries as (
    select
        expirations.user_id,
        expirations.entry,
        -expirations.points_expired as points,
        coalesce(expirations.expiration_date, expirations.extracted_at) as occurred_at,
        case
            when expirations.expiration_date is null
                then {{ crowdtwist.local_day('expirations.extracted_at') }}
            -- The end of a month is a date of the calendar, so it is not shifted to `timezone`.
            else cast(expirations.expiration_date as date)
        end as day
    from {{ ref('stg_crowdtwist__points_expiration') }} as expirations
    inner join {{ ref('stg_crowdtwist__users') }} as users on expirations.user_id = users.id
    where expirations.rule_type = 'redemption_period' and expirations.points_expired > 0
)

select
    history_lines.line_id,
    history_lines.user_id,
    history_lines.day,
    history_lines.occurred_at,
    history_lines.awarded_at,
    history_lines.kind,
    history_lines.points,
    history_lines.activity_id,
    history_lines.activity_name,
    history_lines.redemption_id
from {{ ref('int_crowdtwist__history_lines') }} as history_lines
where history_lines.points <> 0
union all
select
    'expiry:' || cast(expiries.user_id as text) || ':' || expiries.entry as line_id,
    expiries.user_id,
    expiries.day,
    expiries.occurred_at,
    cast(null as timestamp) as awarded_at,
    'expired' as kind,
    expiries.points,
    cast(null as bigint) as activity_id,
    cast(null as text) as activity_name,
    cast(null as text) as redemption_id
from expiries
