"""A setting whose value is read where its reference points, when it is used.

A value is kept for five minutes in a process where reading it costs a request; `renewed` asks anew. Belongs
here: that, and references within a URL. Does not belong here: the kinds of references (`kinds`).
"""

import re
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from sluicegate.core.problems import SettingsError
from sluicegate.core.secrets.errors import SecretError
from sluicegate.core.secrets.kinds import Reference, reference_of
from sluicegate.core.secrets.redaction import keep_out, redacted, secrets_in

KEPT_SECONDS = 300.0
_WITHIN = re.compile(r"\$\{(secret\+[^}]*)\}", re.IGNORECASE)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_BEGINS = "secret+"


class Kept:
    """What this process has read, each with the moment (seconds of `clock`)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._values: dict[str, tuple[float, str]] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    def value(self, reference: Reference, *, anew: bool = False) -> str:
        """Return what a reference points to; `anew` whatever is kept.

        Raises:
            SecretError: its store does not give it.
        """
        with self._locks[reference.written]:
            now = self._clock()
            at, value = self._values.get(reference.written, (0.0, ""))
            if value and not anew and now - at < KEPT_SECONDS:
                return value
            value = _read(reference)
            if reference.kind.kept:
                self._values[reference.written] = (now, value)
            return value


KEPT = Kept()


class ByReference(SecretStr):
    """A secret setting that says where its value is; equal to others that say the same.

    `variable` is the setting's, for people; `check` raises ValueError for a value that does not fit.
    """

    def __init__(
        self,
        written: str,
        variable: str,
        check: Callable[[str], object] | None = None,
        *,
        lasting: bool = False,
    ) -> None:
        """Read what is written, and nothing that it points to.

        Raises:
            SecretError: it is no reference.
        """
        super().__init__(written)
        self.variable, self._check, self._lasting = variable, check, lasting
        try:
            self._references()
        except SecretError as error:
            raise SecretError(f"{variable}: {error.what}", error.expected, error.fix) from None

    @property
    def written(self) -> str:
        """What stands in the environment; no secret."""
        return self._secret_value

    @property
    def whole(self) -> bool:
        """Whether all of it is one reference, so that nothing of the value is known before it is read."""
        return self.written.lower().startswith(_BEGINS)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that are spoken to in order to read it, as far as they are known."""
        return tuple(host for one in self._references() for host in one.kind.hosts(one.address))

    def get_secret_value(self) -> str:
        """Return what it is now.

        Raises:
            SecretError: it cannot be read.
            SettingsError: it does not fit.
        """
        return _first_value(self) if self._lasting else self.value()

    def renewed(self, used: str) -> str | None:
        """Return what it is now, where that is not what was used; its store is asked if need be."""
        try:
            return next((now for anew in (False, True) if (now := self.value(anew=anew)) != used), None)
        except SettingsError:
            return None

    def put_in(self, text_of: Callable[[str], str]) -> str:
        """Return what is written, with something else in the place of each reference within it."""
        return _WITHIN.sub(lambda found: text_of(found[1]), self.written)

    def _references(self) -> list[Reference]:
        written = [self.written] if self.whole else _WITHIN.findall(self.written)
        if not self.whole and len(written) < self.written.lower().count("${" + _BEGINS):
            raise SecretError("a reference has no end", "${secret+KIND:ADDRESS}", "write the }")
        return [reference_of(one) for one in written]

    def value(self, *, anew: bool = False) -> str:
        """Return what it is now, `anew` whatever is kept of it; raises as `get_secret_value`."""
        read = {one.written: self._of(one, anew=anew) for one in self._references()}
        keep_out(read.values())
        escaped = _URL.match(self.written) is not None
        value = self.put_in(lambda one: quote(read[one], safe="") if escaped else read[one])
        if self.whole:
            value = read[self.written]
            keep_out(secrets_in(value))
        try:
            if self._check is not None:
                self._check(value)
        except ValueError as error:
            raise SettingsError(
                "SLU-C001", f"{self.variable}, read by `{self.written}`, is {error}"
            ) from None
        return value

    def _of(self, reference: Reference, *, anew: bool) -> str:
        what = f"{self.variable}: `{reference.written}` cannot be read"
        try:
            value = KEPT.value(reference, anew=anew)
        except SecretError as error:
            raise SecretError(f"{what}: {redacted(error.what)}", error.expected, error.fix) from None
        if not value or value.lower().startswith(_BEGINS):
            said = "it is a reference itself" if value else "it is empty"
            raise SecretError(f"{what}: {said}", "a secret", "put the secret there")
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByReference) and self.written == other.written

    def __hash__(self) -> int:
        return hash(self.written)


@cache
def _first_value(secret: ByReference) -> str:
    """Return what it was at first: a key that names what was made by it does not change within a process."""
    return secret.value()


def secret_of(
    text: str, variable: str, check: Callable[[str], object] | None = None, *, lasting: bool = False
) -> SecretStr:
    """Return a secret setting, by reference where a reference is written.

    Raises:
        SecretError: it begins as a reference and is none.
    """
    refers = text.strip().lower().startswith(_BEGINS) or "${" + _BEGINS in text.lower()
    return ByReference(text.strip(), variable, check, lasting=lasting) if refers else SecretStr(text)


def _read(reference: Reference) -> str:
    try:
        value: Any = reference.kind.read(reference.address)
    except SecretError:
        raise
    except Exception as error:
        # Another's code: its text may hold anything.
        said = f"{type(error).__name__} in the package that reads it"
        raise SecretError(
            said, "a secret", "look there: its text is not shown, as it may hold the secret"
        ) from None
    if not isinstance(value, str):
        raise SecretError(f"it is {type(value).__name__}", "a text", "correct the package that reads it")
    return value
