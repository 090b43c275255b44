"""The vendored parser: it is that which its README names, and what is asked of it is still there.

Belongs here: files, licences, the way to another version. Does not: what the parser answers.
"""

import hashlib
import io
import json
import re
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from sluicegate.kusto import query_rules
from sluicegate.kusto.commands import ALL_ALLOWED
from sluicegate.kusto.language.update import FILES, VENDOR, update
from sluicegate.kusto.language.v8 import HERE, SCRIPTS

from tests.kql import shared_language

README = (VENDOR / "README.md").read_text()
ROW = re.compile(r"^\| `(?P<file>[^`]+)` \| `(?P<digest>[0-9a-f]{64})` \| (?P<licence>.+) \|$", re.MULTILINE)


def test_the_files_are_those_of_the_readme() -> None:
    told = {row["file"]: row["digest"] for row in ROW.finditer(README)}
    assert told.keys() == set(FILES)
    assert {name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name in told} == told
    assert {HERE / script for script in SCRIPTS} >= {VENDOR / name for name in told}


def test_the_licences_are_with_them() -> None:
    named = {name for row in ROW.finditer(README) for name in re.findall(r"`(LICENSE[^`]*)`", row["licence"])}
    texts = {name: (VENDOR / name).read_text() for name in named}
    assert {"Microsoft" in text or "Apache License" in text for text in texts.values()} == {True}
    assert named | {"README.md", *FILES} == {file.name for file in VENDOR.iterdir()}


def test_what_is_asked_for_is_there() -> None:
    assert set(ALL_ALLOWED) <= shared_language().kinds().keys()
    builtins = shared_language().builtins()
    assert {"cluster", "database", "table", "materialized_view", "external_table"} <= builtins


# What no query may have, looked at one by one; a newer parser's are added here or to what is allowed.
REFUSED = {
    "BadQueryOperator", "ExecuteAndCacheOperator", "MacroExpandOperator", "AliasStatement",
    "PatternStatement",
    "QueryParametersStatement", "RestrictStatement", "SetOptionStatement", "EntityGroupExpression",
    "ExternalDataExpression", "InlineExternalTableExpression", "MaterializedViewCombineExpression",
    "CompoundStringLiteralExpression",
}  # fmt: skip
REFUSED_PLUGINS = {
    "ai_chat_completion", "ai_chat_completion_prompt", "ai_embed_text", "ai_embeddings",
    "azure_digital_twins_query_request", "cosmosdb_sql_request", "csharp", "dax_request", "execute_query",
    "execute_show_command", "external_datatable", "http_request", "http_request_post", "identity",
    "identity_v3", "infer_storage_schema", "infer_storage_schema_with_suggestions", "mysql_request",
    "postgresql_request", "python", "r", "sql_request",
}  # fmt: skip


def test_all_that_a_query_may_have_has_been_looked_at() -> None:
    v8: Any = getattr(shared_language(), "_v8")  # noqa: B009
    known: dict[str, list[str]] = json.loads(
        v8._racer.eval("""(function () {
        const K = Kusto.Language, plugins = [], each = Bridge.getEnumerator(K.PlugIns.All);
        while (each.moveNext()) plugins.push(each.Current.Name);
        const told = /(?:Operator|Statement|(?:Table|Data|Group|Combine|Scope)Expression)$/;
        const syntax = Object.keys(K.Syntax.SyntaxKind).filter((kind) => told.test(kind));
        return JSON.stringify({ plugins, syntax });
    })()""")
    )
    allowed: frozenset[str] = getattr(query_rules, "_SYNTAX")  # noqa: B009
    plugins: frozenset[str] = getattr(query_rules, "_PLUGINS")  # noqa: B009
    assert set(known["syntax"]) - allowed <= REFUSED
    assert allowed <= set(known["syntax"])
    assert set(known["plugins"]) == plugins | REFUSED_PLUGINS


def test_another_version_is_taken_over(tmp_path: Path) -> None:
    vendor = shutil.copytree(VENDOR, tmp_path / "vendor")
    package = _package(tmp_path, {name: name.encode() for name in FILES}, "@kusto/language-service-next")
    assert update(package, vendor) == "99.1.0"
    text = (vendor / "README.md").read_text()
    assert "version 99.1.0," in text
    for row in ROW.finditer(text):
        assert row["digest"] == hashlib.sha256(row["file"].encode()).hexdigest()
        assert (vendor / row["file"]).read_bytes() == row["file"].encode()


@pytest.mark.parametrize(("files", "name", "said"), [
    (FILES, "left-pad", "left-pad"),
    (FILES[:1], "@kusto/language-service-next", "there is no package/bridge"),
])  # fmt: skip
def test_another_package_is_not(tmp_path: Path, files: tuple[str, ...], name: str, said: str) -> None:
    vendor = shutil.copytree(VENDOR, tmp_path / "vendor")
    with pytest.raises(ValueError, match=said):
        update(_package(tmp_path, dict.fromkeys(files, b"x"), name), vendor)
    assert (vendor / "bridge.min.js").read_bytes() == (VENDOR / "bridge.min.js").read_bytes()


def _package(folder: Path, files: dict[str, bytes], name: str) -> Path:
    said = json.dumps({"name": name, "version": "99.1.0", "license": "MIT"}).encode()
    package = folder / "package.tgz"
    with tarfile.open(package, "w:gz") as archive:
        for file, content in {**files, "package.json": said}.items():
            entry = tarfile.TarInfo(f"package/{file}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return package
