"""From a contract's column to a destination's field: what is made of what, of which class, and who is told.

Belongs here: what the project's files come to, column by column. Does not belong here: how SQL is understood
(`compute`), when it is bound (`transformation`), Dagster.
"""
