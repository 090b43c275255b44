"""The dbt project: its manifest, its rules, what its SQL reads, and dbt run in this process.

Belongs here: reading dbt's manifest, running dbt, the macros every company shares (`dbt_macros`). Does not
belong here: SQL that knows a company; that lives in its `dbt_project`.
"""
