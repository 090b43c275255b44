"""What a vendor says of a request that it has not taken: again later, or never as it is.

Belongs here: the two exceptions. Does not: what follows them (`batches`), which answers they are (`answers`).
"""


class TryAgain(Exception):
    """The vendor did not take a request this time; the work may have been done all the same.

    With `nothing_done` it was not, for certain: nobody was reached, or the vendor says that it took nothing.

    `after` are the seconds it asks for, None if it does not say. `everyone`: no request of this destination
    would be taken now, so all senders pause; so it is when the vendor asks for seconds. `suspect`: the
    vendor stumbled over this request (an internal error, no answer), which its rows may be the reason of.
    """

    def __init__(
        self,
        said: str,
        after: float | None = None,
        everyone: bool = False,
        suspect: bool = False,
        *,
        nothing_done: bool = False,
    ) -> None:
        super().__init__(said, after, everyone, suspect)
        self.said = said
        self.after = after
        self.everyone = everyone or after is not None
        self.suspect = suspect and not self.everyone
        self.nothing_done = nothing_done

    def __str__(self) -> str:
        return self.said


class BatchRefused(Exception):
    """The vendor refused a request whole for something in it; it is split to find the rows at fault.

    `code` is the vendor's error code, "" if it gives none; `said` its message. `nothing_done`: by its
    documents it has done nothing of the request then.
    """

    def __init__(self, code: str, said: str, *, nothing_done: bool = False) -> None:
        super().__init__(code, said)
        self.code = code
        self.said = said
        self.nothing_done = nothing_done

    def __str__(self) -> str:
        return f"{self.code} {self.said}".strip()
