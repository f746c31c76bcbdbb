{%- set users = crowdtwist.loaded_table('users') -%}
{%- set names = [] -%}
{%- if users -%}
    {%- set names = adapter.get_columns_in_relation(users) | map(attribute='name') | list -%}
{%- endif -%}
with

deleted as (
    select cast({{ 'users.id' if '_sdc_deleted_at' in names else 'null' }} as bigint) as user_id
    from {{ users or ref('stg_crowdtwist__users') }} as users
    where {{ 'users._sdc_deleted_at is not null' if '_sdc_deleted_at' in names else 'false' }}
),

shown as (
    select members.user_id from {{ ref('members') }} as members
    union
    select ledger.user_id from {{ ref('points_ledger') }} as ledger
    union
    select daily.user_id from {{ ref('points_daily') }} as daily
    union
    select expirations.user_id from {{ ref('stg_crowdtwist__points_expiration') }} as expirations
    union
    select redemptions.user_id from {{ ref('stg_crowdtwist__redemptions') }} as redemptions
    union
    select purchases.user_id from {{ ref('stg_crowdtwist__purchases') }} as purchases
    union
    select history.user_id from {{ ref('stg_crowdtwist__user_activity_history') }} as history
)

select shown.user_id
from shown
inner join deleted on shown.user_id = deleted.user_id
