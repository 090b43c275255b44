"""What must hold: suites of Great Expectations judged, and what was judged, kept.

Belongs here: judging tables. Does not belong here: deciding whether a partition may go on (`gate`), or dbt's
own tests (`transformation` runs them; their evidence counts as any other).
"""
