"""Running the whole: what is due, what is wrong and what helps, the status of all; without Dagster.

Belongs here: questions that look across stages and their answers, and what puts drops in order: mended rows,
earlier drops, old originals. Does not belong here: how a stage does its work, and runs (`graph`).
"""
