"""The errors by which storage says that it cannot be had, of every kind of storage.

Belongs here: which these are. Does not belong here: what is made of them.
"""

import sys

from sluicegate.areas.access import StorageUrlError

# The clients' errors have no base class in common, and are not all OSErrors.
_CLIENTS = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("azure.core.exceptions", "AzureError"),
    ("aiohttp", "ClientError"),
)


def storage_errors() -> tuple[type[Exception], ...]:
    """Return the errors to catch; those of a client that nobody has loaded cannot come up.

    Nor can those of one that another thread is loading just now, whose module is there without its names.
    """
    loaded = (getattr(sys.modules.get(module), name, None) for module, name in _CLIENTS)
    return (OSError, StorageUrlError, *filter(None, loaded))


def why_of(error: Exception) -> str:
    """Return what an error of storage says, in one line and without what only a debugger needs."""
    strerror = error.strerror if isinstance(error, OSError) else None
    text = strerror or str(error).strip() or type(error).__name__
    return text.splitlines()[0]
