"""All of Dagster: assets, checks, sensors, schedules, jobs, the instance, runs in this process.

Belongs here: what imports Dagster, and turning what the other folders say and do into its terms. Does not
belong here: what can be said or done without it.
"""
