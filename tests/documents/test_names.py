"""A file, a module or a name in backticks is there: in documents, and in what modules say of themselves."""

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import PurePosixPath

import pytest
from sluicegate.core.settings import REPOSITORY

from tests.documents.reading import DOCUMENTS, FOLDERS, TRACKED, Document, spans_of

_PATH = re.compile(r"[\w./-]*\w\.(?:py|sql|md|toml|ya?ml|json|txt|css|js)|[\w./-]+/")
_MODULE = re.compile(r"(?:sluicegate|tests|benchmarks)(?:\.\w+)+")
_CLASS = re.compile(r"(?:[A-Z][a-z0-9]+){2,}")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
# What the reader of the guides makes.
_EXAMPLES = ("promot", "shop/", "exp_operations_daily", "_operations.yml")
# What libraries and engines call so, and folders that are made.
_OF_OTHERS = {"target/", "logs/", ".partial/", "DefaultAzureCredential", "FlushImmediately"} | {
    "ingestIfNotExists", "stats", "date_spine", "delta_scan", "write_deltalake", "startFrom", "vacuum",
}  # fmt: skip
# What was decided is told with the names of that time.
NOW = [document for document in DOCUMENTS if not document.name.startswith("docs/decisions/0")]
MODULES = [name for name in TRACKED if name.startswith("orchestration/sluicegate/") and name.endswith(".py")]


@pytest.mark.parametrize("document", NOW, ids=str)
def test_a_file_that_a_document_names_is_there(document: Document) -> None:
    named = [
        span for span in document.spans if _PATH.fullmatch(span) and not any(one in span for one in _EXAMPLES)
    ]
    assert [path for path in named if not _is_there(path)] == []


@pytest.mark.parametrize("document", NOW, ids=str)
def test_a_module_that_a_document_names_is_there(document: Document) -> None:
    named = [name for span in document.spans for name in _MODULE.findall(span)]
    assert [name for name in named if not _is_module_or_in_one(name)] == []


@pytest.mark.parametrize("document", NOW, ids=str)
def test_a_class_that_a_document_names_is_there(document: Document) -> None:
    named = {span for span in document.spans if _CLASS.fullmatch(span)}
    assert named - _OF_OTHERS - _names() == set()


def test_what_modules_say_of_themselves_and_others_is_there() -> None:
    said = {name: ast.get_docstring(ast.parse((REPOSITORY / name).read_text())) or "" for name in MODULES}
    assert [(name, span) for name, text in said.items() for span in spans_of(text) if _is_stale(span)] == []


def _is_stale(span: str) -> bool:
    name = span.removesuffix("()")
    if "/" in span and _PATH.fullmatch(span):
        return not _is_there(span)
    if not _NAME.fullmatch(name):
        return False
    first = name.split(".")[0]
    if first == "sluicegate" or f"orchestration/sluicegate/{first}" in FOLDERS:
        return not _is_module_or_in_one(f"sluicegate.{name.removeprefix('sluicegate.')}")
    return not set(name.split(".")) <= _names() | _stems() | _OF_OTHERS


@cache
def _stems() -> frozenset[str]:
    return frozenset(PurePosixPath(name).stem for name in TRACKED) | {
        part for name in FOLDERS for part in name.split("/")
    }


@cache
def _names() -> frozenset[str]:
    """Return every name of the product's code, and words of its short texts."""
    found: set[str] = set()
    for name in TRACKED:
        if (
            not name.startswith(("orchestration/sluicegate/", "dbt_project/"))
            or not (REPOSITORY / name).is_file()
        ):
            continue
        text = (REPOSITORY / name).read_text()
        if not name.endswith(".py"):
            found.update(re.findall(r"\w+", text))
            continue
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME:
                found.add(token.string)
            elif token.type == tokenize.STRING and not token.string.endswith('"""'):
                found.update(re.findall(r"\w+", token.string))
    return frozenset(found)


def _is_there(path: str) -> bool:
    bare = path.rstrip("/")
    kept = {span.rstrip("/") for row in _data_directory() for span in spans_of(row[0])}
    return (
        any(name == bare or name.endswith(f"/{bare}") for name in (*TRACKED, *FOLDERS))
        or path in _OF_OTHERS
        # Of the data directory, or a file that the product writes.
        or bare.split("/")[0] in kept
        or ("/" not in bare and set(bare.split(".")) <= _names())
    )


@cache
def _data_directory() -> list[tuple[str, ...]]:
    return Document("docs/architecture.md").table("Path", "What", "If it is lost")


def _is_module_or_in_one(name: str) -> bool:
    """Whether a dotted name is a module or package, or something that one defines."""
    path = _path(name)
    if f"{path}.py" in TRACKED or path in FOLDERS:
        return True
    module, _, inside = name.rpartition(".")
    path = _path(module)
    file = next((one for one in (f"{path}.py", f"{path}/__init__.py") if one in TRACKED), None)
    return file is not None and re.search(rf"\b{inside}\b", (REPOSITORY / file).read_text()) is not None


def _path(name: str) -> str:
    return ("orchestration/" if name.startswith("sluicegate") else "") + name.replace(".", "/")
