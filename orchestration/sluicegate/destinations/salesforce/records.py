"""Records of one object of Salesforce, up to 200 a request: upserted, found by external ID, deleted.

Belongs here: what a request for some records looks like, and what its answer says of each. Does not: shards,
batches and bulk jobs.

Sources, on developer.salesforce.com: "Upsert Records Using sObject Collections" and "Delete Records Using
sObject Collections" (api_rest/resources_composite_sobjects_collections_upsert.htm and …_delete.htm): results
are in the order of the request, under HTTP 200 whatever became of them. StatusCode in "Core Data Types Used
in API Calls" (api/sforce_api_calls_concepts_core_data_objects.htm).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from decimal import Decimal
from typing import Any

from ..base import Scope, Shard
from ..batches import BatchRefused
from ..errors import DeliveryError, after_others
from ..pace import back_off_seconds
from .client import TRANSIENT_CODES, Record, RequestRefused, SalesforceClient
from .fields import (
    Field,
    ObjectDescription,
    comparable_key,
    condition,
    description_of,
    literal,
    told_apart_by,
)
from .forms import SAVED, Described, Saved
from .relationships import record_of, with_links

COLLECTION_ROWS = 200
_TIMES_A_RECORD = 4
# Before anything is sent nothing is lost by giving up, and somebody may be waiting for the answer.
_DESCRIBE_SECONDS = 5.0
# A URI with its headers has 16,384 bytes at most ("API Request Limits and Allocations"), and a character of a
# key may take up to nine of them.
_QUERY_CHARACTERS = 1500
# The record is gone already, which is what was wanted.
_GONE = frozenset({"ENTITY_IS_DELETED"})
# A whole request is refused for what no row of it can help.
_NOT_A_ROWS_FAULT = frozenset(
    {"INVALID_FIELD", "INVALID_TYPE", "NOT_FOUND", "INVALID_FIELD_FOR_INSERT_UPDATE"}
)

Error = tuple[str, str]


class Records:
    """The records of an object that have an external ID.

    Args:
        client: signs in and sends.
        object_name: the object's API name, as the export file has it.

    Raises:
        DeliveryError: there is no such object, or Salesforce cannot be reached.
    """

    def __init__(self, client: SalesforceClient, object_name: str) -> None:
        self._client = client
        self.described: ObjectDescription = self._describe(object_name)

    def link(self, names: Iterable[str]) -> None:
        """Know those of an export's fields that name a parent record, such as `Account.Ext__c`, from now on.

        Raises:
            DeliveryError: there is no such relationship, or the parent has no such external ID.
        """
        self.described = with_links(self.described, names, self._describe)

    def _describe(self, object_name: str) -> ObjectDescription:
        try:
            path, expected = f"/sobjects/{object_name}/describe", '{"name": …, "fields": [{…}, …]}'
            told: Described = self._client.get(path, Described, expected, seconds=_DESCRIBE_SECONDS)
            return description_of(told.model_dump())
        except RequestRefused as refused:
            if refused.status not in (404, 410):
                raise self._explained(refused, "describe") from None
        self._client.check_version(_DESCRIBE_SECONDS)
        raise DeliveryError(
            "SLU-V300",
            f"{self._client.host} has no object {object_name!r} that this user sees",
            "the API name of an object (a custom one ends with __c), and a user that may see it",
            "correct the name in the export file, or grant the user access to the object in Salesforce",
        )

    def upsert(self, key: str, rows: Sequence[Mapping[str, Any]]) -> list[Error | None]:
        """Upsert up to 200 records by the field `key`; return code and message of each that was refused.

        Raises:
            TryAgain: the request, or what a try of it left, is to be sent again.
            BatchRefused: the request was refused whole for something in it.
            DeliveryError: it was refused for what no row can help.
        """
        fields = self.described.fields
        attributes = {"type": self.described.name}
        records = [{"attributes": attributes, **record_of(row, fields)} for row in rows]

        def ask(some: Sequence[dict[str, Any]]) -> list[Error | None]:
            path = f"/composite/sobjects/{self.described.name}/{key}"
            found = self._ask(len(some), "PATCH", path, body={"allOrNone": False, "records": some})
            return [_error(one) for one in found]

        return self._insist(ask, records, key)

    def delete(self, key: str, values: Sequence[Any]) -> list[Error | None]:
        """Delete the records with these keys; return code and message of each that stays.

        A key that no record has is no error: it is gone.
        """
        field = self.described.fields[key]
        ids = self.ids(key, values)
        pairs = [
            (place, one)
            for place, value in enumerate(values)
            for one in ids.get(comparable_key(value, field), ())
        ]
        answers: list[Error | None] = [None] * len(values)
        errors = self.delete_ids([one for _, one in pairs])
        for (place, _), error in zip(pairs, errors, strict=True):
            answers[place] = answers[place] or error
        return answers

    def delete_ids(self, ids: Sequence[str]) -> list[Error | None]:
        """Delete records by their ids; return code and message of each that stays."""

        def ask(some: Sequence[str]) -> list[Error | None]:
            params = {"ids": ",".join(some), "allOrNone": "false"}
            found = self._ask(len(some), "DELETE", "/composite/sobjects", params=params)
            for saved, one in zip(found, some, strict=True):
                # An id has 15 characters that tell, and in its longer form 3 more that protect their case.
                if saved.id is not None and saved.id[:15] != one[:15]:
                    raise self._client.strange("the result of another record than was to be deleted", SAVED)
            errors = map(_error, found)
            return [None if error and error[0] in _GONE else error for error in errors]

        errors: list[Error | None] = []
        for first in range(0, len(ids), COLLECTION_ROWS):
            with after_others() if first else nullcontext():
                errors += self._insist(ask, ids[first : first + COLLECTION_ROWS], "")
        return errors

    def ids(
        self, key: str, values: Sequence[Any], scope: Scope | None = None
    ) -> dict[str | float, list[str]]:
        """The ids of the records with these keys, within a scope if there is one; by `comparable_key`.

        Several records may have one key, if the field is not unique.
        """
        field = self.described.fields[key]
        found: dict[str | float, list[str]] = {}
        for literals in _in_chunks([literal(value, field) for value in values]):
            wanted = f"{key} IN ({','.join(literals)})"
            found_now = (
                self.within(scope, ["Id", key], wanted)
                if scope
                else self.pages(f"SELECT Id, {key} FROM {self.described.name} WHERE {wanted}")
            )
            for page in found_now:
                for record in page:
                    said, one = self.key_of(record, field), self.id_of(record)
                    found.setdefault(comparable_key(said, field), []).append(one)
        return found

    def id_of(self, record: Record) -> str:
        """The id of a record that was found.

        Raises:
            DeliveryError: it has none.
        """
        found = record.get("Id")
        if not isinstance(found, str) or not found.isalnum():
            raise self._client.strange("a record without the Id that was asked for", "a text in Id")
        return found

    def key_of(self, record: Record, field: Field) -> Any:
        """The value of the external ID of a record that was found.

        Raises:
            DeliveryError: it is none that the field can have.
        """
        found = record.get(field.name)
        fits = isinstance(found, str) if field.is_text else isinstance(found, int | float | Decimal)
        if not fits or isinstance(found, bool):
            raise self._client.strange(
                f"a record whose {field.name} is {type(found).__name__}", f"a value of the type {field.type}"
            )
        return found

    def within(
        self, scope: Scope | Shard, names: Sequence[str], wanted: str = ""
    ) -> Iterator[Sequence[Record]]:
        """Yield the records of a scope with these fields, and perhaps others, by one more condition."""
        described = self.described
        conditions = " AND ".join(filter(None, [wanted, condition(scope, described)]))
        told = told_apart_by(scope, described)
        listed = ", ".join(dict.fromkeys(filter(None, [*names, told])))
        for page in self.pages(f"SELECT {listed} FROM {described.name} WHERE {conditions}"):
            yield [record for record in page if not told or record.get(told) == scope.partition_key]

    def pages(self, soql: str) -> Iterator[Sequence[Record]]:
        """Yield what a query finds, up to 2,000 records at a time."""
        try:
            yield from self._client.pages(soql)
        except RequestRefused as refused:
            raise self._explained(refused, "search") from None

    def _insist(self, ask: Any, asked: Sequence[Any], key: str) -> list[Error | None]:
        """Ask, and ask again for those of which only the moment was wrong, a few times."""
        answers: list[Error | None] = ask(asked)
        for attempt in range(_TIMES_A_RECORD - 1):
            again = [place for place, error in enumerate(answers) if error and may_come_again(*error, key)]
            if not again:
                break
            self._client.wait(back_off_seconds(attempt, None))
            with after_others():
                found = ask([asked[place] for place in again])
            for place, error in zip(again, found, strict=True):
                answers[place] = error
        return answers

    def _ask(self, asked: int, method: str, path: str, **request: Any) -> list[Saved]:
        try:
            answer = self._client.request(method, path, **request)
        except RequestRefused as refused:
            if refused.code in _NOT_A_ROWS_FAULT or refused.status not in (400, 413, 414):
                raise self._explained(refused, "change") from None
            raise BatchRefused(refused.code, refused.said, nothing_done=True) from None
        found: list[Saved] = answer.read(list[Saved], SAVED)
        if len(found) != asked:
            raise answer.unexpected(f"it has {len(found)} results for {asked} records", SAVED)
        return found

    def _explained(self, refused: RequestRefused, verb: str) -> DeliveryError:
        return DeliveryError(
            "SLU-V307",
            f"{self._client.host} does not let the app {verb} these records: HTTP {refused.status} "
            f"{refused.code} {refused.said}".rstrip(),
            "an object and fields as they were when the delivery was checked",
            "compare the export's fields with Salesforce, Setup > Object Manager; then run again",
            nothing_done=True,
        )


def may_come_again(code: str, said: str, key: str) -> bool:
    """Whether nothing is wrong with a record but the moment.

    Two requests that insert the same key at once are one such case: the later one is refused. An upsert by a
    field cannot find that very field's value taken, unless it was inserted since it looked.
    """
    raced = bool(key) and code == "DUPLICATE_VALUE" and f"duplicate value found: {key} duplicates" in said
    return raced or code in TRANSIENT_CODES


def _error(result: Saved) -> Error | None:
    """What a result says is wrong, all its errors together; None if nothing is."""
    if result.success:
        return None
    if not result.errors:
        return "", "refused, no reason given"
    said = "; ".join(
        f"{one.message} ({', '.join(one.fields)})" if one.fields else str(one.message)
        for one in result.errors
    )
    return result.errors[0].statusCode or "", said


def _in_chunks(literals: Sequence[str]) -> Iterator[list[str]]:
    """Cut a list for queries that fit into a URI."""
    chunk: list[str] = []
    size = 0
    for text in literals:
        if chunk and (len(chunk) == COLLECTION_ROWS or size + len(text) > _QUERY_CHARACTERS):
            yield chunk
            chunk, size = [], 0
        chunk.append(text)
        size += len(text) + 1
    if chunk:
        yield chunk
