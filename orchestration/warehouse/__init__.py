"""The engine that holds the tables: DuckDB embedded, one file.

Belongs here: opening it, and what every stage asks of it. Does not belong here: what the tables mean.
"""
