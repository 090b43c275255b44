"""The small transactional records: drops, tables built, gate evidence, deliveries.

Belongs here: rows that must survive a crash and be read by every process. Does not belong here: data
(the warehouse, the delivery shards) and what Dagster keeps itself (runs, events).
"""
