-- Lines of the Batch Activity Credit files that would be rejected, or that no line of the history
-- matches. A line names its member by the first of these that it has: number, e-mail address,
-- third-party id, user name.
with

lines as (
    select
        credits.file_name,
        credits.file_line,
        credits.sent_at,
        credits.user_id,
        credits.activity_id,
        credits.num_points,
        credits.activity_date,
        credits.fault,
        case
            when credits.user_id is not null then 'user_id'
            when credits.email_address is not null then 'email_address'
            when credits.third_party_id is not null then 'third_party_id'
            else 'username'
        end as id_type,
        coalesce(credits.email_address, credits.third_party_id, credits.username) as id_value
    from {{ ref('stg_crowdtwist__batch_activity_credits') }} as credits
),

identities as (
    select
        'email_address' as id_type,
        users.email_address as id_value,
        users.id as user_id
    from {{ ref('stg_crowdtwist__users') }} as users
    union all
    select
        'third_party_id' as id_type,
        users.third_party_id as id_value,
        users.id as user_id
    from {{ ref('stg_crowdtwist__users') }} as users
    union all
    select
        'username' as id_type,
        users.username as id_value,
        users.id as user_id
    from {{ ref('stg_crowdtwist__users') }} as users
),

-- An address may belong to several members: one of them with a credit is enough.
matches as (
    select
        lines.file_name,
        lines.file_line,
        min(coalesce(lines.user_id, identities.user_id)) as user_id,
        count(history.id) as credits
    from lines
    left join identities
        on lines.id_type = identities.id_type and lines.id_value = identities.id_value
    left join {{ ref('stg_crowdtwist__user_activity_history') }} as history
        on
            lines.activity_id = history.activity_id
            and coalesce(lines.user_id, identities.user_id) = history.user_id
            and (
                lines.activity_date = history.date_awarded
                or (lines.activity_date is null and lines.sent_at <= history.date_created)
            )
    group by lines.file_name, lines.file_line
)

select
    lines.file_name,
    lines.file_line,
    lines.sent_at,
    matches.user_id,
    lines.activity_id,
    lines.num_points as points,
    lines.activity_date,
    coalesce(lines.fault, 'not credited') as reason
from lines
inner join matches on lines.file_name = matches.file_name and lines.file_line = matches.file_line
where
    lines.fault is not null
    or (
        matches.credits = 0
        -- With `sensitive_data: drop`, a line may have lost the name of its member.
        and (lines.user_id is not null or lines.id_value is not null)
    )
