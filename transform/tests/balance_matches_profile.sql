{{ config(severity='warn') }}
{%- set first_day = (var('start_date') or '0001-01-01') | string | truncate(10, true, '', 0) %}

with

-- The months that the expiries of each member cover. A program without any rule has none.
covered as (
    select
        expirations.user_id,
        {{ crowdtwist.month_of('min(expirations.expiration_date)') }} as first_month
    from {{ ref('stg_crowdtwist__points_expiration') }} as expirations
    where expirations.rule_type = 'redemption_period'
    group by expirations.user_id
),

rules as (
    select count(*) as entries
    from {{ ref('stg_crowdtwist__points_expiration') }}
),

late as (
    select distinct ledger.user_id
    from {{ ref('points_ledger') }} as ledger
    inner join {{ ref('members') }} as members on ledger.user_id = members.user_id
    where ledger.kind <> 'expired' and ledger.occurred_at >= members.read_at
)

select
    members.user_id,
    members.balance,
    members.earned,
    members.deducted,
    members.redeemed,
    members.expired,
    members.unexplained
from {{ ref('members') }} as members
cross join rules
left join covered on members.user_id = covered.user_id
left join late on members.user_id = late.user_id
where
    members.unexplained <> 0
    and (members.joined_at >= covered.first_month or rules.entries = 0)
    and members.joined_at >= cast('{{ first_day }}' as date)
    and late.user_id is null
