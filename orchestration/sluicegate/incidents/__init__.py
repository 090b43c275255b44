"""What is wrong, told once to who can do something about it.

Belongs here: finding troubles in the records, incidents, whom they are told and how. Does not belong here:
what is due (`operations`), whether something may go on (`gate`), Dagster.
"""
