{# [[[cog from scripts import dbt; cog.out(dbt.staging('coupons')) ]]] #}
{{ crowdtwist.staging(
    'coupons',
    {
        'user_id': 'bigint',
        'redeem_order_coupon_id': 'text',
        'reward_id': 'bigint',
        'reward_category_id': 'bigint',
        'redeem_order_id': 'text',
        'total_points_redeemed': 'bigint',
        'ending_balance': 'bigint',
        'coupon_code': 'text',
        'expiration_date': 'timestamp',
        'extra_data': 'json',
        'additional_properties': 'json',
    },
    member_id='user_id',
) }}
{# [[[end]]] #}
