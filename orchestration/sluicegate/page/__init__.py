"""The page: what is late, held, failed and refused, and one partition's way; on record, and read only.

Belongs here: what people look at in a browser. Does not belong here: what is wrong (`incidents`), what was
promised and kept (`reporting`), Dagster (`graph`).
"""
