"""What production publishes: validated partitions as Delta tables, and the catalogue that names them.

Belongs here: the shelf, its catalogue, writing and cleaning it. Does not belong here: environments made
from it (`environments`), when a run publishes (`graph`).
"""
