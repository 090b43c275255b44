"""A text of each of Microsoft's commands, as a file: `python -m tests.kusto.commands` writes it anew.

Belongs here: making them, which takes a minute. Does not: what becomes of them (`test_commands`).
"""

import json
import re
from pathlib import Path
from typing import Any

from sluicegate.kusto.language.engine import KustoLanguage, ParserFailed

FILE = Path(__file__).with_name("commands.tsv")
_SCRIPT = Path(__file__).with_name("commands.js")
_EXPECTED = re.compile(r"Expected(?: one of)?: (.*)")
_TERMS = {
    "<literal>": "1d", "<string-literal>": "'x'", "<name>": "x", "<database>": "x", "<table>": "x",
    "<database_table>": "x", "<column>": "x", "<guid>": "123e4567-e89b-42d3-a456-426614174000",
    "<type>": "int", "<database_table_column>": "x", "<externaltable>": "x", "<function>": "x",
}  # fmt: skip
_REPAIRS = 6
# What takes words that no alternative has first, or a query behind `<|`.
_BY_HAND = {
    "ShowDatabaseDetails": ".show database details",
    "ShowClusterDatabasesDetails": ".show cluster databases details",
    "AlterDatabasePrettyName": ".alter database x prettyname 'x'",
    "ShowTableCslSchema": ".show table x cslschema",
    "ShowExternalTableCslSchema": ".show external table x cslschema",
    "AlterColumnsPolicyEncodingByQuery": ".alter columns policy encoding 'x' <| T",
    "AlterClusterPolicyRequestClassification": ".alter cluster policy request_classification 'x' <| 'x'",
    "DropDatabaseRole": ".drop database x admins ('x')",
    "DropTableRole": ".drop table x admins ('x')",
    "SetClusterMaintenanceMode": ".enable cluster maintenance_mode",
    "SetTable": ".set x <| T",
    "AppendTable": ".append x <| T",
    "SetOrAppendTable": ".set-or-append x <| T",
    "SetOrReplaceTable": ".set-or-replace x <| T",
    "ExportToStorage": ".export to csv ('x') <| T",
    "ExportToSqlTable": ".export to sql x 'x' <| T",
    "ExportToExternalTable": ".export to table x <| T",
    "CreateOrAlterContinuousExport": ".create-or-alter continuous-export x to table x <| T",
    "EnableDisableMaterializedView": ".enable materialized-view x",
    "ShowMaterializedViewCslSchema": ".show materialized-view x cslschema",
    "ShowQueryPlan": ".show queryplan <| T",
    "MoveExtentsQuery": ".move extents to table x <| T",
    "TableShuffleExtentsQuery": ".shuffle table x extents <| T",
    "ReplaceExtents": ".replace extents in table x <| {T},{T}",
    "DropExtentsPartitionMetadata": ".drop extents partition metadata from table x <| T",
    "StoredQueryResultSet": ".set stored_query_result x <| T",
    "StoredQueryResultSetOrReplace": ".set-or-replace stored_query_result x <| T",
    "AttachExtentsIntoTableByMetadata": ".attach async extents into table x by metadata <| T",
    "AlterExtentTagsFromQuery": ".alter table x extent tags ('x') <| T",
    "AlterMergeExtentTagsFromQuery": ".alter-merge table x extent tags ('x') <| T",
    "DropExtentTagsFromQuery": ".drop table x extent tags <| T",
    "ShowQueryExecution": ".show queryexecution <| T",
    "DropRowStore": ".drop rowstore x",
    "DeleteTableRecords": ".delete table x records <| T",
    "TableDataUpdate": ".update table x delete D append A <| T",
    "DeleteMaterializedViewRecords": ".delete materialized-view x records <| T",
    "ShowQueryCallTree": ".show query call-tree <| T",
}


def commands() -> dict[str, str]:
    """Return {kind: a text of it} as the file has them; "" of a kind of which none could be made."""
    lines = FILE.read_text().splitlines()
    return {kind: text for kind, _, text in (line.partition("\t") for line in lines)}


def _made(language: KustoLanguage) -> dict[str, str]:
    v8: Any = getattr(language, "_v8")  # noqa: B009
    racer: Any = getattr(v8, "_racer")  # noqa: B009
    found: dict[str, str] = {}
    for kind, variants in json.loads(racer.eval(_SCRIPT.read_text())):
        tried = (_repaired(language, kind, text) for text in (_BY_HAND.get(kind, ""), *variants) if text)
        found[kind] = next((text for text in tried if text), "")
    return found


def _repaired(language: KustoLanguage, kind: str, text: str) -> str:
    """Return the text with what the parser misses put in; "" if that makes no command of this kind."""
    for _ in range(_REPAIRS):
        try:
            read = language.command(text, [kind])
        except ParserFailed:  # Microsoft's parser fails at scripts
            return ""
        whole = read.extent is not None and not text[read.extent.end :].strip()
        if read.kind == kind and whole and not read.diagnostics:
            return text
        missing = _EXPECTED.fullmatch(read.diagnostics[0].message) if read.diagnostics else None
        if not missing:
            return ""
        term = missing[1].split(", ")[0].strip("'")
        place = read.diagnostics[0].span.start
        text = f"{text[:place].rstrip()} {_TERMS.get(term, term)} {text[place:].lstrip()}".strip()
    return ""


if __name__ == "__main__":
    with KustoLanguage() as _language:
        _all = _made(_language)
    FILE.write_text("".join(f"{kind}\t{text}\n" for kind, text in _all.items()))
    print(len(_all), "commands; none of", [kind for kind, text in _all.items() if not text])
