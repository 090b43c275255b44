"""From the staging area into raw tables, against the contract.

Belongs here: finding drops, keeping their originals, loading them. Does not belong here: cleaning up
what a contract allows (dbt's staging models do) and judging tables (`quality`).
"""
