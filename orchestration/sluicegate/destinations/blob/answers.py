"""What storage answers, and what that means.

Belongs here: the decision table, and errors of the storage's clients told apart. Does not: requests
(`sluicegate.areas`).
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sluicegate.areas import ImmutableFileError, StrangeAnswerError

from ..answers import Line, Meaning, unexpected
from ..bounded import GoOn, bounded
from ..errors import DeliveryError
from .connection import BlobConnection

T = TypeVar("T")

_AGAIN = "asked again a few times by its client; then the delivery fails, and the next run takes it up"
DECISIONS: Sequence[Line] = (
    Line(
        "a part that is there with its bytes, and the partition's manifest that names the delivery",
        Meaning.TAKEN,
        "all rows are acknowledged",
    ),
    Line(
        "409 or 412 to a creation: a file of that name is there",
        Meaning.TRY_AGAIN,
        "compared with ours: the same counts as written, another is left, and ours gets a name of its own",
    ),
    Line(
        "412 to the manifest: somebody else has changed it since it was read",
        Meaning.NOTHING_DONE,
        "read and changed anew",
    ),
    Line("403, 401, no container, a retention policy", Meaning.NOTHING_DONE, "the delivery fails"),
    Line("429, 503, 5xx, no connection, one that breaks", Meaning.TRY_AGAIN, _AGAIN),
    Line(
        "2xx that is none of the storage's: a page, XML that is cut, a write without an ETag, a part that is"
        " not there with its bytes after all were written; a redirect",
        Meaning.UNEXPECTED,
        "the delivery fails; nothing that was not written whole is shown",
    ),
    Line(
        "of a directory: any error of the file system", Meaning.NOTHING_DONE, "the delivery fails: not shown"
    ),
)
# Of botocore, azure-core and the parsers beneath them, by name, so that none is imported.
_NO_ANSWERS = frozenset(
    {"ResponseParserError", "DecodeError", "DeserializationError", "ParseError", "JSONDecodeError"}
)


def is_strange(error: BaseException | None) -> bool:
    """Whether an error says that what answers is no storage.

    The clients stumble in ways of their own over an answer without what they look for.
    """
    while error is not None:
        if isinstance(error, (StrangeAnswerError, LookupError, TypeError, AttributeError)):
            return True
        if any(cls.__name__ in _NO_ANSWERS for cls in type(error).__mro__):
            return True
        error = error.__cause__
    return False


def explained(
    connection: BlobConnection,
    place: str,
    what: str,
    act: Callable[[GoOn], T],
    seconds: float,
    late: Callable[[str, str], DeliveryError],
) -> T:
    """Do something in time; put what storage says of it for the person on call, without a secret.

    Args:
        connection: the storage.
        place: the object in it, to be shown.
        what: is done, in words.
        act: does it; it asks before each step that changes what is shown whether it is still waited for.
        seconds: that it may take.
        late: makes the error that says that they are spent.

    Raises:
        DeliveryError: it was not done.
    """
    try:
        return bounded(seconds, act, lambda: late(f"{what} {place}", f"an answer of {connection.name}"))
    except DeliveryError:
        raise
    except ImmutableFileError as error:
        raise DeliveryError(
            "SLU-V202",
            f"{what} {place}: {connection.redacted(str(error))}",
            "a container where blobs can be replaced and removed: each delivery replaces its partition's "
            "manifest, and an erasure removes files",
            "end the container's retention policy or legal hold, or deliver to a container without one "
            "(immutability of versions lets blobs be replaced); then run the delivery or erasure again",
        ) from None
    except Exception as error:
        said = f"{what} {place}: {connection.redacted(f'{type(error).__name__}: {error}')}"
        strange = is_strange(error)
    # Outside the handler, so that the original, which may hold a secret, is not its context.
    if strange:
        raise unexpected(connection.name, said, "", "what the storage's own interface documents")
    raise DeliveryError(
        "SLU-V200",
        said,
        "storage that can be reached, listed and written",
        "fix the connection, then rerun the partition: the same id is written once only",
    )
