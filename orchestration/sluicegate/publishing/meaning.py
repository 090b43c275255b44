"""What a table means: a digest that changes with the rows that its SQL makes, and not with how it is written.

Two of one digest are the same rows of the same parents; two of the same rows may have two digests. So it is
taken from what the engine understands (`compute.column_plan`), where that is understood whole; else from the
parsed SQL, without comments and spaces; else from the code, as `code_digests` has it.
Belongs here: the digest. Does not belong here: what is compared with it (`environments`).
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sluicegate.compute.engine import shared_engine
from sluicegate.compute.select_only import objects_in
from sluicegate.core.column_origins import TableOrigins
from sluicegate.project.loading import Project
from sluicegate.transformation.binding import bound_sql
from sluicegate.transformation.code_digests import CodeDigests

# A digest of another form is another digest: raise it when what goes into one changes.
_FORM = 1


def meanings(project: Project) -> dict[str, str]:
    """Return {relation: digest} of all tables, "" of what is loaded, and {`check_of`: digest} of checks.

    A table's digest is of its own SQL and config; its parents have theirs. Under the name `as_code` there is
    besides what records have of each: `Build.code` and `Evidence.rules`.
    """
    return dict(_Meanings(project).all())


def check_of(relation: str, check: str) -> str:
    """Return under which name `meanings` has a check of a table."""
    return f"{relation} {check}"


def as_code(name: str) -> str:
    """Return under which name `meanings` has what records say of a table or a check."""
    return f"{name} (code)"


def as_tried(name: str) -> str:
    """Return under which name `Made.standing` has what a table meant when it was last begun to be built."""
    return f"{name} (tried)"


class _Meanings:
    def __init__(self, project: Project) -> None:
        self._project = project
        manifest, settings = project.manifest, project.identity.settings
        self._digests = manifest.digests
        self._besides = CodeDigests(settings, manifest.content).besides_sql()
        self._bound = bound_sql(settings, manifest.digests)

    def all(self) -> Iterator[tuple[str, str]]:
        """Yield each table and each check with its digest."""
        project = self._project
        nodes = {str(node.relation): unique_id for unique_id, node in project.manifest.nodes.items()}
        tests = {
            check_of(project.test_places.tables[test["unique_id"]], test["name"]): test["unique_id"]
            for test in project.manifest.tests()
            if test["unique_id"] in project.test_places.tables
        }
        for relation, table in project.lineage.tables.items():
            yield relation, self._of(nodes[relation]) if relation in nodes else ""
            yield as_code(relation), table.code
            for check, rules in table.rules.items():
                name = check_of(relation, check)
                yield name, self._of(tests[name]) if name in tests else rules
                yield as_code(name), rules

    def _of(self, unique_id: str) -> str:
        code, compiled = self._digests.get(unique_id, ""), self._bound.compiled.get(unique_id)
        if unique_id not in self._besides or not compiled:
            return code
        origins = self._bound.origins.get(unique_id)
        told = self._understood(unique_id, origins) if origins else None
        return _digest(_FORM, self._besides[unique_id], told or _parsed(compiled) or code)

    def _understood(self, unique_id: str, origins: TableOrigins) -> list[Any] | None:
        """Return columns, types and rows as the engine understands them; None where it is not all of it."""
        columns = self._bound.columns[unique_id]
        if origins.not_understood or any(name not in origins.digests for name, _ in columns):
            return None
        return [[[name, type_, origins.digests[name]] for name, type_ in columns], origins.rows_digest]


def _parsed(sql: str) -> str | None:
    """Return the parsed SQL without where in the text each part stands; None where it cannot be told."""
    with shared_engine() as connection:
        [(written,)] = connection.execute("select json_serialize_sql(?)", [sql]).fetchall()
    parsed = json.loads(written)
    if parsed.get("error"):
        return None
    for item in objects_in(parsed):
        item.pop("query_location", None)  # pyright: ignore[reportAttributeAccessIssue]
    return json.dumps(parsed, sort_keys=True)


def _digest(*told: Any) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
