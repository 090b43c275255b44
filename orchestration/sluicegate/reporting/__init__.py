"""What ran and what was promised, as tables that anybody can read: see `docs/operations-data.md`.

Belongs here: how facts are collected, published and asked. Does not belong here: what is wrong now
(`incidents`), what Dagster knows (`graph.reported`), the tables and views themselves (`state.ops_views`).
"""
