"""What people name and say: an incident by its number, a time to be left alone, what is muted.

Belongs here: understanding what was typed. Does not belong here: putting it on record (`settling`).
"""

from datetime import timedelta

from orchestration.core.freshness import UNITS, written_span
from orchestration.core.partitions import place
from orchestration.core.problems import did_you_mean
from orchestration.operations.asking import key_expected
from orchestration.project.loading import Project
from orchestration.state.incidents import Incident
from orchestration.state.store import StateStore

_NAMED = 5
# A database has no number of more digits, and nobody leaves anything alone for longer.
_DIGITS, _LONGEST = 19, timedelta(days=3660)


def incident_of(store: StateStore, number: str) -> Incident:
    """Return an incident by its number.

    Raises:
        ValueError: there is none of that number; it lists those that are open.
    """
    found = store.incidents.of(int(number)) if number.isdecimal() and len(number) < _DIGITS else None
    if found is None:
        shown = [
            f"{item.id} ({place(item.root_name, item.partition_key)})" for item in store.incidents.open()
        ]
        open_ = f"open are {', '.join(shown[:_NAMED])}" if shown else "none is open"
        raise ValueError(f"no incident {number}; {open_}; `sluice incident list --all` lists them all")
    return found


def open_incident(store: StateStore, number: str) -> Incident:
    """Return an incident that is open.

    Raises:
        ValueError: there is none of that number, or it was resolved.
    """
    found = incident_of(store, number)
    if found.resolved_at is not None:
        at = f"{found.resolved_at:%Y-%m-%d %H:%M}"
        raise ValueError(
            f"incident {found.id} was resolved at {at} UTC: {found.resolution}; nothing is to be done"
        )
    return found


def span_of(text: str) -> timedelta:
    """Return a time that was typed, as `2h` or `30 min`.

    Raises:
        ValueError: it is none.
    """
    span = written_span(text.lower())
    if span is None or span > _LONGEST:
        raise ValueError(f"{text!r} is no time; expected a number and a unit ({', '.join(UNITS)}), as 2h")
    return span


def muted_name(project: Project, name: str, partition: str | None = None) -> str:
    """Return the name of a source, a table or an export, or of several by a `*` at its end, as it was typed.

    Raises:
        ValueError: the project has none, or none has such a partition.
    """
    tables = project.lineage.tables
    cuts = {
        **{contract.name: contract.partitioning for contract in project.contracts.values()},
        **{str(relation): table.partitioning for relation, table in tables.items()},
        **{one.name: tables[project.node_of(one).relation].partitioning for one in project.exports.values()},
    }
    meant = [item for item in cuts if item == name or (name.endswith("*") and item.startswith(name[:-1]))]
    if not meant:
        raise ValueError(f"no source, table or export `{name}`; {did_you_mean(name, cuts)}")
    if partition is not None and not any(cuts[item].holds(partition) for item in meant):
        expected = key_expected(cuts[meant[0]])
        raise ValueError(f"--partition {partition!r} is no partition of `{name}`; expected {expected}")
    return name
