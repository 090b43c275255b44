"""What Postgres and its driver say, put for the engineer on call.

Belongs here: SQLSTATEs and their fixes. Does not: statements. Only the server's one-line message
is passed on: its DETAIL repeats rows, which may be personal data, and its text repeats the query.
"""

import re
from collections.abc import Sequence

from ..answers import Line, Meaning
from ..errors import DeliveryError, redact

_NOTHING = "the transaction is rolled back: nothing was changed for certain, and the delivery fails"
# "PostgreSQL Error Codes" (postgresql.org/docs/current/errcodes-appendix.html), by beginnings of SQLSTATE.
DECISIONS: Sequence[Line] = (
    Line(
        "the commit's answer", Meaning.TAKEN, "all rows are acknowledged: id and rows were committed together"
    ),
    Line(
        "the delivery's id in `_sluice_deliveries`",
        Meaning.TAKEN,
        "an earlier attempt was committed, and nothing is sent; all rows are acknowledged",
    ),
    Line(
        "22, 23: values and rows that the table does not take",
        Meaning.NOTHING_DONE,
        f"{_NOTHING}; the error names constraint, columns and a row's key",
        states=("22", "23"),
    ),
    Line(
        "23505 of the key, where added rows were copied into the table itself",
        Meaning.TRY_AGAIN,
        "once more within the same attempt, as a merge; nothing was changed by the first",
        states=("23505",),
    ),
    Line(
        "28, 3D, 42: no such role, password, database; a missing right, a changed table",
        Meaning.NOTHING_DONE,
        _NOTHING,
        states=("28", "3D", "42"),
    ),
    Line(
        "40, 53, 55P03, 57014: another writer, no room, a lock or a statement longer than the budget",
        Meaning.NOTHING_DONE,
        f"{_NOTHING}; the next run tries again",
        states=("40", "53", "55P03", "57014"),
    ),
    Line(
        "no connection, or one that breaks or is silent before the commit",
        Meaning.NOTHING_DONE,
        f"{_NOTHING}: the server rolls back what nobody commits",
        states=("08",),
    ),
    Line(
        "08, 57P01 or silence while the commit is under way",
        Meaning.TRY_AGAIN,
        "it may have been committed; the next run asks `_sluice_deliveries`, and sends what is not there",
        states=("08", "57P01"),
    ),
    Line("any other SQLSTATE", Meaning.NOTHING_DONE, _NOTHING),
    Line(
        "what is no Postgres: the protocol breaks",
        Meaning.UNEXPECTED,
        "the delivery fails with the driver's words, and the next run asks `_sluice_deliveries`",
    ),
)
_BY_STATE: tuple[tuple[str, str, str, str], ...] = (
    (
        "42501",
        "SLU-V102",
        "a role that may read and write the table and the ledger, and create what is missing",
        "grant the privilege to the connection's role, then rerun the partition",
    ),
    (
        "23505",
        "SLU-V113",
        "values that no other row of the table holds, in the columns of the constraint that is named",
        "correct those columns in the export's model, or free the values in the table; a trigger that says so"
        " has its reason in its own words",
    ),
    (
        "23503",
        "SLU-V111",
        "rows that refer to what is there, and none that goes while others refer to it",
        "delete what refers to the row, or let it refer to another; then rerun",
    ),
    ("23502", "SLU-V105", "a value in every column that may not be null", "fix the export's model"),
    ("23", "SLU-V116", "rows that the table's own constraints allow", "fix the export's model, or the table"),
    (
        "22P05",
        "SLU-V117",
        "texts and names of characters that the database's encoding has",
        "name them otherwise in the export file and its model, or deliver to a database of encoding UTF8",
    ),
    (
        "22021",
        "SLU-V104",
        "text without NUL characters",
        "strip chr(0) from the column in the export's model",
    ),
    ("22", "SLU-V104", "values that the table's types can hold", "cast the column in the export's model"),
    (
        "42703",
        "SLU-V110",
        "a table with every column of the export",
        "compare the table's columns with the export's model: somebody has altered the table",
    ),
    (
        "54",
        "SLU-V119",
        "no more columns and sizes than Postgres' limits",
        "send fewer columns in the export's model",
    ),
    ("53", "SLU-V120", "room for the slice", "give the server disk, memory or connections, then rerun"),
    ("40", "SLU-V114", "no other writer of the same rows", "rerun the partition: nothing was changed"),
    ("55P03", "SLU-E006", "the table's lock within lock_timeout", "see who holds it in pg_locks, then rerun"),
    ("57", "SLU-V114", "a server that stays up, a statement within its time-out", "rerun the partition"),
    (
        "25006",
        "SLU-V121",
        "a server, database and role that take changes",
        "name the primary in the connection's URL if this is a standby; or: alter role … reset"
        " default_transaction_read_only",
    ),
    (
        "P0",
        "SLU-V106",
        "rows that the table's triggers take",
        "a trigger of the table says so: correct the export's model, or see with the table's owner",
    ),
    ("28", "SLU-V002", "a role and password that the server accepts", "correct the connection's URL"),
    ("3D", "SLU-V001", "a database that exists", "correct the connection's URL"),
)


def explain(error: BaseException, doing: str, url: str) -> DeliveryError:
    """The error to raise instead; the original is not chained to it, as it may hold secrets."""
    text = redact(_one_line(str(error)), url)
    state = str(getattr(error, "sqlstate", None) or "")
    # What the server refuses it rolls back; a server that goes away may have committed before.
    nothing_done = bool(state) and not state.startswith(("08", "57P"))
    for prefix, code, expected, fix in _BY_STATE:
        if state.startswith(prefix):
            said = f"{doing}: {text} (SQLSTATE {state})"
            return DeliveryError(code, said, expected, fix, nothing_done=nothing_done)
    if "NANOARROW" in text.upper() or "ArrowInvalid" in text:
        return DeliveryError(
            "SLU-V104",
            f"{doing}: {text}",
            "values that Postgres can hold (microseconds at most)",
            "cast the column in the export's model",
        )
    shown = f"{text} (SQLSTATE {state})" if state else text
    return DeliveryError(
        "SLU-V100",
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
