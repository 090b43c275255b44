"""Talking to vendors over HTTP: one pool of connections, answers sorted by what they mean.

Belongs here: requests, answers read up to a bound, how long a vendor asks to wait. Does not: what answers
mean (`answers`), pace and trying again (`batches`), anything of one vendor.
"""

import logging
import math
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any

from .answers import Answer, Meaning, is_nothing_done, meaning_of, unexpected
from .batches import TryAgain
from .errors import DeliveryError, UnexpectedAnswer, secrets_in
from .permission import may_send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_DEFAULT_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
# For a whole request, however it is fed; what is uploaded may take longer.
_WHOLE_SECONDS = 300.0
_SHOWN_CHARACTERS = 500
# Of an answer that is JSON: far above what any vendor answers to a request for a page or a batch.
_MOST_BYTES = 64_000_000
# Of an answer that only explains why something was not done.
_MOST_EXPLAINING_BYTES = 100_000
# Above this a "reset" is a moment since 1970 and not a number of seconds to wait; a wait of 3 years is none.
_SMALLEST_MOMENT = 100_000_000
# Nobody keeps away for longer, whatever is said: a vendor's mistake would be ours until the next start.
_LONGEST_WAIT_SECONDS = 86_400.0
_RESET_HEADERS = ("x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset")


class AccessDenied(DeliveryError):
    """The vendor answered 401 or 403; `status` says which, `said` are its words, without secrets."""

    status: int = 0
    said: str = ""


def base_url(url: str) -> str:
    """The address that a connection's URL names: `https://host[:port]`; plain HTTP for a loopback host.

    Raises:
        DeliveryError: the URL names no host.
    """
    authority = _authority(url)
    host = (
        authority.partition("]")[0].strip("[") if authority.startswith("[") else authority.partition(":")[0]
    )
    if not host:
        raise DeliveryError(
            "SLU-V001",
            "the connection's URL names no host",
            "KIND://[user]:[secret]@host[:port], a character that is special in URLs written as %XX",
            "set the connection's variable to such a URL",
        )
    return f"{'http' if host in LOOPBACK else 'https'}://{authority}"


def _authority(url: str) -> str:
    # By hand, as in `secrets_in`: urllib reads an unescaped password wrongly, and would show it as the host.
    return url.partition("://")[2].partition("?")[0].rpartition("@")[2].partition("/")[0].lower()


