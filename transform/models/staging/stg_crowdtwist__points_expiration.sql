{# [[[cog from scripts import dbt; cog.out(dbt.staging('points_expiration')) ]]] #}
{{ crowdtwist.staging(
    'points_expiration',
    {
        'user_id': 'bigint',
        'rule_type': 'text',
        'entry': 'text',
        'expiration_date': 'timestamp',
        'points_expired': 'bigint',
        'points_expiring': 'bigint',
        'points_redeemed': 'bigint',
        'last_qualified_date': 'timestamp',
        'days_until_expiry': 'bigint',
        'additional_properties': 'json',
    },
    member_id='user_id',
) }}
{# [[[end]]] #}
