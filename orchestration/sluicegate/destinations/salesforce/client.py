"""Salesforce's REST interface: signing in, requests, errors sorted by what they mean, queries.

Belongs here: what holds for every request to Salesforce, whatever it is for. Does not: what a shard is,
bulk jobs (`jobs`), fields and their types (`fields`).

Sources, all on developer.salesforce.com: "OAuth 2.0 Client Credentials Flow for Server-to-Server Integration"
(help.salesforce.com, remoteaccess_oauth_client_credentials_flow), "Status Codes and Error Responses"
(api_rest/errorcodes.htm), "Limit Info Header" (api_rest/headers_api_usage.htm), "Query" and "Query More
Results" (api_rest/resources_query.htm), "Versions" (api_rest/resources_versions.htm), "API End-of-Life
Policy" (api_rest/api_rest_eol.htm).
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import unquote, urlencode

from ..answers import Answer, is_nothing_done
from ..batches import TryAgain
from ..errors import DeliveryError
from ..http import VendorClient
from ..pace import back_off_seconds
from .forms import FOUND, Found, Granted, Version

T = TypeVar("T")
Record = Mapping[str, Any]

# Of "Status Codes and Error Responses" and of StatusCode in "Core Data Types Used in API Calls": nothing is
# wrong with the row, and the same row may be taken a moment later.
TRANSIENT_CODES = frozenset(
    {
        "UNABLE_TO_LOCK_ROW",
        "SERVER_UNAVAILABLE",
        "QUERY_TIMEOUT",
        "REQUEST_RUNNING_TOO_LONG",
        "UNKNOWN_EXCEPTION",
    }
)
# The answers that Salesforce gives a reason with, in a body; the client would take some for an outage.
_JUDGED_HERE = (300, 400, 401, 403, 404, 405, 409, 410, 412, 414, 415, 428, 431)
_ALL_REQUESTS_USED = "TotalRequests"
# The daily allocation is counted over 24 rolling hours ("API Request Limits and Allocations"): it refills
# slowly, and asking every second would use up what comes free.
_SECONDS_UNTIL_REQUESTS_REFILL = 300.0
_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")


class RequestRefused(Exception):
    """Salesforce refused one request, and did nothing; `code` is its errorCode, `said` its message."""

    def __init__(self, status: int, code: str, said: str) -> None:
        super().__init__(status, code, said)
        self.status = status
        self.code = code
        self.said = said


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests that the whole organisation has made in 24 hours, of how many."""

    used: int
    allowed: int

    @property
    def left(self) -> int:
        """How many it may still make."""
        return max(self.allowed - self.used, 0)


def credentials(url: str) -> tuple[str, str]:
    """The client id and client secret of a connection's URL.

    Raises:
        DeliveryError: one of them is missing.
    """
    pair, at, _ = url.partition("://")[2].partition("?")[0].rpartition("@")
    client_id, _, secret = pair.partition(":")
    if not at or not client_id or not secret:
        raise DeliveryError(
            "SLU-V001",
            "the connection's URL has no client id and client secret",
            "salesforce://CLIENT_ID:CLIENT_SECRET@mydomain.my.salesforce.com",
            "set the connection's variable to such a URL; both are an app's with the client credentials flow",
        )
    return unquote(client_id), unquote(secret)


