"""dbt as assets: one op a model, dbt's tests as their checks.

Belongs here: reading dbt's manifest, running dbt in this process, the macros every company shares
(`dbt_macros`). Does not belong here: SQL that knows a company; that lives in its `dbt_project`.
"""
