"""What an environment takes over of production's records, so that the gate works there as it does everywhere.

A build and what checks said of it are production's. They are told in the words of the environment's project,
where that means the same as what production had: a comment in a model makes nothing old. Where it means
something else, the records stay as they are, and the gate finds that out. A source's contract is judged when
a drop is loaded, which nobody does here: what production said of it counts.
Belongs here: that. Does not belong here: rows (`views`), building what means something else (`changes`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from orchestration.contracts.model import CONTRACT_CHECK
from orchestration.environments.record import Standing
from orchestration.publishing.catalogue import Catalogue
from orchestration.publishing.meaning import as_code, check_of
from orchestration.state.records import Build, Evidence
from orchestration.state.store import StateStore


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


def standing(catalogue: Catalogue, meanings: Mapping[str, str]) -> dict[str, Standing]:
    """Return what the tables that were taken over were made by, and judged by."""
    return {
        name: Standing(
            meaning,
            meanings[as_code(name)] if meanings.get(name) == meaning else catalogue.meanings[as_code(name)],
        )
        for name, meaning in catalogue.meanings.items()
        if as_code(name) in catalogue.meanings
    }


def told_anew(
    store: StateStore, before: Mapping[str, Standing], meanings: Mapping[str, str]
) -> dict[str, Standing]:
    """Have records say in the project's words what means the same as it did, and return what stands then."""
    now = {
        name: Standing(item.meaning, meanings[as_code(name)])
        for name, item in before.items()
        if item.meaning and meanings.get(name) == item.meaning
    }
    codes = {name: (before[name].code, item.code) for name, item in now.items() if item != before[name]}
    store.tell_anew(codes)
    return {**before, **now}


def _rules(item: Evidence, were: Mapping[str, str], are: Mapping[str, str]) -> str:
    name = check_of(item.relation, item.check)
    if item.check == CONTRACT_CHECK:
        return are.get(as_code(name), item.rules)
    return _now(name, were, are).get(item.rules, item.rules)


def _now(name: str, were: Mapping[str, str], are: Mapping[str, str]) -> dict[str, str]:
    """Return {the code that production had: the one that the project has}, where both mean the same."""
    before, after = were.get(as_code(name)), are.get(as_code(name))
    return {before: after} if before and after and were[name] == are[name] else {}
