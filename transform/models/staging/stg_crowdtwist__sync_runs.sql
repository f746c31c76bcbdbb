{# [[[cog from scripts import dbt; cog.out(dbt.staging('sync_runs')) ]]] #}
{# [[[end]]] #}
