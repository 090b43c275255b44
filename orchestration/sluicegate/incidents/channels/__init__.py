"""Ways to tell somebody: one file a kind of channel.

Belongs here: what is sent to each, and what its answers mean. Does not belong here: who is told, and when
it is tried again.
"""
