"""The gate: whether a partition is validated, in this version, with everything that it is made of.

Belongs here: what is asked of the records before something is built on a partition or sent of it. Does not
belong here: judging (`quality`), and recording what was judged.
"""
