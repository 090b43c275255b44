"""The engine that holds the tables, and what stages ask of it, whichever it is.

Belongs here: what is asked (`base`), the engines that answer (`duckdb_file`, the one there is), a partition
as SQL (`slices`). Does not belong here: what the tables mean, and records of any kind.
"""
