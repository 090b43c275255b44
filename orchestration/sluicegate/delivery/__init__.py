"""Where it goes: export file -> shard of validated rows -> destination -> acknowledgement.

Belongs here: export files, the delivery of one partition, looks at what was sent. Does not belong here: which
rows to send; that is the export's own dbt model, whole; and destinations (`destinations`).
"""
