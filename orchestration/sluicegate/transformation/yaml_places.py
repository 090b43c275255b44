"""Where in a YAML file of dbt's a table or column is described, a test asked for, a config handed down.

Belongs here: the shape of those files. Does not belong here: places in SQL (`code_lines`).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sluicegate.core.yaml_files import YamlFile, read_yaml

_SECTIONS = ("models", "seeds", "snapshots", "sources")
_TESTS = ("data_tests", "tests")
# Of a test's arguments what dbt adds.
_ADDED = frozenset({"model", "column_name"})
# Where dbt_project.yml hands configs down, by dbt's type of resource.
_HANDED_DOWN = {"model": ("models",), "seed": ("seeds",), "snapshot": ("snapshots",), "test": _TESTS}
_At = tuple[str | int, ...]


class YamlPlaces:
    """One file, which need not be there, or be YAML: then nothing is found in it."""

    def __init__(self, path: Path, project_dir: Path) -> None:
        read = read_yaml(path, project_dir) if path.is_file() else None
        self._file = read if isinstance(read, YamlFile) else None

    def table(self, name: str) -> int | None:
        """Return the line where the description of a model, seed, snapshot or source begins."""
        return next((self._line(at) for at, _ in self._tables(name)), None)

    def handed_down(self, node: Mapping[str, Any], key: str) -> int | None:
        """Return the line of dbt_project.yml where the innermost folder of a node states a config's key."""
        innermost: _At | None = None
        for section in _HANDED_DOWN.get(str(node["resource_type"]), ()):
            at: _At = ()
            stated: Any = self._file.data if self._file else {}
            for step in (section, *node["fqn"]):
                at, stated = (*at, step), stated.get(step)
                if not isinstance(stated, Mapping):
                    break
                for name in stated:
                    if str(name).removeprefix("+").replace("-", "_") == key.replace("-", "_"):
                        innermost = (*at, name)
        return self._line(innermost) if innermost else None

    def column(self, node: str, column: str, *meta: str) -> int | None:
        """Return the line of a column's description, or of what its meta says below these keys."""
        for at, described in self._columns(node, column):
            config = ("config",) if isinstance(described.get("config"), Mapping) else ()
            return self._line((*at, *config, "meta", *meta) if meta else at)
        return None

    def test(self, node: Mapping[str, Any]) -> int | None:
        """Return the line where a generic test is asked for; `node` is the test's, of the manifest."""
        best: tuple[int, _At] | None = None
        name = str(node.get("file_key_name") or "").partition(".")[2]
        column = node.get("column_name")
        for at, described in self._columns(name, column) if column else self._tables(name):
            for key in _TESTS:
                for index, item in enumerate(_list(described.get(key))):
                    alike = _likeness(item, node)
                    if alike and (best is None or alike > best[0]):
                        best = (alike, (*at, key, index))
        return self._line(best[1]) if best else None

    def _line(self, at: _At) -> int:
        assert self._file is not None
        return self._file.line(*at)

    def _tables(self, name: str) -> Iterator[tuple[_At, Mapping[str, Any]]]:
        """Yield the places of what is called so; of a source, those of its tables."""
        for section in _SECTIONS if self._file else ():
            assert self._file is not None
            for index, item in enumerate(_list(self._file.data.get(section))):
                if not isinstance(item, Mapping):
                    continue
                if section != "sources" and item.get("name") == name:
                    yield (section, index), item
                for place, table in enumerate(_list(item.get("tables"))):
                    if isinstance(table, Mapping) and name in (item.get("name"), table.get("name")):
                        yield (section, index, "tables", place), table

    def _columns(self, node: str, column: str) -> Iterator[tuple[_At, Mapping[str, Any]]]:
        for at, table in self._tables(node):
            for index, item in enumerate(_list(table.get("columns"))):
                if isinstance(item, Mapping) and str(item.get("name")).lower() == column.lower():
                    yield (*at, "columns", index), item


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _likeness(item: Any, node: Mapping[str, Any]) -> int:
    """Return how much of an entry is a test's; 0 if it is another test's."""
    metadata = node.get("test_metadata") or {}
    kind = ".".join(filter(None, (metadata.get("namespace"), metadata.get("name"))))
    if isinstance(item, str):
        return int(item == kind)
    if not isinstance(item, Mapping):
        return 0
    said = item.get(kind) or {} if kind in item else item if item.get("test_name") == kind else None
    if not isinstance(said, Mapping):
        return 0
    arguments = {**said, **(said.get("arguments") or {})}
    stated = {key: value for key, value in (metadata.get("kwargs") or {}).items() if key not in _ADDED}
    alike = sum(arguments.get(key) == value for key, value in stated.items())
    return 1 + alike + (len(stated) + 1 if node["name"] in (said.get("name"), item.get("name")) else 0)
