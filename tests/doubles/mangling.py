"""Answers that are spoilt on their way, as proxies, login pages and broken servers spoil them.

Belongs here: a server before a double, and the ways to spoil. Does not: any vendor's words, expectations.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>"


@dataclass(frozen=True)
class Sent:
    """An answer; `claimed` is what it says of its length, where that is not its length."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    claimed: int | None = None


Mangle = Callable[[Sent], Sent]


class Mangling:
    """Passes requests on to `inner`, and spoils the answer to the `at`-th one from 0.

    Attributes:
        inner: the double.
        at: which answer is spoilt; None: none.
        how: spoils it.
        instead: the double never sees the request whose answer is spoilt: nothing is done.
        seen: method and path of each request, and its answer.
    """

    def __init__(self) -> None:
        self.inner: ASGIApp | None = None
        self.at: int | None = None
        self.how: Mangle = lambda sent: sent
        self.instead = False
        self.seen: list[tuple[str, str, Sent]] = []

    def spoil(
        self, inner: ASGIApp, at: int | None = None, how: Mangle | None = None, *, instead: bool = False
    ) -> None:
        """Begin anew before another double."""
        self.inner, self.at, self.how, self.seen = inner, at, how or (lambda sent: sent), []
        self.instead = instead

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.inner is not None
        if scope["type"] != "http":
            return
        number, at, how = len(self.seen), self.at, self.how
        # A place of its own, whatever is answered meanwhile.
        self.seen.append((scope["method"], scope["path"], Sent(0, {}, b"")))
        seen = self.seen
        head: Message = {}
        body = bytearray()

        async def collect(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start":
                head = message
            else:
                body.extend(message.get("body", b""))

        if self.instead and number == at:
            while (await receive()).get("more_body"):
                pass
            head = {"status": 200, "headers": []}
        else:
            await self.inner(scope, receive, collect)
        names = ((name.decode().lower(), value.decode()) for name, value in head["headers"])
        headers = {name: value for name, value in names if name != "content-length"}
        sent = Sent(head["status"], headers, bytes(body))
        seen[number] = (scope["method"], scope["path"], sent)
        if number == at:
            sent = how(sent)
        length = len(sent.body) if sent.claimed is None else sent.claimed
        told = {**sent.headers} if sent.status == 204 else {**sent.headers, "content-length": str(length)}
        raw = [(name.encode(), value.encode()) for name, value in told.items()]
        await send({"type": "http.response.start", "status": sent.status, "headers": raw})
        # Where more was claimed the server notices, and closes the connection.
        await send({"type": "http.response.body", "body": sent.body})


def _page(status: int) -> Mangle:
    return lambda _: Sent(status, {"content-type": "text/html"}, PAGE)


def _with_json(found: Any) -> Mangle:
    return lambda sent: replace(
        sent,
        status=200 if sent.status == 204 else sent.status,
        headers={**sent.headers, "content-type": "application/json"},
        body=json.dumps(found).encode(),
    )


def _headers(sent: Sent, **more: str) -> Mapping[str, str]:
    return {**sent.headers, **{name.replace("_", "-"): value for name, value in more.items()}}


# Whole answers that are none; what they mean is the same at every vendor.
NONSENSE: Mapping[str, Mangle] = {
    "a login page": _page(200),
    "a page in place of 201": _page(201),
    "a redirect": lambda sent: Sent(302, {"location": "https://login.example/?next=/"}, b""),
    "a redirect to the same": lambda sent: Sent(307, {"location": "/"}, b""),
    "gzip that is none": lambda sent: replace(
        sent, status=200, headers=_headers(sent, content_encoding="gzip"), body=sent.body or b"{}"
    ),
    "JSON that is cut": lambda sent: replace(
        sent, status=200, body=sent.body[: len(sent.body) // 2] if len(sent.body) > 1 else b'{"a'
    ),
    "JSON in UTF-16": lambda sent: replace(
        sent, status=200, body=json.dumps({"results": "ü"}).encode("utf-16")
    ),
    "text in Latin-1": lambda sent: replace(sent, status=200, body='{"results": "ü"}'.encode("latin-1")),
    "null": _with_json(None),
    "a number": _with_json(7),
    "a text": _with_json("OK"),
    "true": _with_json(True),
    "no number": lambda sent: replace(sent, status=200, body=b'{"results": NaN}'),
    "refused: true": _with_json({"refused": True}),
    "an error under 200": _with_json({"error": "no database"}),
    "too deep": lambda sent: replace(sent, status=200, body=b"[" * 100_000),
    "too much": lambda sent: replace(sent, status=200, body=b'{"results": "' + b"x" * 3_000_000 + b'"}'),
}
# Answers after which the same request is made again.
AGAIN: Mapping[str, Mangle] = {
    "cut off": lambda sent: replace(sent, claimed=len(sent.body) + 100) if sent.status != 204 else _cut(sent),
    "502 with a page": _page(502),
    "503 with a page": _page(503),
    "500 that is no gzip": lambda sent: Sent(500, {"content-encoding": "gzip"}, PAGE),
    "429 with a page": lambda sent: Sent(429, {"content-type": "text/html", "retry-after": "0"}, PAGE),
    "408": _page(408),
}


def _cut(sent: Sent) -> Sent:
    return Sent(200, sent.headers, b"", claimed=100)


# Answers that say for certain that nothing was done.
NOTHING_DONE: Mapping[str, Mangle] = {
    "403 with a page": _page(403),
    "404 with a page": _page(404),
    "405": _page(405),
}
OTHERS = (None, [], 7, "x", True)


def mistyped(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a name and a JSON text for each value within a JSON text, with each other type in its place.

    Of a list its first entry alone is looked into, and once the list is longer, and shorter, by one.
    """
    whole = json.loads(body)

    def put(path: tuple[Any, ...], value: Any) -> bytes:
        copy = json.loads(body)
        at = copy
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = value
        return json.dumps(copy).encode()

    def places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
        if path:
            yield path, value
        if isinstance(value, dict):
            for name, part in value.items():
                yield from places(part, (*path, name))
        elif isinstance(value, list) and value:
            yield from places(value[0], (*path, 0))

    for path, value in places(whole, ()):
        name = ".".join(map(str, path))
        for other in OTHERS:
            if type(other) is not type(value):
                yield f"{name} is {json.dumps(other)}", put(path, other)
        if isinstance(value, list) and value:
            yield f"{name} has one less", put(path, value[1:])
            yield f"{name} has one more", put(path, [*value, value[0]])
    if isinstance(whole, list) and whole:
        yield "one less", json.dumps(whole[1:]).encode()
        yield "one more", json.dumps([*whole, whole[0]]).encode()
