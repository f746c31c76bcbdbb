{{ config(materialized='table') }}

-- The days on which a member did something: activities and redemptions, but not what was deducted.
select distinct
    history_lines.user_id,
    history_lines.day
from {{ ref('int_crowdtwist__history_lines') }} as history_lines
where history_lines.kind <> 'deducted'
