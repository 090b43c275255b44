"""The small transactional records: drops, tables built, gate evidence, deliveries; and a deployment's places.

Belongs here: rows that must survive a crash and be read by every process, and opening what a deployment
consists of. Does not belong here: data (the warehouse, the delivery shards) and what Dagster keeps itself.
"""
