"""An environment beside production: which rows, columns and fields are others, for the same inputs.

Belongs here: the comparison and what it says. Does not belong here: making and building environments
(`environments`), what is published (`publishing`), commands (`cli`).
"""
