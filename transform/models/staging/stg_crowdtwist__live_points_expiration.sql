{# [[[cog from scripts import dbt; cog.out(dbt.staging('live_points_expiration')) ]]] #}
{{ crowdtwist.staging(
    'live_points_expiration',
    {
        'event_id': 'text',
        'received_at': 'timestamp',
        'user_id': 'bigint',
        'email_address': 'text',
        'third_party_id': 'text',
        'message_date': 'timestamp',
        'rule_type': 'text',
        'inactivity_last_qualified_date': 'timestamp',
        'inactivity_exp_date': 'timestamp',
        'inactivity_points_exp': 'bigint',
        'last_qualified_date': 'timestamp',
        'expiration_date': 'timestamp',
        'points_expired': 'bigint',
        'points_expiring': 'bigint',
        'points_redeemed': 'bigint',
        'days_until_expiry': 'bigint',
        'additional_properties': 'json',
    },
    member_id='user_id',
) }}
{# [[[end]]] #}
