"""What Microsoft's parser has answered, kept by digests: nobody starts it for what is known.

Belongs here: what is kept, where, and when the parser is started. Does not belong here: what is asked.

What is kept is bounded by the project: an answer that nobody asked for since the file was read is not
written again. A file that is damaged, or of another version of the parser or of this code, is as if it were
not there.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import uuid4

from sluicegate.core.json_records import bytes_of, json_of, record_of
from sluicegate.kusto.language.engine import Command, Database, KustoLanguage, Query, language_digest

# Raised when what is asked or kept is another.
_FORM = 2
Answer = TypeVar("Answer", Command, Query)


class Parses:
    """Answers of the parser: kept ones, or new ones; a context, in which it is started once at most.

    Args:
        kept: the file; None if nothing is kept.
        start: what starts the parser. In a process of its own by default: V8 in this one would be a thread
            of Dagster's code server, and could end it.
    """

    def __init__(self, kept: Path | None, start: Callable[[], KustoLanguage] | None = None) -> None:
        self._file = kept
        self._start = start or (lambda: KustoLanguage(apart=True))
        self._language: KustoLanguage | None = None
        self._by = f"{_FORM} {language_digest()}"
        self._kept = self._read()
        self._asked: dict[str, Any] = {}
        self._is_new = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if self._language is not None:
            self._language.__exit__()
        if error is None and (self._is_new or self._asked.keys() != self._kept.keys()):
            self._write()

    @property
    def language(self) -> KustoLanguage:
        """The parser, started where it is not yet."""
        if self._language is None:
            self._language = self._start()
            self._language.__enter__()
        return self._language

    def command(self, text: str, kinds: Sequence[str] = ()) -> Command:
        """Parse one management command."""
        return self._answer(
            Command, digest_of("command", text, *kinds), lambda: self.language.command(text, kinds)
        )

    def query(self, text: str, database: str, use: Callable[[], Database]) -> Query:
        """Analyse a query in a database: `database` is a digest of what of it the query may read."""
        return self._answer(Query, digest_of("query", text, database), lambda: self._analysed(text, use()))

    def words(self, text: str) -> Sequence[str]:
        """Return the words of a text without blanks and comments."""
        return list(self._plain(digest_of("words", text), lambda: list(self.language.tokens(text))))

    def call(self, text: str) -> str:
        """Return the function that a text calls with literals alone, "" if it is not one such call."""
        return str(self._plain(digest_of("call", text), lambda: self.language.call(text)))

    def builtins(self) -> frozenset[str]:
        """Return the names of Kusto's own functions."""
        return frozenset(self._plain("builtins", lambda: sorted(self.language.builtins())))

    def _plain(self, key: str, ask: Callable[[], Any]) -> Any:
        if key not in self._asked:
            self._asked[key] = self._kept[key] if key in self._kept else ask()
        return self._asked[key]

    def _analysed(self, text: str, database: Database) -> Query:
        self.language.use_once(database)
        return self.language.query(text)

    def _answer(self, kind: type[Answer], key: str, ask: Callable[[], Answer]) -> Answer:
        if key in self._asked:
            return record_of(kind, self._asked[key])
        if key in self._kept:
            with suppress(ValueError):
                found = record_of(kind, self._kept[key])
                self._asked[key] = self._kept[key]
                return found
        answer = ask()
        self._asked[key], self._is_new = json_of(answer), True
        return answer

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._file.read_bytes()) if self._file else {}
            return dict(kept["answers"]) if kept.get("by") == self._by else {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return {}

    def _write(self) -> None:
        if self._file is None:
            return
        # A directory that may only be read is one whose answers are asked for each time.
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial = self._file.with_suffix(f".{uuid4().hex}.partial")
            partial.write_bytes(bytes_of({"by": self._by, "answers": self._asked}))
            os.replace(partial, self._file)


def digest_of(*parts: str) -> str:
    """Return a digest of texts, each told from the next."""
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()
