"""Export files: what they may say, and what is wrong in one of them or between two.

Belongs here: reading `exports/`, drafting a file, its JSON Schema. Does not belong here: sending; what needs
the whole graph (`graph_rules`).
"""
