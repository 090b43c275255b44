"""What everything stands on: settings, partitions, the lineage, problems, YAML with lines, what may be shown.

Belongs here: what knows no stage. Does not belong here: anything that opens a file of data, or an engine.
"""
