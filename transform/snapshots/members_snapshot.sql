{#
    What the API forgets: the tier, the balances and the state of each member, since when.

    The times are those of the readings, so the same loads give the same snapshot. A member that is
    no longer read keeps the last row; rows of deleted members are deleted.
#}
{% snapshot members_snapshot %}
{{
    config(
        unique_key='user_id',
        strategy='check',
        check_cols=['tier', 'balance', 'lifetime_points', 'is_active_account'],
        updated_at='extracted_at',
        hard_deletes='ignore',
        post_hook='delete from {{ this }} where user_id in ({{ crowdtwist.deleted_members() }})',
    )
}}
select
    id as user_id,
    {{ crowdtwist.tier_title() }} as tier,
    redeemable_points as balance,
    total_points as lifetime_points,
    is_active as is_active_account,
    extracted_at
from {{ ref('stg_crowdtwist__users') }}
{% endsnapshot %}
