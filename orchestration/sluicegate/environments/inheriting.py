"""What an environment takes over of production's records, so that the gate works there as it does everywhere.

A build and what checks said of it are production's. They are told in the words of the environment's project,
where that means the same as what production had: a comment in a model makes nothing old. Where it means
something else, the records stay as they are, and the gate finds that out. A source's contract is judged when
a drop is loaded, which nobody does here: what production said of it counts.
Belongs here: that. Does not belong here: rows (`views`), building what means something else (`changes`).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from sluicegate.contracts.model import CONTRACT_CHECK
from sluicegate.publishing.catalogue import Catalogue
from sluicegate.publishing.meaning import as_code, check_of
from sluicegate.state.records import Build, Evidence
from sluicegate.state.store import StateStore


def inherited(
    catalogue: Catalogue, keys: Mapping[str, list[str]], meanings: Mapping[str, str], project: str
) -> Iterator[tuple[Build, tuple[Evidence, ...]]]:
    """Yield each build of a catalogue at these keys, and what was said of it, as the environment has them.

    Args:
        catalogue: what production has published.
        keys: {relation: keys of partitions}.
        meanings: those of the environment's project.
        project: the digest of the environment's project directory.
    """
    run_id = f"inherited:{catalogue.name}"
    for relation, wanted in keys.items():
        table = catalogue.tables[relation]
        code = _now(relation, catalogue.meanings, meanings)
        for key in wanted:
            partition = table.partitions[key]
            build = partition.build
            said = tuple(
                replace(item, run_id=run_id, rules=_rules(item, catalogue.meanings, meanings))
                for item in partition.evidence
            )
            told = code.get(build.code, build.code)
            yield replace(build, run_id=run_id, project=project, code=told, drop_ordinal=None), said


def standing(catalogue: Catalogue, meanings: Mapping[str, str]) -> dict[str, str]:
    """Return what the tables that were taken over were made by, and judged by (`Made.standing`)."""
    return {**catalogue.meanings, **_codes(_same(catalogue.meanings, meanings), meanings)}


def told_anew(store: StateStore, before: Mapping[str, str], meanings: Mapping[str, str]) -> dict[str, str]:
    """Have records say in the project's words what means the same as it did, and return what stands then."""
    same = [name for name in _same(before, meanings) if before[name]]
    pairs = {name: (before[as_code(name)], meanings[as_code(name)]) for name in same}
    store.tell_anew({name: pair for name, pair in pairs.items() if pair[0] != pair[1]})
    return {**before, **_codes(same, meanings)}


def _same(were: Mapping[str, str], are: Mapping[str, str]) -> list[str]:
    return [name for name, meaning in were.items() if as_code(name) in were and are.get(name) == meaning]


def _codes(names: Collection[str], meanings: Mapping[str, str]) -> dict[str, str]:
    return {as_code(name): meanings[as_code(name)] for name in names}


def _rules(item: Evidence, were: Mapping[str, str], are: Mapping[str, str]) -> str:
    name = check_of(item.relation, item.check)
    if item.check == CONTRACT_CHECK:
        return are.get(as_code(name), item.rules)
    return _now(name, were, are).get(item.rules, item.rules)


def _now(name: str, were: Mapping[str, str], are: Mapping[str, str]) -> dict[str, str]:
    """Return {the code that production had: the one that the project has}, where both mean the same."""
    before, after = were.get(as_code(name)), are.get(as_code(name))
    return {before: after} if before and after and were[name] == are[name] else {}
