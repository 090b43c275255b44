"""Which Sluice this is.

Belongs here: the version of the distribution, as records and backups tell it. Does not: the form of the
records.
"""


def own_version() -> str:
    """Return the version of the installed distribution, such as `0.1.0`."""
    from importlib.metadata import version

    return version("sluicegate")
