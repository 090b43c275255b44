"""Where each column comes from, as Dagster's pages show it: in definitions, so that no run's log grows.

Belongs here: the words, and Dagster's own forms of it. Does not belong here: finding it out (`columns`).
Values are in none of it.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.columns.catalogue import Catalogue
from orchestration.columns.graph import DELIVERED
from orchestration.columns.kusto_columns import of_assets
from orchestration.columns.lineage_page import LINEAGE_PAGE, address, shown_name
from orchestration.columns.ways import (
    WORDS,
    ComesFrom,
    comes_from,
    fields_of,
    listed,
    not_understood,
    rows_come_from,
)
from orchestration.core.column_origins import Place
from orchestration.core.relations import Relation

WHERE_FROM = "where each field comes from"
_LINEAGE = "dagster/column_lineage"
_SHOWN_FIELDS, _SHOWN_ORIGINS, _SHOWN_ROWS = 20, 3, 6


def column_lineage(catalogue: Catalogue, relation: Relation) -> dict[str, Any]:
    """Return what each column is made of in one step, as Dagster's catalogues read it."""
    table = catalogue.graph.tables.get(relation)
    if table is None or not table.reads:
        return {}
    deps = {
        name: [
            dg.TableColumnDep(dg.AssetKey(place.relation.parts), place.column)
            for place in sorted(
                {place for origin in origins for place in of_assets(catalogue.graph, origin.place)}
            )
        ]
        for name, origins in table.columns.items()
    }
    return {_LINEAGE: dg.TableColumnLineage(deps)}


def described_from(catalogue: Catalogue, place: Place, description: str) -> str:
    """Return a column's description, and of what it is made in one step."""
    table = catalogue.graph.tables.get(place.relation)
    origins = sorted(table.columns.get(place.column, ())) if table and table.reads else []
    kinds = {one.place: one.kind for one in sorted(origins, key=lambda one: one.kind.of_value)}
    if not kinds:
        return description
    from_ = listed([f"{other} ({WORDS[kind]})" for other, kind in kinds.items()], _SHOWN_ORIGINS)
    return f"{description}{' ' if description else ''}From {from_}."


def where_from(catalogue: Catalogue, relation: Relation, data_docs_url: str) -> dict[str, Any]:
    """Return an export's table of fields: the sources' columns, how, the class, whose the source is."""
    fields = list(fields_of(catalogue.graph, relation))
    lines = [
        "| Field | Comes from | How | Class | Owner of the source |",
        "| --- | --- | --- | --- | --- |",
        *(_row(catalogue, field) for field in fields[:_SHOWN_FIELDS]),
        "",
        *_below(catalogue, relation, len(fields), data_docs_url),
    ]
    return {WHERE_FROM: dg.MetadataValue.md("\n".join(lines))}


def _row(catalogue: Catalogue, field: Place) -> str:
    found = comes_from(catalogue.graph, field)
    classes = ", ".join(sorted(catalogue.classes_of(field))) or "none"
    if not found:
        return f"| `{field.column}` | no column's value | a number of rows, or a constant | {classes} | |"
    of_value = [one for one in found if one.kind.of_value] or found
    owners = dict.fromkeys(catalogue.shown(one.place.relation).owner for one in of_value)
    cells = (
        _code(field.column),
        listed([_code(_source(one)) for one in of_value], _SHOWN_ORIGINS),
        listed(list(dict.fromkeys(WORDS[one.kind] for one in of_value)), _SHOWN_ORIGINS),
        classes,
        listed([owner for owner in owners if owner], _SHOWN_ORIGINS),
    )
    return f"| {' | '.join(cells)} |"


def _below(catalogue: Catalogue, relation: Relation, fields: int, url: str) -> Iterator[str]:
    if fields > _SHOWN_FIELDS:
        yield (
            f"And {fields - _SHOWN_FIELDS} more fields: `sluice export contract {relation.name}` lists all.\n"
        )
    if deciding := rows_come_from(catalogue.graph, relation):
        yield f"Which rows are sent: {listed([_code(str(place)) for place in deciding], _SHOWN_ROWS)}.\n"
    if blind := not_understood(catalogue.graph, relation):
        yield f"Not understood, so that all columns count there: {', '.join(map(_code, blind))}.\n"
    name = shown_name(relation)
    if url:
        yield f"[Each way, step by step]({url.rstrip('/')}/{LINEAGE_PAGE}{address(name)})"
    else:
        yield f"Each way, step by step: `{LINEAGE_PAGE}{address(name)}`, which `sluice page data-docs` makes."


def fields_schema(catalogue: Catalogue, relation: Relation, types: dict[str, str]) -> dict[str, Any]:
    """Return the fields of an export with their types, descriptions and origins."""
    described = catalogue.shown(relation).described
    columns = [
        dg.TableColumn(
            place.column, types.get(place.column) or "?",
            description=described_from(catalogue, place, described.get(place.column, "")) or None,
        )
        for place in fields_of(catalogue.graph, relation)
    ]  # fmt: skip
    return {"dagster/column_schema": dg.TableSchema(columns)} if columns else {}


def delivered(name: str) -> Relation:
    """Return what an export is among all tables."""
    return Relation(DELIVERED, name)


def _source(one: ComesFrom) -> str:
    return str(one.place)


def _code(text: str) -> str:
    # In a table's cell a bar ends the cell, in code, too.
    return f"`{text}`".replace("|", "\\|")
