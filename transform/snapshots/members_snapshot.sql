{% snapshot members_snapshot %}
{{
    config(
        unique_key='user_id',
        strategy='check',
        check_cols=['tier', 'balance', 'lifetime_points', 'is_active_account'],
        updated_at='extracted_at',
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
