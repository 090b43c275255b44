"""Requests to HubSpot's CRM API, and what its answers mean.

Belongs here: paths, limits of requests. Does not: the forms of answers (`forms`), rows and shards
(`destination`).
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from ..answers import Answer
from ..batches import BatchRefused, TryAgain
from ..errors import DeliveryError, UnexpectedAnswer
from ..http import VendorClient, wait_asked_for
from .forms import LIMIT, LOCKED, MOVING, REFUSED_WHOLE, Associated, Labels, Page, Properties, Records
from .values import Property

# "100 per batch": https://developers.hubspot.com/docs/api-reference/legacy/crm/objects/contacts/guide
BATCH = 100
# The last of the numbered versions, which end in September 2027; then there are dates, as in 2026-09.
# https://developers.hubspot.com/docs/api-reference/legacy/migration-guide
NUMBERED = "v3"
# Half of the length from which HubSpot is known to answer 414; it publishes none.
_QUERY_CHARACTERS = 4_000
# Found in `message` of a validation error, which has JSON within: the code of the first property at fault.
_CODE = re.compile(r'"error"\s*:\s*"(\w+)"')
# 423: "a delay of at least 2 seconds", 477: an account that is being moved, with Retry-After.
# https://developers.hubspot.com/docs/api-reference/error-handling
_LOCKED_SECONDS = 2.0
# The windows that `policyName` of a 429 names; its answer states the longer one in a header, too.
_POLICY_SECONDS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0}
_RESULTS = '{"results": [{"id": …, "properties": {…}}, …], "errors": […]}'


class HubSpotClient:
    """One object type of one HubSpot account; every method is one request.

    All raise TryAgain for a request that was not taken this time, and DeliveryError where none would be.

    Args:
        url: the connection's URL, `hubspot://[ACCOUNT_ID]:TOKEN@api.hubapi.com`.
        token: the private app's access token.
        object_name: the object type, as in the API's paths.
        version: the API's, `v3` or a date as in `2026-09`.
        left: seconds that a request may take now.
    """

    def __init__(
        self,
        url: str,
        token: str,
        object_name: str,
        version: str = NUMBERED,
        left: Callable[[], float] | None = None,
    ) -> None:
        headers = {"authorization": f"Bearer {token}"}
        self._vendor = VendorClient(url, headers=headers, secrets=[token], left=left)
        self._object_name = object_name
        self._version = version

    def properties(self, object_name: str = "") -> Mapping[str, Property]:
        """The properties of an object type, by default the client's, by internal name."""
        answer = self._request("GET", f"{self._api('properties')}/{object_name or self._object_name}")
        if answer.status_code != 200:
            raise self._unexpected(answer, object_name)
        told: Properties = answer.read(Properties, '{"results": [{"name": …, "type": …}, …]}')
        found = [Property.read(one.model_dump()) for one in told.results]
        return {of.name: of for of in found}

    def upsert(self, inputs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Write up to 100 records; returns HubSpot's answer, with `errors` for those that it refused.

        Raises:
            BatchRefused: the request was refused whole.
        """
        return self._written(self._objects("batch/upsert", {"inputs": inputs}))

    def update(self, inputs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Write properties of up to 100 records by their ids; answered as `upsert` is.

        Raises:
            BatchRefused: the request was refused whole.
        """
        return self._written(self._objects("batch/update", {"inputs": inputs}))

    def labels(self, other: str) -> Sequence[Mapping[str, Any]]:
        """The kinds of association to another object type: `category`, `typeId`, and `label` or null."""
        answer = self._request("GET", f"{self._associations(other)}/labels")
        if answer.status_code != 200:
            raise self._unexpected(answer, other)
        told: Labels = answer.read(Labels, '{"results": [{"category": …, "typeId": …, "label": …}, …]}')
        return [one.model_dump() for one in told.results]

    def associate(self, other: str, inputs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Associate records; again changes nothing. Returns the answer, with `errors` for those refused.

        Raises:
            BatchRefused: the request was refused whole.
        """
        path = f"{self._associations(other)}/batch/create"
        answer = self._done(self._request("POST", path, {"inputs": inputs}))
        expected = '{"results": [{"fromObjectId": …, "toObjectId": …}, …], "errors": […]}'
        told: Associated = answer.read(Associated, expected)
        return told.model_dump()

    def dissociate(self, other: str, inputs: Sequence[Mapping[str, Any]]) -> None:
        """Take one kind of association from each pair of records; one that is not there is no error.

        Without its unlabeled association a pair loses its labels, too:
        https://developers.hubspot.com/docs/api-reference/latest/crm/associations/associate-records/guide
        """
        path = f"{self._associations(other)}/batch/labels/archive"
        answer = self._request("POST", path, {"inputs": inputs})
        if answer.status_code == 204:
            return
        if answer.status_code not in (200, 207):
            raise self._unexpected(answer, other)
        told: Associated = answer.read(Associated, '204, or {"results": […], "errors": […]}')
        for error in told.errors or ():
            if error.category != "OBJECT_NOT_FOUND":
                raise BatchRefused(*self.reason(error.model_dump()))

    def _written(self, answer: Answer) -> Mapping[str, Any]:
        told: Records = self._done(answer).read(Records, _RESULTS)
        return told.model_dump()

    def _done(self, answer: Answer) -> Answer:
        """An answer that says what became of each record.

        Raises:
            BatchRefused: it says no to all of them.
        """
        if answer.status_code in REFUSED_WHOLE:
            said = answer.mapping()
            if "Unable to infer object type" in str(said.get("message")):
                raise self._unexpected(answer)
            # A conflict (409) may be one record's alone.
            raise BatchRefused(*self.reason(said), nothing_done=answer.status_code != 409)
        if answer.status_code not in (200, 201, 207):
            raise self._unexpected(answer)
        return answer

    def reason(self, error: Mapping[str, Any]) -> tuple[str, str]:
        """HubSpot's code and message of one error; every field of an error is optional.

        Of an answer with a status of 4xx the body only explains, and may be of any form.
        """
        said = str(error.get("message") or "no reason given")
        told: Any = error.get("errors")
        reasons: list[Any] = told if isinstance(told, list) else []
        codes = [str(one["code"]) for one in reasons if isinstance(one, dict) and one.get("code")]
        codes += _CODE.findall(said)
        return (codes or [str(error.get("category") or "")])[0], self._vendor.shown(said)

    def ids_of(self, key: str, texts: Sequence[str]) -> list[str]:
        """Record ids of up to 100 values of the key; those that HubSpot does not have are left out.

        What has these ids is taken out: so each has to be of a key that was asked for.
        """
        records, missing = self._asked(texts, [key], key)
        wanted = {_comparable(text) for text in texts}
        for record in records:
            if _comparable(str(record["properties"].get(key))) not in wanted:
                raise self.strange("HTTP 200 with a record that was not asked for", "records of the keys")
        if not missing and len(records) < len(texts):
            said = f"HTTP 200 with {len(records)} of {len(texts)} records, and nothing of the others"
            raise self.strange(said, "each record, or an error that says that there is none")
        return [str(record["id"]) for record in records]

    def read(
        self, texts: Sequence[str], properties: Sequence[str], key: str = "", object_name: str = ""
    ) -> list[Mapping[str, Any]]:
        """Up to 100 records as `{"id": …, "properties": {…}}`, by ids or by a key; in any order.

        Those that HubSpot does not have are left out. `properties` go in the body, however many they are.
        """
        return self._asked(texts, properties, key, object_name)[0]

    def strange(self, why: str, expected: str) -> UnexpectedAnswer:
        """The error for an answer that does not answer what was asked."""
        return self._vendor.strange(why, expected)

    def _asked(
        self, texts: Sequence[str], properties: Sequence[str], key: str = "", object_name: str = ""
    ) -> tuple[list[Mapping[str, Any]], bool]:
        """The records, and whether HubSpot says that some are not there."""
        body: dict[str, Any] = {"properties": [*properties], "inputs": [{"id": text} for text in texts]}
        if key:
            body["idProperty"] = key
        answer = self._objects("batch/read", body, object_name)
        if answer.status_code not in (200, 207):
            raise self._unexpected(answer, object_name)
        found: Records = answer.read(Records, _RESULTS)
        for error in found.errors or ():
            if error.category != "OBJECT_NOT_FOUND":
                raise TryAgain(" ".join(self.reason(error.model_dump())), nothing_done=True)
        if len(found.results) > len(texts):
            said = f"HTTP {answer.status_code} with {len(found.results)} records of {len(texts)}"
            raise self.strange(said, "the records that were asked for")
        return [one.model_dump() for one in found.results], bool(found.errors)

    def archive(self, ids: Sequence[str]) -> None:
        """Put up to 100 records into HubSpot's recycling bin; those that are there already stay there."""
        answer = self._objects("batch/archive", {"inputs": [{"id": record_id} for record_id in ids]})
        if answer.status_code != 204:
            raise self._unexpected(answer)

    def erase_contact(self, record_id: str) -> None:
        """Delete a contact for good, with all that belongs to it.

        By record id: asked to erase an unknown e-mail address, HubSpot would block that address for ever.
        https://developers.hubspot.com/docs/api-reference/legacy/crm/objects/contacts/delete-contact-gdpr
        """
        answer = self._objects("gdpr-delete", {"objectId": record_id})
        if answer.status_code != 204:
            raise self._unexpected(answer)

    def page(self, properties: Sequence[str], after: str) -> tuple[list[Mapping[str, Any]], str]:
        """Return up to 100 records as `{"id": …, "properties": {…}}`, and where the next page starts, or "".

        By the list, not the search: that stops at 10,000 results and lags behind what was written.
        https://developers.hubspot.com/docs/api-reference/legacy/crm/search-the-crm
        """
        asked = _listed(properties) | ({"after": after} if after else {})
        answer = self._request("GET", f"{self._api('objects')}/{self._object_name}", params=asked)
        if answer.status_code != 200:
            raise self._unexpected(answer)
        told: Page = answer.read(Page, '{"results": […], "paging": {"next": {"after": …}}}')
        following = told.paging.next.after if told.paging and told.paging.next else ""
        return [one.model_dump() for one in told.results], following

    def _api(self, name: str) -> str:
        if self._version == NUMBERED:
            # Associations with labels are the only part of the CRM that has got to v4.
            return "/crm/v4/associations" if name == "associations" else f"/crm/{NUMBERED}/{name}"
        return f"/crm/{name}/{self._version}"

    def _associations(self, other: str) -> str:
        return f"{self._api('associations')}/{self._object_name}/{other}"

    def _objects(self, path: str, body: Mapping[str, Any], object_name: str = "") -> Answer:
        return self._request(
            "POST", f"{self._api('objects')}/{object_name or self._object_name}/{path}", body
        )

    def _request(self, method: str, path: str, body: Any = None, params: Any = None) -> Answer:
        answer = self._vendor.request(
            method, path, json=body, params=params, returned=(LIMIT, LOCKED, MOVING)
        )
        if answer.status_code not in (LIMIT, LOCKED, MOVING):
            return answer
        asked = wait_asked_for(answer.headers, time.time())
        if answer.status_code == LOCKED:
            wait = _LOCKED_SECONDS if asked is None else asked
            raise TryAgain(self._said(answer), wait, nothing_done=True)
        if answer.status_code == MOVING:
            raise TryAgain(self._said(answer), asked, everyone=True, nothing_done=True)
        policy = str(answer.mapping().get("policyName", ""))
        if policy == "DAILY":
            raise DeliveryError(
                "SLU-V401",
                "HubSpot's daily limit of requests is used up",
                "requests left for today; all apps of the account share them, and it starts anew at midnight"
                " in the account's time zone",
                "run the partition again after midnight, or add requests: HubSpot, Settings, Usage & Limits",
                nothing_done=True,
            )
        if asked is None:
            asked = _POLICY_SECONDS.get(policy)
            stated = answer.headers.get("x-hubspot-ratelimit-interval-milliseconds", "")
            if policy != "SECONDLY" and stated.isascii() and stated.isdigit():
                asked = int(stated[:9]) / 1000
        raise TryAgain(self._said(answer), asked, everyone=True, nothing_done=True)

    def _said(self, answer: Answer) -> str:
        return self._vendor.shown(f"HTTP {answer.status_code} {answer.text}")

    def _unexpected(self, answer: Answer, object_name: str = "") -> DeliveryError:
        if answer.status_code < 300:
            return answer.unexpected("a status that HubSpot does not document", "200, 201, 204 or 207")
        name = object_name or self._object_name
        return self._vendor.refused(
            answer,
            "SLU-V400",
            f"HubSpot refuses a request for {name!r}: {self._said(answer)}",
            f"an object type that the app may read and write, and version {self._version} of the API",
            "correct destination.object or destination.options in the export file, or give the private app"
            f" the scopes crm.objects.{name}.read and .write",
        )


def _comparable(text: str) -> str:
    """A key without the spellings that HubSpot takes for one: case, spaces at the ends, forms of a number."""
    folded = text.strip().casefold()
    try:
        return str(Decimal(folded).normalize())
    except InvalidOperation:
        return folded


def fits_url(properties: Sequence[str]) -> bool:
    """Whether a list of records can be asked for with these properties in its URL."""
    return len(urlencode(_listed(properties))) <= _QUERY_CHARACTERS


def _listed(properties: Sequence[str]) -> dict[str, str]:
    return {"limit": str(BATCH), "properties": ",".join(properties)}
