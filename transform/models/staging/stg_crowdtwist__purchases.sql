{# [[[cog from scripts import dbt; cog.out(dbt.staging('purchases')) ]]] #}
{{ crowdtwist.staging(
    'purchases',
    {
        'user_id': 'bigint',
        'purchase_id_type': 'text',
        'purchase_id': 'text',
        'last_date_purchased': 'timestamp',
        'purchase_total': 'numeric(18, 2)',
        'total_points_awarded': 'bigint',
        'total_points_earned': 'bigint',
        'points_awaiting_fulfillment': 'bigint',
        'additional_properties': 'json',
    },
    member_id='user_id',
) }}
{# [[[end]]] #}
