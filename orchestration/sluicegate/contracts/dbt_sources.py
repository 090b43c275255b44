"""The contracts as dbt's sources: the text of `_sources.yml`, and whether the file still says the same.

Belongs here: what dbt, its docs and its linters know of the raw tables. Does not belong here: models. The
file is generated so that a column is described in one place, and kept in the project so that dbt works alone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from sluicegate.contracts.columns import Column, Masking
from sluicegate.contracts.model import SourceContract
from sluicegate.core.problems import Problem
from sluicegate.core.relations import RAW
from sluicegate.core.yaml_files import read_yaml

SOURCES_FILE = "dbt_project/models/staging/_sources.yml"
COMMAND = "sluice contract sources"
_HEADER = f"# Generated from contracts/ by `{COMMAND}`; do not edit.\n"
# What every row carries besides the contract's columns; how it is loaded knows the same.
_TECHNICAL = (
    ("_partition_key", "VARCHAR", "The partition that the row landed with, by its key."),
    ("_drop", "INTEGER", "Which drop of the partition the row came with, counted from 1."),
)
TECHNICAL_COLUMNS = tuple(name for name, _, _ in _TECHNICAL)
_JINJA = re.compile(r"\{[{%#]")
_WIDTH = 100
_SHOWN = 5


def sources_text(contracts: Mapping[str, SourceContract]) -> str:
    """Return the text of the file."""
    import yaml

    class Indented(yaml.SafeDumper):
        """Lists stand indented below their key, as in every other file of the project."""

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
            super().increase_indent(flow, False)

        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
            return True

    said = yaml.dump(
        _content(contracts), Dumper=Indented, sort_keys=False, allow_unicode=True, width=_WIDTH,
        default_flow_style=False,
    )  # fmt: skip
    return _HEADER + said


def _content(contracts: Mapping[str, SourceContract]) -> dict[str, Any]:
    """Return what the file says: a source `raw` with one table a contract, in the order of their files."""
    ordered = sorted(contracts.values(), key=lambda contract: contract.file.name)
    return {
        "sources": [
            {
                "name": RAW,
                "schema": RAW,
                "description": "Feeds as they were taken in, one table a data contract.",
                "tables": [_table(contract) for contract in ordered],
            }
        ]
        if ordered
        else []
    }


def _table(contract: SourceContract) -> dict[str, Any]:
    meta = {
        "owner": contract.owner,
        "provider": contract.provider,
        "contract": contract.file.name,
        "contract_version": contract.version,
        "partition_grain": str(contract.grain),
    }
    described = _one_line(contract.description.partition("\n\n")[0])
    place = f"({contract.file.name})"
    return {
        "name": contract.name,
        "description": _plain(f"{described} {place}" if described else f"Data contract {place}."),
        "config": {"meta": {name: _plain(value) for name, value in meta.items() if value}},
        "columns": [
            *(_column(column) for column in contract.loaded_columns),
            *(
                {"name": name, "description": description, "data_type": type_}
                for name, type_, description in _TECHNICAL
            ),
        ],
    }


def _column(column: Column) -> dict[str, Any]:
    masking = "" if column.masking is Masking.KEEP else str(column.masking)
    meta = {"classification": column.classification, "masking": masking}
    said = {name: _plain(value) for name, value in meta.items() if value}
    return {
        "name": column.name,
        **({"description": _plain(_one_line(column.description))} if column.description else {}),
        "data_type": column.loaded_type,
        **({"config": {"meta": said}} if said else {}),
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    """Return text that dbt's Jinja leaves as it is."""
    return _JINJA.sub(lambda match: "{{ '" + match[0] + "' }}", text)


def write_sources(project_dir: Path, contracts: Mapping[str, SourceContract]) -> bool:
    """Write the file, unless it says the same already: dbt parses again whatever was written."""
    path, text = project_dir / SOURCES_FILE, sources_text(contracts)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def sources_problems(project_dir: Path, contracts: Mapping[str, SourceContract]) -> list[Problem]:
    """Return what is wrong with the file: it is missing, or says something else than the contracts.

    What it says is compared first: rendering hundreds of contracts as text takes a second.
    """
    path, wanted = project_dir / SOURCES_FILE, _content(contracts)
    fix = f"run `{COMMAND}`"
    if not path.exists():
        if not contracts:
            return []
        what, expected = "dbt's sources are missing", "the file that is generated from contracts/"
        return [Problem(SOURCES_FILE, 1, what, expected, fix, code="SLU-P030")]
    text = path.read_text(encoding="utf-8")
    read = read_yaml(path, project_dir)
    if isinstance(read, Problem):
        return [
            Problem(
                read.file,
                read.line,
                read.what,
                "the file that is generated from contracts/",
                fix,
                code="SLU-P030",
            )
        ]
    if (text.startswith(_HEADER) and read.data == wanted) or text == sources_text(contracts):
        return []
    differing = list(_differences(_tables(read.data), _tables(wanted)))
    shown = _listed(differing, "; ") or "written by hand"
    return [
        Problem(
            read.name, 1, f"dbt's sources are not the contracts': {shown}",
            "the file as it is generated from contracts/", fix, code="SLU-P030",
        )
    ]  # fmt: skip


def _tables(content: object) -> dict[str, dict[str, Any]]:
    """Return {table: what the file says of it}, of a file that somebody may have written as he likes."""
    return {
        str(table.get("name")): table
        for source in _mappings(content, "sources")
        for table in _mappings(source, "tables")
    }


def _mappings(holder: object, name: str) -> list[dict[str, Any]]:
    items: object = cast("dict[str, Any]", holder).get(name) if isinstance(holder, dict) else None
    return [cast("dict[str, Any]", item) for item in cast("list[Any]", items) if isinstance(item, dict)] \
        if isinstance(items, list) else []  # fmt: skip


def _differences(found: Mapping[str, dict[str, Any]], wanted: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    for name in sorted(wanted.keys() - found.keys()):
        yield f"table `{name}` is missing"
    for name in sorted(found.keys() - wanted.keys()):
        yield f"table `{name}` has no contract"
    for name, table in wanted.items():
        if name not in found or found[name] == table:
            continue
        these = {str(column.get("name")): column for column in _mappings(found[name], "columns")}
        those = {str(column.get("name")): column for column in _mappings(table, "columns")}
        columns = [column for column in {**those, **these} if these.get(column) != those.get(column)]
        fields = [
            field
            for field in {**table, **found[name]}
            if field != "columns" and found[name].get(field) != table.get(field)
        ]
        listed = [f"`{field}`" for field in fields] + [f"column `{column}`" for column in columns]
        yield f"table `{name}`: {_listed(listed, ', ') or 'the order of its columns'}"


def _listed(parts: Sequence[str], between: str) -> str:
    more = [f"and {len(parts) - _SHOWN} more"] if len(parts) > _SHOWN else []
    return between.join([*parts[:_SHOWN], *more])
