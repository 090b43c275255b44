"""Destinations: how a shard gets to one place, and what is promised on the way.

Belongs here: one module or package a destination, what they share (interface, batches, pace, HTTP), their
registry. Does not: when and whether to send (the gate, the plan and the guard decide that). So that a
destination can be tested alone, nothing of the project is imported outside this package but
`sluicegate.areas` (storage behind URLs) and `sluicegate.compute` (the local engine).
"""
