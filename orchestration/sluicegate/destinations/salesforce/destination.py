"""Salesforce: records are upserted by an external ID, in bulk where there are many.

Belongs here: what the destination promises, and which way rows take. Does not: requests (`client`,
`records`), bulk jobs (`bulk`, `jobs`), types (`fields`).

    many rows    jobs of Bulk API 2.0, one after the other; what no job could settle goes as few rows do
    few rows     sObject collections, 200 a request
    removals     looked up by external ID and deleted, 200 a request; they go to the Recycle Bin
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from importlib import import_module
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, Field

from ..base import (
    ANYWHERE,
    EXACT,
    Alike,
    Capabilities,
    Change,
    Journal,
    KeyIdentity,
    Mode,
    Receipt,
    Refused,
    Scope,
    Shard,
)
from ..batches import BatchDestination
from ..cutting import Batch
from ..errors import DeliveryError
from ..exact_values import unfit_rows
from ..http import base_url
from ..noted import carry
from .bulk import BulkUpsert, kept_in, schema_of
from .client import SalesforceClient
from .fields import (
    alike_in,
    arrow_schema,
    check_fits,
    comparable_keys,
    condition,
    is_api_name,
)
from .jobs import IngestJobs
from .records import COLLECTION_ROWS, Error, Records
from .relationships import check_links, selected, value_in
from .unfit import unfit

_MANY_REQUESTS = 0.9


class SalesforceOptions(BaseModel):
    """Options of an export to Salesforce.

    Attributes:
        api_version: of the REST interface; collections are upserted from v46.0 on.
        bulk_from: pending rows from which on bulk jobs are used; Salesforce advises them above 2,000.
        job_rows: rows in one job at most. Salesforce works on 10,000 at a time, several of them at once.
        poll_seconds: the first waits for a job; later ones a twentieth of the time waited, up to a minute.
        wait_hours: how long to wait for a job before the run ends red; the next run waits on.
        leave_requests: a delivery stops before it takes the last so many of the API requests that the
            organisation has in 24 hours. Editions have few or many of them, and all its apps share them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_version: str = Field(default="v64.0", pattern=r"^v(4[6-9]|[5-9]\d|[1-9]\d\d)\.0$")
    bulk_from: int = Field(default=2000, ge=1)
    job_rows: int = Field(default=100_000, ge=1, le=1_000_000)
    poll_seconds: float = Field(default=2.0, gt=0, le=60)
    wait_hours: float = Field(default=6.0, gt=0, le=48)
    leave_requests: int = Field(default=0, ge=0)


