"""KQL in git: the functions, views and tables' policies of one database of Azure Data Explorer.

Belongs here: reading and checking `kusto/`, what a deploy changes in the database, drift, and tables that a
function fills. Does not belong here: the way to the cluster (`destinations.adx`), assets (`graph`).
"""
