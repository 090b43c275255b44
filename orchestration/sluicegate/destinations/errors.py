"""What goes wrong at a destination, said so that somebody can mend it, without a secret in it."""

from collections.abc import Generator
from contextlib import contextmanager

from sluicegate.core.secrets.redaction import secrets_in as secrets_in


class DeliveryError(Exception):
    """Says what is wrong, what was expected and how to mend it; never holds a secret or a row.

    `nothing_done`: the request that met this changed nothing at the destination for certain (nobody answered
    the call, 401, 403, 404, …), so that what it held has not left. False where that is not known. Of a work
    of several requests it speaks for the first alone, see `after_others`.
    """

    def __init__(self, what: str, expected: str, mend: str, *, nothing_done: bool = False) -> None:
        # All three are passed on, so that the error survives pickling between processes.
        super().__init__(what, expected, mend)
        self.what = what
        self.expected = expected
        self.mend = mend
        self.nothing_done = nothing_done

    def name_command(self, mend: str) -> None:
        """Say in other words how to fix it."""
        self.mend = mend
        self.args = (self.what, self.expected, mend)

    def __str__(self) -> str:
        return f"{self.what}\n  expected: {self.expected}\n  mend: {self.mend}"


class UnexpectedAnswer(DeliveryError):
    """The destination answers what it should not: a page instead of JSON, an answer that is cut, a redirect.

    What the request held may have arrived, so `nothing_done` is False.
    """


@contextmanager
def after_others() -> Generator[None]:
    """For a further request of one work: what it meets says nothing of the requests before it."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "nothing_done"):
            error.nothing_done = False  # pyright: ignore
        raise


def redact(text: str, url: str) -> str:
    """The text without any secret of the URL."""
    for secret in secrets_in(url):
        text = text.replace(secret, "***")
    return text