class SalesforceDestination(BatchDestination):
    """The records of one object of one organisation that have an external ID."""

    type_name: ClassVar[str] = "salesforce"
    guarantee: ClassVar[str] = (
        "effectively once: records are upserted by external ID, so a row that comes again after a crash "
        "changes nothing; a bulk job's id is kept before the job is closed, and taken up after a crash; "
        "a request that was on its way when its process was stopped may arrive after newer ones"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"salesforce"})
    options_model: ClassVar[type[BaseModel]] = SalesforceOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({Mode.UPSERT, Mode.MIRROR}),
        read_back=True,
        delete=True,
        folds_text=True,
        keys=KeyIdentity(frozenset({Alike.TRIMMED, Alike.CASE, Alike.TEXT}), single=True, anywhere=ANYWHERE),
    )

    batch_rows = COLLECTION_ROWS

    @classmethod
    def canonical_name(cls, object_name: str) -> str:
        """The object's API name in small letters, as Salesforce tells no case."""
        name = object_name.strip()
        if not is_api_name(name):
            raise DeliveryError(
                "SLU-V004",
                f"destination object {object_name!r} is no API name of Salesforce",
                "such as Account or Store_Item__c",
                "correct destination.object in the export file",
            )
        return name.lower()

    def canonical_object(self) -> str:
        """The organisation's host and the object."""
        host = base_url(self._url).partition("://")[2]
        return f"salesforce://{host}/{self.canonical_name(self._object_name)}"

    def key_alike(self, key: Mapping[str, str]) -> Mapping[str, frozenset[Alike]]:
        """What the key's field says: numbers are doubles; texts fold case unless it is case-sensitive."""
        fields = self._records.described.fields
        return {name: alike_in(fields[name]) if name in fields else EXACT for name in key}

    def check(self, shard: Shard) -> None:
        """Raise for fields that are missing, not writable or of another type, and for missing rights."""
        schema = self._linked(shard)
        described = self._records.described
        rights = {"create": described.createable, "edit": described.updateable, "read": described.queryable}
        if shard.mode is Mode.MIRROR:
            rights["delete"] = described.deletable
        lacking = [right for right, given in rights.items() if not given]
        if lacking:
            raise DeliveryError(
                "SLU-V307",
                f"the app's user may not {', '.join(lacking)} records of {described.name}",
                f"a user that may {', '.join(rights)} them",
                "have an administrator of Salesforce give the user a permission set with these rights",
            )
        check_fits(shard, schema, described)
        check_links(schema.names, described)
        if self.needs_finish(shard):
            condition(shard, described)

    def inexact(self, shard: Shard) -> Sequence[Refused]:
        """Return the rows with values that their fields cannot hold."""
        fields = self._records.described.fields
        return unfit_rows(
            shard, lambda name, value, kind: unfit(fields[name], value, kind, is_key=name in shard.key)
        )

    def send(self, shard: Shard, journal: Journal) -> Receipt:
        """Bring the pending rows to Salesforce: first what an earlier run left behind, then the rest."""
        if shard.rows and not journal.pending():
            return super().send(shard, journal)
        options, jobs = self._settings, self._jobs_for(shard)
        kept = kept_in(journal)
        for job_id in jobs.running_besides(kept.jobs if kept else ()):
            # Of a delivery that was given up: its rows would come over newer ones.
            journal.tell(f"waiting for Salesforce job {job_id}, which changes the same object")
            jobs.wait_for(job_id, journal)
        finish = partial(self._client.patiently, partial(self.finish, shard))
        finishes = self.needs_finish(shard) and journal.finishes()
        bulk = self._bulk(jobs, shard, journal, partial(carry, journal, (), finish) if finishes else None)
        bulk.take_up()
        if sum(end - first for first, end in journal.pending()) >= options.bulk_from:
            bulk.send()
        if bulk.jobs_read and not journal.pending():
            receipt = Receipt(shard.rows - bulk.refused, self.canonical_object())
        else:
            receipt = super().send(shard, journal)
        details = {"jobs": bulk.jobs_read, "refused_by_jobs": bulk.refused}
        return replace(receipt, details={**receipt.details, **details, **self._requests_used(journal)})

    def find_out(self, shard: Shard, journal: Journal) -> None:
        """Read what became of bulk jobs that were begun; those that were not are aborted."""
        if kept_in(journal) is not None:
            self._bulk(self._jobs_for(shard), shard, journal).take_up()

    def _jobs_for(self, shard: Shard) -> IngestJobs:
        options = self._settings
        self._linked(shard)
        return IngestJobs(
            self._client, self._records.described.name, shard.key[0], options.poll_seconds, options.wait_hours
        )

    def _bulk(
        self, jobs: IngestJobs, shard: Shard, journal: Journal, finish: Callable[[], object] | None = None
    ) -> BulkUpsert:
        options, fields = self._settings, self._records.described.fields
        return BulkUpsert(jobs, shard, fields, journal, options.job_rows, options.bulk_from, finish)

    def send_batch(self, shard: Shard, batch: Batch) -> Sequence[Refused]:
        """Upsert or delete up to 200 records; those that are locked are tried again, a few times."""
        key = shard.key[0]
        if batch.rows[0].change is Change.REMOVED:
            answers = self._records.delete(key, [row.values[key] for row in batch.rows])
        else:
            answers = self._records.upsert(key, [row.values for row in batch.rows])
        return [Refused(row.number, *error) for row, error in zip(batch.rows, answers, strict=True) if error]

    def finish(self, shard: Shard) -> None:
        """Delete the records of the scope whose keys the shard does not have.

        Raises:
            DeliveryError: Salesforce does not delete some of them.
        """
        compute, parquet = import_module("pyarrow.compute"), import_module("pyarrow.parquet")
        key = shard.key[0]
        field = self._records.described.fields[key]
        wanted = comparable_keys(parquet.read_table(shard.path, columns=[key]).column(key), field)
        kept_back: list[Error] = []
        found = 0
        for page in self._pages_of(shard, ["Id", key]):
            keys = [self._records.key_of(record, field) for record in page]
            keys = keys if field.is_text else list(map(float, keys))
            held = comparable_keys(import_module("pyarrow").array(keys), field)
            is_wanted = compute.is_in(held, value_set=wanted).to_pylist()
            ids = [self._records.id_of(one) for one, stays in zip(page, is_wanted, strict=True) if not stays]
            found += len(ids)
            kept_back += [error for error in self._records.delete_ids(ids) if error]
        if kept_back:
            code, said = kept_back[0]
            raise DeliveryError(
                "SLU-V315",
                f"Salesforce does not delete {len(kept_back)} of {found} records that {shard.export} has no "
                f"more: {code} {said}",
                "a mirror: no records but those of the model",
                "remove what hinders it in Salesforce and run again, or deliver with mode upsert",
            )

    def read_back(self, scope: Scope) -> Iterator[Any]:
        """Yield the records of the scope that have an external ID, a page of up to 2,000 at a time."""
        arrow = import_module("pyarrow")
        self._records.link(scope.fields)
        fields = self._records.described.fields
        names = selected(scope.fields, self._records.described)
        schema = arrow_schema(scope.fields, self._records.described)
        for page in self._pages_of(scope, names):
            wrong, batch = "", None
            try:
                columns = {
                    name: [value_in(record, name, fields[name]) for record in page] for name in scope.fields
                }
                batch = arrow.record_batch(columns, schema=schema)
            except (arrow.ArrowException, TypeError, ValueError, LookupError, AttributeError) as error:
                wrong = f"values that are not of their fields' types: {type(error).__name__}"
            if wrong:
                raise self._client.strange(wrong, "values of the types that `describe` says")
            yield batch

    def forget(self, scope: Scope, keys: Sequence[Mapping[str, Any]]) -> int:
        """Delete the records of these keys; they stay in the Recycle Bin until Salesforce empties it."""
        key = scope.key[0]
        ids = self._records.ids(key, [row[key] for row in keys], scope)
        found = [one for some in ids.values() for one in some]
        errors = self._client.patiently(lambda: self._records.delete_ids(found))
        kept_back = [error for error in errors if error]
        if kept_back:
            code, said = kept_back[0]
            raise DeliveryError(
                "SLU-V315",
                f"Salesforce does not delete {len(kept_back)} of {len(errors)} records: {code} {said}",
                "all of them deleted",
                "remove what hinders it in Salesforce, then forget the keys again",
            )
        return len(ids)

    def _pages_of(self, scope: Scope | Shard, names: Sequence[str]) -> Iterator[Sequence[Mapping[str, Any]]]:
        return self._records.within(scope, names)

    def _linked(self, shard: Shard) -> Any:
        """The Arrow schema of a shard, of which those fields are known that name a parent record."""
        schema = schema_of(shard)
        self._records.link(schema.names)
        return schema

    @property
    def _settings(self) -> SalesforceOptions:
        return cast("SalesforceOptions", self._options)

    @cached_property
    def _client(self) -> SalesforceClient:
        settings = self._settings
        return SalesforceClient(self._url, settings.api_version, self.seconds_left, settings.leave_requests)

    @cached_property
    def _records(self) -> Records:
        return Records(self._client, self._object_name)

    def _requests_used(self, journal: Journal) -> dict[str, int]:
        usage = self._client.usage
        if usage is None:
            return {}
        if usage.used >= _MANY_REQUESTS * usage.allowed:
            journal.tell(
                f"the organisation has used {usage.used:,} of the {usage.allowed:,} API requests of 24 hours"
            )
        return {"api_requests_used": usage.used, "api_requests_allowed": usage.allowed}