def wait_asked_for(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that an answer asks to wait; None if it does not say. `now` is in seconds since 1970.

    Reads `Retry-After` (seconds or a date, RFC 9110 section 10.2.3) and the usual reset headers of rate
    limits, which vendors give as seconds or milliseconds since 1970, or as seconds from now. It is a day at
    most: who is asked again then, says so again.
    """
    asked_for = _wait_said(headers, now)
    return None if asked_for is None else min(asked_for, _LONGEST_WAIT_SECONDS)


def _wait_said(headers: Mapping[str, str], now: float) -> float | None:
    asked = headers.get("retry-after", "").strip()
    if asked:
        seconds = _number(asked)
        if seconds is None:
            try:
                seconds = parsedate_to_datetime(asked).timestamp() - now
            except ValueError:
                return None
        return max(0.0, seconds)
    for name in _RESET_HEADERS:
        reset = _number(headers.get(name, "").strip())
        if reset is not None:
            if reset > _SMALLEST_MOMENT * 1000:
                reset /= 1000
            return max(0.0, reset - now if reset > _SMALLEST_MOMENT else reset)
    return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class VendorClient:
    """Requests to one vendor, from any thread, over one pool of connections.

    Args:
        url: the connection's URL, secrets and all; only its host is spoken to.
        headers: go with every request.
        secrets: texts that are taken out of everything that is shown, beside those of the URL.
        connections: how many there are at most.
        left: how many seconds a request may take now, whatever it is; no limit if none is given.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Collection[str] = (),
        connections: int = 16,
        left: Callable[[], float] | None = None,
    ) -> None:
        httpx = import_module("httpx")
        self._left = left or (lambda: float("inf"))
        self._lost_last = ""
        # It logs every URL at level INFO, and a query may hold a token.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._base = base_url(url)
        self._secrets = sorted({*secrets_in(url), *filter(None, secrets)}, key=len, reverse=True)
        self._client: Any = httpx.Client(
            base_url=self._base,
            headers=dict(headers or {}),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            # A proxy of the environment is for the world outside, not for this machine; and a list of
            # authorities takes long to read where no certificate comes.
            trust_env=self._base.startswith("https"),
            verify=self._base.startswith("https"),
        )
        self._deadlines: Any = import_module("sluicegate.destinations.deadlines").Deadlines()
        self._deadlines.keep(self._client)

    @property
    def host(self) -> str:
        """The host and port, to be shown."""
        return self._base.partition("://")[2]

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = _DEFAULT_SECONDS,
        returned: Collection[int] = (),
        most_bytes: int = _MOST_BYTES,
    ) -> Answer:
        """Send a request and return the answer, read whole; redirects are not followed.

        `timeout` are seconds without a byte; all of it together takes ten times as long at most, or what the
        destination has left, whichever is less. `returned` are status codes that the caller judges itself,
        which would raise otherwise. What is longer than `most_bytes` is not read to its end.

        Raises:
            TryAgain: 408, 429, any 5xx, time-outs, lost connections; the work may have been done.
            AccessDenied: 401 or 403; a DeliveryError.
            UnexpectedAnswer: a redirect, or what is no HTTP; a DeliveryError.
            DeliveryError: another process sends now; nothing has left.
            DeliveryError: the host's certificate is not trusted.
        """
        httpx = import_module("httpx")
        left = self._left()
        if left <= 0:
            before = f"; before, {self._lost_last}" if self._lost_last else ""
            raise TryAgain(f"{self.host} was not asked any more: no time is left{before}", nothing_done=True)
        may_send()
        whole = min(left, max(_WHOLE_SECONDS, 10 * timeout))
        self._deadlines.set(whole)
        try:
            with self._client.stream(
                method,
                path,
                json=json,
                content=content,
                params=params,
                headers=headers,
                timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS), pool=timeout),
            ) as response:
                answer = self._read(response, most_bytes)
        except httpx.TransportError as error:
            if self._deadlines.passed() and not isinstance(error, httpx.ConnectTimeout):
                self._lost_last = f"{self.host}: no whole answer within {whole:.3g} s"
                raise TryAgain(self._lost_last, suspect=whole < left) from None
            raise self._lost(error) from None
        status = answer.status_code
        if status in returned:
            return answer
        if status in (401, 403):
            raise self._denied(status, answer.text)
        if meaning_of(status) is Meaning.TRY_AGAIN:
            everyone = status in (429, 503)
            after = wait_asked_for(answer.headers, time.time()) if everyone else None
            raise TryAgain(
                self.shown(f"HTTP {status} {answer.text}"),
                after,
                everyone,
                suspect=not everyone and status != 408,
                # 429 is said before any work; a gateway may say 503 of what is being worked on behind it.
                nothing_done=is_nothing_done(status),
            )
        if not 200 <= status < 300 and not 400 <= status < 500:
            to = (
                f"; it points to {self.shown(answer.headers['location'])}"
                if "location" in answer.headers
                else ""
            )
            raise answer.unexpected(f"no redirect is followed{to}", "2xx, 4xx or 5xx")
        return answer

    def refused(self, answer: Answer, code: str, what: str, expected: str, fix: str) -> DeliveryError:
        """The error for a status that nothing is known of but what RFC 9110 says."""
        if is_nothing_done(answer.status_code):
            return DeliveryError(code, what, expected, fix, nothing_done=True)
        return UnexpectedAnswer(code, what, expected, fix)

    def strange(self, why: str, expected: str) -> UnexpectedAnswer:
        """The error for an answer whose form is right, and that does not answer what was asked."""
        return unexpected(self.host, why, "", expected)

    def _read(self, response: Any, most_bytes: int) -> Answer:
        """Read an answer's body, or as much of it as tells enough."""
        httpx = import_module("httpx")
        status = int(response.status_code)
        if status >= 300:
            most_bytes = min(most_bytes, _MOST_EXPLAINING_BYTES)
        content, wrong = bytearray(), ""
        try:
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > most_bytes:
                    wrong = f"it is longer than {most_bytes:,} bytes"
                    break
        except httpx.DecodingError:
            encoding = self.shown(response.headers.get("content-encoding", ""))
            wrong = f"its body is not in its encoding, {encoding}"
        except httpx.TransportError:
            # The status has said already that nothing was taken.
            if status < 300:
                raise
        return Answer(status, response.headers, bytes(content[:most_bytes]), self.host, self.shown, wrong)

    def shown(self, text: str) -> str:
        """A text on one line, without secrets, shortened to what a person reads."""
        text = " ".join(text.split())
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"

    def close(self) -> None:
        """Close the connections; the next request fails."""
        self._client.close()

    def _denied(self, status: int, text: str) -> AccessDenied:
        said = self.shown(text)
        reason = "does not know these credentials" if status == 401 else "does not allow this with them"
        error = AccessDenied(
            "SLU-V002",
            f"{self.host} {reason}: HTTP {status} {said}".rstrip(),
            "credentials that are valid and have the rights that the runbook lists",
            "renew the secret in the connection's variable, or have the vendor's administrator grant them",
            nothing_done=True,
        )
        error.status, error.said = status, said
        return error

    def _lost(self, error: Exception) -> Exception:
        httpx = import_module("httpx")
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return DeliveryError(
                    "SLU-V003",
                    f"the certificate of {self.host} is not trusted: {cause.verify_message}",
                    "a certificate that this machine's authorities vouch for",
                    "check the host in the connection's URL; behind a company's proxy, set SSL_CERT_FILE",
                    nothing_done=True,
                )
            cause = cause.__cause__ or cause.__context__
        said = self.shown(f"{type(error).__name__} {error}")
        ended = "disconnected" in str(error) or "closed connection" in str(error)
        if isinstance(error, httpx.RemoteProtocolError) and not ended:
            return unexpected(self.host, f"no HTTP: {said}", "", "HTTP/1.1")
        self._lost_last = f"{self.host}: {said}"
        unanswered = isinstance(error, (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError))
        return TryAgain(
            self._lost_last,
            suspect=unanswered,
            # No connection: not a byte of the request has left.
            nothing_done=isinstance(
                error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
            ),
        )
