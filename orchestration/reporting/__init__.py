"""What ran and what was promised, as tables that anybody can read: see `docs/operations-data.md`.

Belongs here: which facts there are, how they are collected, published and asked. Does not belong here: what is
wrong now (`incidents`), and the rows themselves (`state.reporting`).
"""
