"""The demo company in Python: its made-up feeds, its destinations on this machine, its story.

Belongs here: what the demo needs beyond the four folders. Does not: anything that a stage of the
platform needs; only the command line imports this package.
"""
