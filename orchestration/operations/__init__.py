"""Running the whole: what is due, the sensors that ask, a run without a daemon, the status of all.

Belongs here: events and their consequences. Does not belong here: how a stage does its work.
"""
