"""A destination whose connection is a reference: where a call fails, the secret may have been renewed.

Then the reference is read anew, whatever is kept of it. Where it says another URL than the one that failed,
and that leads to the same object, the call is made once more with it; what was acknowledged stays so, and
`send` takes up what is pending, as after a crash. It is asked after any failure: vendors refuse an old
password in many ways (401, 403, 28P01, a form of their own), and a reading that finds the
same changes nothing. Belongs here: that. Does not belong here: how a reference is read (`core.secrets`).
"""

from collections.abc import Callable, Iterator
from typing import Any

from sluicegate.core.secrets.redaction import redacted
from sluicegate.destinations.base import DeliveryError, Destination, Scope
from sluicegate.destinations.errors import after_others

_CALLS = ("key_alike", "check", "inexact", "send", "arrived", "find_out", "forget")
# What is the delivery's, and not the connection's.
_KEPT = (*_CALLS, "read_back", "budget_seconds", "_spent", "_since", "rates")


def renewing(destination: Destination, another: Callable[[], Destination | None]) -> Destination:
    """Return a destination that takes up a renewed connection, once.

    Args:
        destination: with the connection as it was read.
        another: makes one of the connection as it is now; None where that is the same as before.
    """
    kind = type(destination)

    tried = False

    def taken_up(error: DeliveryError) -> bool:
        """Take up what is new; where nothing is, the error may leave."""
        nonlocal tried
        fresh, tried = None if tried else another(), True
        if fresh is None or fresh.canonical_object() != destination.canonical_object():
            error.what, error.expected = redacted(error.what), redacted(error.expected)
            error.reword(fix=redacted(error.fix))
            return False
        kept = {name: value for name, value in vars(destination).items() if name in _KEPT}
        vars(destination).clear()
        vars(destination).update(vars(fresh) | kept)
        return True

    def once_more(name: str) -> Callable[..., Any]:
        call = getattr(kind, name)

        def calling(*args: Any) -> Any:
            try:
                return call(destination, *args)
            except DeliveryError as error:
                if not taken_up(error):
                    raise
            with after_others():
                return call(destination, *args)

        return calling

    def read_back(scope: Scope) -> Iterator[Any]:
        begun = False
        try:
            for item in kind.read_back(destination, scope):
                begun = True
                yield item
        except DeliveryError as error:
            if begun or not taken_up(error):
                raise
        else:
            return
        yield from kind.read_back(destination, scope)

    vars(destination).update({name: once_more(name) for name in _CALLS}, read_back=read_back)
    return destination
