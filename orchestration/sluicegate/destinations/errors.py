"""What goes wrong at a destination, said so that somebody can fix it, without a secret in it."""

from collections.abc import Generator
from contextlib import contextmanager

from sluicegate.codes import Coded
from sluicegate.core.secrets.redaction import secrets_in as secrets_in


class DeliveryError(Coded):
    """Says what is wrong, what was expected and how to fix it; never holds a secret or a row.

    `nothing_done`: the request that met this changed nothing at the destination for certain (nobody answered
    the call, 401, 403, 404, …), so that what it held has not left. False where that is not known. Of a work
    of several requests it speaks for the first alone, see `after_others`.
    """

    def __init__(self, code: str, what: str, expected: str, fix: str, *, nothing_done: bool = False) -> None:
        super().__init__(code, what, expected, fix)
        self.what = what
        self.expected = expected
        self.fix = fix
        self.nothing_done = nothing_done

    def reword(self, *, what: str | None = None, fix: str | None = None) -> None:
        """Say in other words what is wrong, or how to fix it; its code stays."""
        self.what = self.what if what is None else what
        self.fix = self.fix if fix is None else fix
        self.args = (self.code, self.what, self.expected, self.fix)

    @property
    def words(self) -> str:
        """The three parts, a line each."""
        return f"{self.what}\n  expected: {self.expected}\n  fix: {self.fix}"


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
