{{ config(severity='warn') }}

select
    shares.redemption_id,
    shares.user_id,
    shares.day,
    shares.points
from {{ ref('int_crowdtwist__redemption_shares') }} as shares
inner join {{ ref('members') }} as members on shares.user_id = members.user_id
left join {{ ref('points_ledger') }} as ledger
    on shares.redemption_id = ledger.redemption_id and shares.user_id = ledger.user_id
where shares.points > 0 and ledger.line_id is null
