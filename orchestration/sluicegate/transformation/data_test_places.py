"""Where each data test runs: in the step of one of the tables that it reads, after all the others.

A test may read several tables: `relationships` does. As in dbt, it runs after all of them and holds what is
below. Belongs here: which table that is, which tables come before it, and what else waits for its word. Does
not belong here: running tests (`data_tests`), and what a partition is made of (`lineage`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sluicegate.core.partitions import Partitioning
from sluicegate.core.problems import Problem
from sluicegate.core.stages import Stage
from sluicegate.transformation.manifest import DbtManifest, blocks


@dataclass(frozen=True)
class DataTestPlaces:
    """Where the data tests of a project run.

    `tables` maps dbt's unique id of a test to the table in whose step it runs, `others` to the other tables
    that it reads. `before` maps a table to those that it does not read, but its tests do: they come first.
    `awaited` maps a table to {other table: blocking tests there}, of which one judges a table above as well,
    so that it has to wait for their word. `problems` are tests that can run nowhere.
    """

    tables: Mapping[str, str]
    others: Mapping[str, tuple[str, ...]]
    before: Mapping[str, frozenset[str]]
    awaited: Mapping[str, Mapping[str, frozenset[str]]]
    problems: tuple[Problem, ...] = ()


def place_tests(manifest: DbtManifest, cut: Mapping[str, Partitioning]) -> DataTestPlaces:
    """Find a place for each data test; `cut` is {relation: how it is cut} of all tables.

    A test that reads one table runs in its step. Of several, it runs in that of the one which is made of all
    the others. Where there is none, it runs with the table that it is attached to, and those which that is
    not made of come first. No order is ever asked for that goes round in a circle.

    What is work runs with a table that is work, and accuses no other.
    """
    order = _Order(manifest, cut)
    tables: dict[str, str] = {}
    others: dict[str, tuple[str, ...]] = {}
    before: dict[str, set[str]] = {}
    judged: list[tuple[str, str, frozenset[str]]] = []
    problems: list[Problem] = []
    names: set[tuple[str, str]] = set()
    for test in sorted(manifest.tests(), key=lambda test: test["unique_id"]):
        read = _read_by(manifest, test)
        if not read:
            continue
        attached = manifest.relation(test["attached_node"]) if test.get("attached_node") else None
        last = order.last_of(read)
        of_work = manifest.stage(test) is Stage.WORK
        # In the step of a table that is work, or production's order would be another for its sake.
        host = order.host(
            [name for name in last if name in order.work] or last if of_work else last, attached
        )
        ill_cut = sorted(name for name in read if not _go_together(cut[host], cut[name]))
        if ill_cut:
            problems.append(_of_different_cut(test, host, ill_cut[0], cut, of_work))
            continue
        if (host, test["name"]) in names:
            problems.append(_of_one_name(test, host))
        names.add((host, test["name"]))
        tables[test["unique_id"]] = host
        others[test["unique_id"]] = tuple(sorted(set(read) - {host}))
        for name in last:
            if name != host:
                order.put_before(name, host)
                before.setdefault(host, set()).add(name)
        if blocks(test):
            # Attached to one, it says that this one is bad; a test of its own says so of all.
            accused = frozenset([attached] if attached in read else last) - {host}
            if of_work:  # what is work says nothing of what is not
                accused &= order.work
            judged += [(test["name"], host, accused)] if accused else []
    return DataTestPlaces(
        tables,
        others,
        {name: frozenset(found) for name, found in before.items()},
        order.awaiting(judged),
        tuple(problems),
    )


@dataclass
class _Order:
    """What comes before what: the tables of a project, and the orders that were added."""

    manifest: DbtManifest
    cut: Mapping[str, Partitioning]
    parents: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    above: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def __post_init__(self) -> None:
        for relation in self.manifest.source_names.values():
            self.parents[relation], self.above[relation] = set(), set()
        for node in self.manifest.nodes.values():  # parents before children
            read = (self.manifest.relation(unique_id) for unique_id in node.parents)
            self.parents[node.relation] = {name for name in read if name is not None}
            self.above[node.relation] = self.parents[node.relation].union(
                *(self.above[name] for name in self.parents[node.relation])
            )
        self.places = {name: number for number, name in enumerate(self.parents)}

    def last_of(self, read: Sequence[str]) -> list[str]:
        """Return those of these tables that no other of them comes after."""
        return [name for name in read if not any(name in self.above[other] for other in read)]

    @cached_property
    def work(self) -> frozenset[str]:
        """The tables that are work."""
        return frozenset(node.relation for node in self.manifest.nodes.values() if node.stage is Stage.WORK)

    def host(self, last: Sequence[str], attached: str | None) -> str:
        """Return in whose step a test runs that reads these last.

        A test of a partition belongs to what has partitions; and a model rather waits than what it is made
        of.
        """
        return max(
            last,
            key=lambda name: (
                self.cut[name].partitioned, bool(self.parents[name]), name == attached, self.places[name],
            ),
        )  # fmt: skip

    def put_before(self, first: str, second: str) -> None:
        """Let a table come after another one, and so all that comes after it."""
        come = {first, *self.above[first]}
        for name, above in self.above.items():
            if name == second or second in above:
                above |= come

    def awaiting(
        self, judged: Sequence[tuple[str, str, frozenset[str]]]
    ) -> dict[str, dict[str, frozenset[str]]]:
        """Return which tables wait for the word of tests that run elsewhere: (test, where, whom it accuses).

        What is made of an accused table and does not come after the test anyway waits, but for what the test
        itself waits for.
        """
        found: dict[str, dict[str, set[str]]] = {}
        for test, host, accused in judged:
            through = set(accused)
            for name in self.manifest.nodes.values():
                if not self.parents[name.relation] & through:
                    continue
                if name.relation == host or name.relation in self.above[host]:
                    through.add(name.relation)
                elif host not in self.above[name.relation]:
                    self.put_before(host, name.relation)
                    found.setdefault(name.relation, {}).setdefault(host, set()).add(test)
                elif host in found.get(name.relation, {}):
                    found[name.relation][host].add(test)
        return {
            name: {host: frozenset(tests) for host, tests in hosts.items()} for name, hosts in found.items()
        }


def _read_by(manifest: DbtManifest, test: Mapping[str, Any]) -> list[str]:
    read = [manifest.relation(unique_id) for unique_id in test["depends_on"]["nodes"]]
    return list(dict.fromkeys(name for name in read if name is not None))


def _go_together(host: Partitioning, other: Partitioning) -> bool:
    """Whether a partition of a table says which partition of another one it goes with."""
    return not other.partitioned or other == host or (host.grain.timed and other.grain.timed)


def _of_different_cut(
    test: Mapping[str, Any], host: str, other: str, cut: Mapping[str, Partitioning], of_work: bool
) -> Problem:
    return Problem(
        f"dbt_project/{test['original_file_path']}",
        1,
        f"data test `{test['name']}` reads `{host}` ({cut[host].grain}) and `{other}` ({cut[other].grain})",
        "tables that are cut by time, by drop of one source, or not at all: of these two no partition goes"
        " with one of the other"
        + (f"; and a test that is work runs with `{host}`, which is work" if of_work else ""),
        "test each of them alone",
    )


def _of_one_name(test: Mapping[str, Any], host: str) -> Problem:
    return Problem(
        f"dbt_project/{test['original_file_path']}",
        1,
        f"two tests that run with `{host}` are called `{test['name']}`",
        "a name of its own for each",
        "give one of them another `name:`",
    )
