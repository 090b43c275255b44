"""What is to be sent: the validated rows, compared with what the destination acknowledged.

Belongs here: SQL over warehouse tables and shards, limits. Does not belong here: sending, the gate.
"""
