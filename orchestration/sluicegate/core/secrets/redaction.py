"""Taking what was read by reference out of all that this process writes.

One filter for the process, at what every text passes: records of logs, tracebacks, standard output and error.
It is there from the first secret that is read on. Belongs here: that, and which texts of a value are secret.
Does not belong here: secrets that stand in the environment as they are (`destinations.errors`).
"""

import base64
import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, TextIO
from urllib.parse import quote, quote_plus, unquote, unquote_plus

SHORTEST = 6
REDACTED = "***"
_SECRET_WORDS = (
    "password",
    "passwd",
    "secret",
    "token",
    "key",
    "credential",
    "connection_string",
    "sas",
    "pwd",
)
_lock = Lock()
_known: set[str] = set()
_pattern: re.Pattern[str] | None = None


def secrets_in(url: str) -> list[str]:
    """The secrets of a URL or connection string, as written and as meant; longest first."""
    found: set[str] = set()
    # By hand: a password with an unescaped character is read wrongly by urllib.
    credentials, at, _ = url.partition("://")[2].rpartition("@")
    if at:
        found.add(credentials.partition(":")[2])
    for pair in re.split("[?&;]", url):
        name, _, value = pair.partition("=")
        if "://" in name:
            continue
        if name.lower() == "sig" or any(word in name.lower() for word in _SECRET_WORDS):
            found.update((value, unquote_plus(value)))
    found.update([unquote(secret) for secret in found])
    return sorted((secret for secret in found if secret), key=len, reverse=True)


def keep_out(values: Iterable[str]) -> None:
    """Take these values, if they are long enough to be told from words, out of whatever is written."""
    global _pattern
    new = {value for value in values if len(value) >= SHORTEST} - _known
    if new:
        with _lock:
            _known.update(new)
            forms = {form for value in _known for form in _forms(value) if len(form) >= SHORTEST}
            _pattern = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))
    _install()


def redacted(text: str) -> str:
    """Return a text without any secret that was read."""
    return _pattern.sub(REDACTED, text) if _pattern is not None else text


def _forms(value: str) -> Iterable[str]:
    yield from (value, value.strip(), quote(value, safe=""), quote(value), quote_plus(value))
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1])
    raw = value.encode()
    # Base64 of a longer text has the value's at one of three places; what its neighbours share is cut off.
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode()
        whole = encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield from (whole, whole.replace("+", "-").replace("/", "_"))


class _Stream:
    """A standard stream that writes no secret; the stream itself in all else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redacted(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _install() -> None:
    # Whoever replaces a stream later, as tests do, is met at the next secret that is read.
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, _Stream):
            setattr(sys, name, _Stream(stream))
    if not getattr(logging.getLogRecordFactory(), "redacts", False):
        logging.setLogRecordFactory(_records(logging.getLogRecordFactory()))
    if not getattr(traceback.TracebackException.__init__, "redacts", False):
        # What formats a traceback, Dagster's events and logging included, asks it for the error's text.
        # Private to Python; a test notices when it changes.
        setattr(traceback.TracebackException, "__init__", _texts(traceback.TracebackException.__init__))  # noqa: B010


def _records(make: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    def redacting(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        try:
            said = record.getMessage()
        except Exception:
            return record  # its handler says what is wrong with it
        if (shown := redacted(said)) != said:
            record.msg, record.args = shown, None
        return record

    vars(redacting)["redacts"] = True
    return redacting


def _texts(init: Callable[..., None]) -> Callable[..., None]:
    def redacting(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        if isinstance(said := getattr(self, "_str", None), str):
            self._str = redacted(said)
        if notes := getattr(self, "__notes__", None):
            self.__notes__ = [redacted(str(note)) for note in notes]

    vars(redacting)["redacts"] = True
    return redacting
