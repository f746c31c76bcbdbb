select
    ledger.line_id,
    ledger.kind,
    ledger.points
from {{ ref('points_ledger') }} as ledger
where ledger.points = 0 or (ledger.points > 0) <> (ledger.kind = 'earned')
