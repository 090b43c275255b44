"""Running the whole: what is due, what is wrong and what helps, the status of all; without Dagster.

Belongs here: questions that look across stages, and their answers. Does not belong here: how a stage does its
work, and acting on the answers (`graph`).
"""