class SalesforceClient:
    """Requests of one app to one organisation; from any thread.

    Args:
        url: the connection's URL.
        version: of the API, such as "v64.0".
        left: seconds that what is asked now may take; as long is a request repeated that is not answered.
        left_to_others: so many of the organisation's requests in 24 hours are not taken.
    """

    def __init__(self, url: str, version: str, left: Callable[[], float], left_to_others: int = 0) -> None:
        self.left = left
        self._left_to_others = left_to_others
        self._client_id, self._secret = credentials(url)
        self._vendor = VendorClient(url, secrets=(self._secret,), left=left)
        self._version = version
        self._root = f"/services/data/{version}"
        self._token = ""
        self._user = ""
        self._signing_in = threading.Lock()
        self._pause = threading.Event()
        self.usage: Usage | None = None

    @property
    def host(self) -> str:
        """The organisation's host, to be shown."""
        return self._vendor.host

    @property
    def user(self) -> str:
        """The id of the user that the app runs as; "" if Salesforce did not say."""
        self._signed_in("")
        return self._user

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._pause.wait(seconds)

    def patiently(self, call: Callable[[], T], seconds: float | None = None) -> T:
        """Call until it is answered, ever later.

        Args:
            call: is repeated where it raises `TryAgain`; so it must do no harm twice.
            seconds: of patience, if less than the client's.

        Raises:
            DeliveryError: Salesforce did not answer in that time.
        """
        patience = self.left() if seconds is None else min(seconds, self.left())
        until = time.monotonic() + patience
        attempt = 0
        while True:
            try:
                return call()
            except TryAgain as again:
                pause = back_off_seconds(attempt, again.after)
                attempt += 1
                if time.monotonic() + pause > until:
                    said = again.said
                    break
            self.wait(pause)
        raise DeliveryError(
            "SLU-V301",
            f"Salesforce did not take a request in {attempt} attempts: {said}",
            "an answer",
            "look at status.salesforce.com and at Setup > Company Information > API Requests; then run again",
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content: bytes | None = None,
        content_type: str | None = None,
        accept: str = "application/json",
        params: Mapping[str, str] | None = None,
        timeout: float = 120.0,
        most_bytes: int | None = None,
    ) -> Answer:
        """Send one request; a session that has ended is begun anew, once.

        Args:
            method: of HTTP.
            path: below the version, such as "/jobs/ingest", or a whole path that Salesforce gave.
            body: is sent as JSON.
            content: is sent as it is; `content_type` says what it is.
            content_type: of `content`.
            accept: the media type of the answer.
            params: of the query.
            timeout: seconds without a byte; Salesforce itself gives up after 10 minutes.
            most_bytes: that the answer may have, if more than is usual.

        Raises:
            TryAgain: the organisation's requests are used up, or what `VendorClient.request` says.
            RequestRefused: anything else that Salesforce says no to.
            DeliveryError: the credentials or the user's rights do not suffice, or the requests that there are
                are left to others.
        """
        self._check_left()
        path = path if path.startswith("/services/") else self._root + path
        headers = {"Accept": accept}
        if content_type:
            headers["Content-Type"] = content_type
        stale = ""
        while True:
            token = self._signed_in(stale)
            answer = self._vendor.request(
                method,
                path,
                json=body,
                content=content,
                params=params,
                headers={**headers, "Authorization": f"Bearer {token}"},
                timeout=timeout,
                returned=_JUDGED_HERE,
                **({"most_bytes": most_bytes} if most_bytes else {}),
            )
            self._note_usage(answer)
            if answer.status_code < 300:
                return answer
            if answer.status_code == 401 and not stale:
                stale = token
                continue
            raise self._refusal(answer)

    def get(
        self,
        path: str,
        form: Any,
        expected: str,
        params: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Any:
        """Read JSON, patiently; fractions come as Decimal, so that none is rounded on the way.

        Args:
            path: as of `request`.
            form: of the answer, as `Answer.read` takes it; `expected` is the same in words.
            expected: for the error.
            params: of the query.
            seconds: of patience, if less than the client's.

        Raises:
            RequestRefused: Salesforce says no.
            DeliveryError: it does not answer, or does not know the credentials, or answers what it should
                not.
        """
        answer = self.patiently(lambda: self.request("GET", path, params=params), seconds)
        return answer.read(form, expected, exact=True)

    def pages(self, soql: str) -> Iterator[Sequence[Record]]:
        """Yield what a query finds, page by page: up to 2,000 records each."""
        page: Found = self.get("/query", Found, FOUND, {"q": soql})
        if page.done and page.totalSize not in (None, len(page.records)):
            said = f"{len(page.records)} of {page.totalSize} records, and no more to come"
            raise self.strange(said, "all records that the query finds")
        while True:
            if page.records:
                yield page.records
            if page.done:
                return
            if not page.nextRecordsUrl:
                raise self.strange("a page that is not the last, and no next one", FOUND)
            page = self.get(page.nextRecordsUrl, Found, FOUND)

    def strange(self, why: str, expected: str) -> DeliveryError:
        """The error for an answer that does not answer what was asked."""
        return self._vendor.strange(why, expected)

    def check_version(self, seconds: float) -> None:
        """Raise where the organisation has no interface of the version that was asked for.

        Salesforce gives each version three years at least, and answers 410 for one that it has retired and
        404 for one that the organisation does not have yet; so it does for an object that there is not.

        Args:
            seconds: of patience.

        Raises:
            DeliveryError: it has retired the version, or does not have it yet.
        """
        expected = '[{"version": "64.0", …}, …]'
        try:
            told: list[Version] = self.get("/services/data", list[Version], expected, seconds=seconds)
        except RequestRefused as refused:
            raise DeliveryError(
                "SLU-V001",
                f"{self.host} does not say which versions it has: HTTP {refused.status} {refused.said}",
                "an organisation's own host, as in mydomain.my.salesforce.com",
                "correct the host in the connection's URL",
                nothing_done=True,
            ) from None
        known = [f"v{one.version}" for one in told] or ["none"]
        if self._version not in known:
            raise DeliveryError(
                "SLU-V308",
                f"{self.host} has no interface of version {self._version}",
                f"{known[0]} to {known[-1]}",
                f"set `api_version: {known[-1]}` in destination.options of the export file",
                nothing_done=True,
            )

    def close(self) -> None:
        """Close the connections."""
        self._vendor.close()

    def _signed_in(self, stale: str) -> str:
        """A session's token that is not `stale`; several threads get one and the same."""
        with self._signing_in:
            if not self._token or self._token == stale:
                self._sign_in()
            return self._token

    def _sign_in(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._secret,
        }
        answer = self._vendor.request(
            "POST",
            "/services/oauth2/token",
            content=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            returned=(400, 401, 403),
        )
        if answer.status_code >= 300:
            raise self._vendor.refused(
                answer,
                "SLU-V002",
                f"{self.host} does not sign this app in: {self._vendor.shown(answer.text)}",
                "an app of this organisation with the client credentials flow and a user to run as",
                "check client id and secret in the connection's variable, and the app in Setup > External "
                "Client App Manager",
            )
        # Not shown where its form is wrong: it may hold a session all the same.
        answer = replace(answer, shown=lambda _: "")
        granted: Granted = answer.read(Granted, '{"access_token": …, "id": …}')
        self._token = granted.access_token
        self._user = (granted.id or "").rpartition("/")[2]

    def _check_left(self) -> None:
        usage = self.usage
        if usage is None or not self._left_to_others or usage.left > self._left_to_others:
            return
        raise DeliveryError(
            "SLU-V311",
            f"{self.host} has {usage.left:,} of {usage.allowed:,} API requests of 24 hours left",
            f"more than the {self._left_to_others:,} that `leave_requests` of the export leaves to others",
            "see Setup > Company Information > API Requests who uses them, and run again later: what was "
            "taken is not sent again; or lower the option",
            nothing_done=True,
        )

    def _note_usage(self, answer: Answer) -> None:
        found = _USAGE.search(answer.headers.get("sforce-limit-info", ""))
        if found:
            self.usage = Usage(int(found[1]), int(found[2]))

    def _refusal(self, answer: Answer) -> Exception:
        status = answer.status_code
        code, said = _reason(answer.text)
        said = self._vendor.shown(said)
        if code == "REQUEST_LIMIT_EXCEEDED":
            after = _SECONDS_UNTIL_REQUESTS_REFILL if _ALL_REQUESTS_USED in said else None
            return TryAgain(f"{code}: {said}", after, nothing_done=True)
        if code in TRANSIENT_CODES:
            return TryAgain(f"{code}: {said}")
        if status in (401, 403):
            return DeliveryError(
                "SLU-V307",
                f"{self.host} does not allow this to the app's user: {code} {said}".rstrip(),
                "a user with the API, and with the rights to read, create, edit and delete these records",
                "have an administrator of Salesforce give the user a permission set with them",
                nothing_done=True,
            )
        if status not in _JUDGED_HERE and not is_nothing_done(status):
            return answer.unexpected(
                "a status that Salesforce does not document", "2xx, or an error of its own"
            )
        return RequestRefused(status, code, said)


def _reason(text: str) -> tuple[str, str]:
    """The code and message of an error: a list of {message, errorCode}, or one such object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return "", text
    first = found[0] if isinstance(found, list) and found else found
    if not isinstance(first, dict):
        return "", text
    code = first.get("errorCode") or first.get("error") or ""
    return str(code), str(first.get("message") or first.get("error_description") or text)
