{{ config(materialized='table', schema='staging') }}

-- The days on which a member did something: activities and redemptions, but not what was deducted.
select distinct
    lines.user_id,
    lines.day
from {{ ref('int_crowdtwist__history_lines') }} as lines
where lines.kind <> 'deducted'
