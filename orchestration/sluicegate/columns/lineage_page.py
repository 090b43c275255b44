"""All columns of a company as one page that searches them, upwards and downwards, without a server.

Belongs here: what the page is given, and the file. Does not belong here: what the page does with it
(`lineage_page.html`), where it is served.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sluicegate.columns.catalogue import Catalogue
from sluicegate.columns.graph import DELIVERED
from sluicegate.columns.ways import WORDS
from sluicegate.core.column_origins import Kind, Origin, Place
from sluicegate.core.relations import Relation
from sluicegate.quality.data_docs.site import FRAME_STYLE

LINEAGE_PAGE = "lineage.html"
_TEMPLATE = Path(__file__).with_suffix(".html")


def lineage_html(catalogue: Catalogue) -> str:
    """Return the page: the same text for the same project, with nothing in it from elsewhere."""
    told = json.dumps(lineage_data(catalogue), ensure_ascii=False, separators=(",", ":"))
    # In a script only these can end it, or are no text to old readers of JavaScript.
    for sign in "<>&\u2028\u2029":
        told = told.replace(sign, f"\\u{ord(sign):04x}")
    return _template().replace("/*FRAME*/", FRAME_STYLE.read_text("utf-8")).replace("/*DATA*/null", told)


def code_digest() -> str:
    """Return a digest of what the page is made by, its data aside."""
    told = [path.read_bytes() for path in (_TEMPLATE, FRAME_STYLE, Path(__file__))]
    return hashlib.sha256(b"".join(told)).hexdigest()[:16]


@cache
def _template() -> str:
    return _TEMPLATE.read_text(encoding="utf-8")


def shown_name(relation: Relation) -> str:
    """Return what the page calls a table: exports by their own name, as commands do."""
    return relation.name if relation.schema == DELIVERED else str(relation)


def address(name: str) -> str:
    """Return where on the page a table is, or a column of it."""
    return f"#{quote(name, safe='')}"


def lineage_data(catalogue: Catalogue) -> dict[str, Any]:
    """Return what the page searches: each column has a number, in the order of the tables and their columns.

    Of a table: `cols` (names), `up` ({number within the table: [[column, kind], …]}), `rows` ([[column,
    kind], …]), `reads` (numbers of tables), `classes` and `said` ({number within the table: text}).
    """
    graph, kinds = catalogue.graph, list(Kind)
    numbers: dict[Place, int] = {}
    for table in graph.tables.values():
        for name in table.columns:
            numbers[Place(table.relation, name)] = len(numbers)
    order = {relation: place for place, relation in enumerate(graph.tables)}

    def edges(origins: frozenset[Origin]) -> list[list[int]]:
        found = {(numbers[one.place], kinds.index(one.kind)) for one in origins if one.place in numbers}
        return [list(edge) for edge in sorted(found)]

    tables: list[dict[str, Any]] = []
    for table in graph.tables.values():
        shown = catalogue.shown(table.relation)
        classes = {
            place: sorted(found)
            for place, name in enumerate(table.columns)
            if (found := catalogue.classes_of(Place(table.relation, name)))
        }
        up = {
            place: found for place, origins in enumerate(table.columns.values()) if (found := edges(origins))
        }
        said = {
            place: text for place, name in enumerate(table.columns) if (text := shown.described.get(name))
        }
        told = {
            "name": shown_name(table.relation), "kind": shown.kind, "owner": shown.owner,
            "channel": shown.channel, "file": shown.file, "about": shown.about, "to": shown.to,
            "cols": list(table.columns), "classes": classes, "said": said, "up": up,
            "rows": edges(table.rows),
            "reads": sorted(order[parent] for parent in table.reads if parent in order),
            "blind": sorted({item.what for item in table.not_understood}),
        }  # fmt: skip
        tables.append({name: value for name, value in told.items() if value not in ("", {}, [])})
    return {
        "kinds": [[kind.value, WORDS[kind], kind.of_value] for kind in kinds],
        "tables": tables,
    }
