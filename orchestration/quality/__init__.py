"""What must hold: suites of Great Expectations -> checks; and the gate, which asks for their evidence.

Belongs here: judging tables, and deciding whether a partition may go on. Does not belong here: sending
(`delivery`), or dbt's own tests (`transformation` runs them; their evidence counts here as any other).
"""
