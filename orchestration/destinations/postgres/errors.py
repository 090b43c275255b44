"""What Postgres and its driver say, put for the engineer on call.

Belongs here: SQLSTATEs and their mends. Does not: statements. Only the server's one-line message
is passed on: its DETAIL repeats rows, which may be personal data, and its text repeats the query.
"""

import re

from ..errors import DeliveryError, redact

_BY_STATE: tuple[tuple[str, str, str], ...] = (
    (
        "42501",
        "a role that may read and write the table and the ledger, and create what is missing",
        "grant the privilege to the connection's role, then rerun the partition",
    ),
    (
        "23505",
        "keys that no other partition holds",
        "add the partition's column to `key` and to the table's primary key",
    ),
    (
        "23503",
        "rows that refer to what is there, and none that goes while others refer to it",
        "delete what refers to the row, or make the constraint anew with `on delete set null` or"
        " `on delete cascade`; then rerun",
    ),
    ("23502", "a value in every column that may not be null", "mend the export's model"),
    ("23", "rows that the table's own constraints allow", "mend the export's model, or the table"),
    ("22021", "text without NUL characters", "strip chr(0) from the column in the export's model"),
    ("22", "values that the table's types can hold", "cast the column in the export's model"),
    (
        "42703",
        "a table with every column of the export",
        "compare the table's columns with the export's model: somebody has altered the table",
    ),
    ("54", "no more columns and sizes than Postgres' limits", "send fewer columns in the export's model"),
    ("53", "room for the slice", "give the server disk, memory or connections, then rerun"),
    ("40", "no other writer of the same rows", "rerun the partition: nothing was changed"),
    ("55P03", "the table's lock within lock_timeout", "see who holds it in pg_locks, then rerun"),
    ("57", "a server that stays up, a statement within its time-out", "rerun the partition"),
    ("28", "a role and password that the server accepts", "correct the connection's URL"),
    ("3D", "a database that exists", "correct the connection's URL"),
)


def explain(error: BaseException, doing: str, url: str) -> DeliveryError:
    """The error to raise instead; the original is not chained to it, as it may hold secrets."""
    text = redact(_one_line(str(error)), url)
    state = str(getattr(error, "sqlstate", None) or "")
    for prefix, expected, mend in _BY_STATE:
        if state.startswith(prefix):
            return DeliveryError(f"{doing}: {text} (SQLSTATE {state})", expected, mend)
    if "NANOARROW" in text.upper() or "ArrowInvalid" in text:
        return DeliveryError(
            f"{doing}: {text}",
            "values that Postgres can hold (microseconds at most)",
            "cast the column in the export's model",
        )
    shown = f"{text} (SQLSTATE {state})" if state else text
    return DeliveryError(
        f"{doing}: {shown}",
        "a server that can be reached and a connection that lasts",
        "see the server's log and the connection's URL, then rerun the partition: the same "
        "delivery id never arrives twice",
    )


def rolled_back(error: BaseException) -> bool:
    """Whether the server said of a commit that it was none: then nothing was changed for certain.

    Of a lost connection (08) and a server that is shut down (57) nobody knows what it came to.
    """
    state = str(getattr(error, "sqlstate", None) or "")
    return bool(state) and not state.startswith(("08", "57", "XX"))


def _one_line(text: str) -> str:
    server = re.search(r"(?:ERROR|FATAL|PANIC):\s*([^\n]*)", text)
    line = server[1] if server else text.strip().partition("\n")[0]
    return line.strip()[:500]
