"""What a request brings to the destination, noted before it leaves and told when it is answered.

Belongs here: the note of one request, and when it is taken back. Does not: which rows go together, pace,
trying again (`batches`), where notes are kept (`base.Journal`).
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from .base import Journal, Refused
from .cutting import runs
from .permission import requests

R = TypeVar("R")
# The refused rows, and the note of the request that was answered; "" where that is to stay.
Answered = tuple[Sequence[Refused], str]


def carry(journal: Journal, numbers: Sequence[int], work: Callable[[], R]) -> tuple[R, str]:
    """Do what brings rows to the destination, noted before; return what it says, and the note.

    The note is taken back where the very first request has met what tells that nothing was done: of several,
    those before may have done something.
    """
    note, before = journal.leaving(list(runs(numbers)) if numbers else ()), requests()
    try:
        return work(), note
    except Exception as error:
        if getattr(error, "nothing_done", False) and requests() - before <= 1:
            journal.stayed(note)
        raise


def answered(found: Sequence[Refused], note: str) -> Answered:
    """Return what an answer says of rows; its note stays if something of a refused one may be there."""
    return found, "" if any(row.in_part for row in found) else note


def acknowledge(journal: Journal, numbers: Sequence[int], told: Answered) -> None:
    """Settle rows, which may lie apart; the note goes with the last of them."""
    refused, note = told
    for first, end in runs(numbers):
        within = [row for row in refused if first <= row.row < end]
        journal.acknowledge(first, end, within, note if end == numbers[-1] + 1 else "")
