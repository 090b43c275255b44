"""The local engine: DuckDB in memory, on every deployment, whatever the warehouse is.

Belongs here: opening it, quoting, hashing rows, reading storage, what a statement reads. Does not:
the tables (`warehouse`).
"""
