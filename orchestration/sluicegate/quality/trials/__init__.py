"""Whether a rule of a suite can fail at all, and on what: tried on tables that are made up.

No row of the company is read. Which checks an export needs is not said here (`sluicegate.project.guards`).
"""
