{# [[[cog from scripts import dbt; cog.out(dbt.staging('receipts')) ]]] #}
{{ crowdtwist.staging(
    'receipts',
    {
        'user_id': 'bigint',
        'id': 'bigint',
        'date_submitted': 'timestamp',
        'file_id': 'text',
        'file_name': 'text',
        'file_url': 'text',
        'scan_result': 'text',
        'scan_result_text': 'text',
        'additional_properties': 'json',
    },
    member_id='user_id',
) }}
{# [[[end]]] #}
