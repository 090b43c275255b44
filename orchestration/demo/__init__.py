"""The demo company in Python: a generator of its feeds, and nothing else.

Belongs here: what makes up files in the shape of the demo company's providers. Does not: anything
that a stage of the platform needs; no stage imports this package.
"""
