"""The loyalty report: one static HTML file, made of the marts of the dbt project.

    crowdtwist-report --database output/warehouse.duckdb --output report.html

The page holds no script, requests nothing, and names no member. What counts 1 to 4 members is
hidden, and so is what would give it away (`crowdtwist_report.suppression`). The same marts give the
same bytes: nothing in the page comes from the clock, the machine or the order of rows.

Reads DuckDB and PostgreSQL. Requires the extra `report`.
"""
