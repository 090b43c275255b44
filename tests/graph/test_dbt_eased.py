"""What `dbt_eased` does in the place of dbt's own code comes to the same, and a second call does less.

Private to dbt, all of it: where a test fails after an upgrade, the easing may go, or must find another way.
"""

import importlib.util
import sys
import threading
from functools import cache
from typing import Any

import duckdb
import pytest
from dbt.clients.jinja import MacroStack
from dbt.context import macros as dbt_macros
from dbt.graph import selector_methods
from dbt.graph.selector import ResourceTypeSelector
from dbt_common.clients.jinja import MacroFuzzEnvironment
from mashumaro.config import BaseConfig
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.transformation.dbt_eased import ease_dbt
from sluicegate.transformation.runner import DbtProcess
from sluicegate.transformation.slices import partition_variables

from tests.company import MON, TUE, Company

pytestmark = pytest.mark.long
DAILY = Partitioning(Grain.DAILY)


@cache
def dbts_own(name: str) -> Any:
    """Return a module as it is before it is eased."""
    package = name.rpartition(".")[0]
    spec = importlib.util.spec_from_file_location(f"{package}.dbts_own", sys.modules[name].__file__)
    assert spec is not None
    assert spec.loader is not None
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    return own


def test_another_partition_compiles_no_text_and_starts_no_thread(
    open_bakery: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = DbtProcess(open_bakery.settings)
    process.build("stg_orders", [], partition_variables(DAILY, MON))
    done: list[str] = []
    generates, starts = MacroFuzzEnvironment._generate, threading.Thread.start  # pyright: ignore[reportPrivateUsage]

    def generate(self: Any, *words: Any, **more: Any) -> Any:
        done.append("a text")
        return generates(self, *words, **more)

    def start(self: Any) -> None:
        done.append(f"a thread {self.name}")
        starts(self)

    monkeypatch.setattr(MacroFuzzEnvironment, "_generate", generate)
    monkeypatch.setattr(threading.Thread, "start", start)
    built, _ = process.build("stg_orders", [], partition_variables(DAILY, TUE))
    assert TUE in built.compiled_code
    assert MON not in built.compiled_code
    assert done == []


@pytest.mark.parametrize(
    ("fqn", "selector"),
    [
        (fqn, selector)
        for fqn in (["shop", "staging", "stg_orders"], ["shop", "a.b", "stg"], ["shop"], ["a", "b", "a"])
        for selector in (
            "stg_orders", "shop", "shop.staging", "shop.staging.stg_orders", "shop.staging.stg", "staging",
            "shop.a", "shop.a.b", "shop.a.b.stg", "a.b", "a", "b", "shop.*", "stg_*", "shop.staging.x", "",
        )
    ],
)  # fmt: skip
def test_a_name_selects_what_it_selects(fqn: list[str], selector: str) -> None:
    ease_dbt()
    own = dbts_own(selector_methods.__name__).is_selected_node
    for versioned in (False, *([True] if len(fqn) > 1 else [])):
        found = selector_methods.is_selected_node(fqn, selector, versioned)
        assert found == own(fqn, selector, versioned)


@pytest.mark.parametrize("search", ["bakery", "dbt", "elsewhere"])
def test_macros_are_where_dbt_puts_them(open_bakery: Company, search: str) -> None:
    process = DbtProcess(open_bakery.settings)
    process.build("stg_orders", [], partition_variables(DAILY, MON))
    packages = getattr(process, "_manifest").get_macros_by_package()  # noqa: B009
    context, stack, node = {"a": 1}, MacroStack(), object()
    found = [
        builder("bakery", search, stack, ["dbt_duckdb", "dbt"], node).build_namespace(packages, context)
        for builder in (dbts_own(dbt_macros.__name__).MacroNamespaceBuilder, dbt_macros.MacroNamespaceBuilder)
    ]

    def told(item: Any) -> Any:
        """Return what each macro notes of itself, by its name, and by that of its package."""
        return {name: told(item[name]) for name in item} if hasattr(item, "keys") else vars(item)

    own, eased = map(told, found)
    assert len(own) > 300
    assert own == eased
    assert found[0].packages.keys() == found[1].packages.keys()


def test_no_column_of_text_has_a_width_that_could_be_widened() -> None:
    with duckdb.connect() as connection:
        connection.execute("create table t (a varchar(5), b char(3), c text, d varchar[], e bpchar)")
        widths = connection.execute("select character_maximum_length from information_schema.columns")
        assert set(widths.fetchall()) == {(None,)}


def test_readers_of_classes_are_made_when_they_are_used() -> None:
    ease_dbt()
    assert BaseConfig.lazy_compilation


def test_names_that_were_selected_are_not_sought_again(
    open_bakery: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph of what is selected is taken apart by each call, so each has its own."""
    process, test = DbtProcess(open_bakery.settings), "unique_stg_orders_order_number"
    for names in (["stg_orders", test], ["stg_orders"]):
        process.build(names[0], names[1:], partition_variables(DAILY, MON))
    sought: list[str] = []
    seeks = ResourceTypeSelector.select_nodes

    def seek(self: Any, spec: Any, warn_on_no_nodes: bool = True) -> Any:
        sought.append("a name")
        return seeks(self, spec, warn_on_no_nodes)

    monkeypatch.setattr(ResourceTypeSelector, "select_nodes", seek)
    for names in (["stg_orders", test], ["stg_orders"], ["stg_orders", test]):
        built, tested = process.build(names[0], names[1:], partition_variables(DAILY, TUE))
        assert built.unique_id == "model.bakery.stg_orders"
        assert [result.unique_id.split(".")[2] for result in tested] == names[1:]
    assert sought == []
