"""What moves rows without being asked: update policies and materialized views, beside what a delivery does.

A delivery of `mode: snapshot` and a fill put rows into a table by `.replace extents`, again for each
correction. Kusto runs update policies on them each time, and takes nothing out of their targets ("Update
policy overview", https://learn.microsoft.com/kusto/management/update-policy); a materialized view may make
the command fail, or keep what was taken out ("Materialized views limitations",
https://learn.microsoft.com/kusto/management/materialized-views/materialized-views-limitations). Belongs here:
from which tables such rows may come, and into which they may go. Does not belong here: queries
(`query_rules`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from sluicegate.core.problems import Problem
from sluicegate.kusto.analysis import KINDS, Analysis, Key
from sluicegate.kusto.commands import part_of
from sluicegate.kusto.definitions import Definition
from sluicegate.kusto.language.engine import Command
from sluicegate.kusto.objects import Fed, Kind


def flow_problems(
    definitions: Sequence[Definition], feeds: Sequence[Fed], filled: Collection[str], analysis: Analysis
) -> Iterator[Problem]:
    """Yield rows that would come twice, that nobody has validated, and that come to what they came from."""
    replacing = dict.fromkeys(filled, "a function fills, partition by partition")
    owned = dict.fromkeys(filled, "a function fills")
    for fed in feeds:
        owned[fed.table] = f"{fed.file} feeds"
        if fed.replaces:
            replacing[fed.table] = f"{fed.file} replaces, partition by partition (`mode: snapshot`)"
    secured = _secured(definitions)
    above = {one.made.name: [name for _, name, _ in one.sources] for one in definitions if _is_table(one)}
    for one in definitions:
        name = one.made.name
        for kind, source, place in one.sources:
            if kind is Kind.TABLE and source in replacing:
                what = "an update policy takes rows" if _is_table(one) else f"`{name}` is a view"
                yield one.file.problem(
                    place, "SLU-K017",
                    f"{what} of `{source}`, which {replacing[source]}: of a partition that comes again"
                    " it would have the rows of both times, or the delivery would fail",
                    "a table whose rows come once: of an export of `mode: append`, or of no export",
                    "write a function, with kusto/filled/ where its rows are to be kept;"
                    " or let the export append",
                )  # fmt: skip
        if not _is_table(one):
            continue
        if one.sources and name in owned:
            yield one.file.problem(
                _update_at(one), "SLU-K017", f"an update policy fills `{name}`, which {owned[name]}",
                "rows that have been validated, and no others",
                "fill a table of its own, by `.create-merge table`",
            )  # fmt: skip
        read = _read_by_updates(one, analysis)
        for _, source, place in one.sources:
            if source not in read and (Kind.TABLE, source) in analysis.known:
                yield one.file.problem(
                    place, "SLU-K017",
                    f"an update policy of the source `{source}` does not read it: whenever that gets a"
                    " row, it would add all that it reads", f"a query of `{source}`",
                    "name the same table in both",
                )  # fmt: skip
        for table in sorted({*secured} & read):
            yield one.file.problem(
                _update_at(one), "SLU-K017",
                f"an update policy reads `{table}`, on which {secured[table][0].file.name} enables row level"
                " security: Kusto refuses one of them", "tables without row level security",
                f"secure `{name}`, not `{table}`",
            )  # fmt: skip
        if name in _all_above(name, above):
            yield one.file.problem(
                _update_at(one), "SLU-K017", f"an update policy fills `{name}` from itself",
                "a source that nothing of this table goes to", "name another `Source`",
            )  # fmt: skip


def flow_warnings(
    definitions: Sequence[Definition], feeds: Sequence[Fed], filled: Mapping[str, str], analysis: Analysis
) -> Iterator[str]:
    """Yield tables with row level security that the platform reads: it holds for the platform, too.

    "The access restriction applies to all users, including database admins"
    (https://learn.microsoft.com/kusto/management/row-level-security-policy).
    """
    for table, (one, command) in _secured(definitions).items():
        means = [f"compares what {fed.export} has delivered" for fed in feeds if fed.table == table]
        for of, function in filled.items():
            if (Kind.TABLE, table) in _all_read((Kind.FUNCTION, function), analysis):
                means.append(f"calls {function}() to fill `{of}`")
        if means:
            line, column = one.file.place(command.extent.start if command.extent else 0)
            yield (
                f"{one.file.name}:{line}:{column}: row level security of `{table}` holds for the platform,"
                f" too, which {' and '.join(means)}; let the policy's query show it all rows"
            )


def _secured(definitions: Sequence[Definition]) -> dict[str, tuple[Definition, Command]]:
    """Return {table: where row level security is enabled on it}."""
    return {
        one.made.name: (one, command)
        for one in definitions
        for command in one.commands
        if command.kind == "AlterTablePolicyRowLevelSecurity"
        and command.words[command.words.index("row_level_security", 5) + 1] == "enable"
    }


def _read_by_updates(one: Definition, analysis: Analysis) -> set[str]:
    """Return the tables that a table's update policies read, directly or through functions."""
    updates = {part.span.start for command in one.commands if (part := part_of(command, "UpdatePolicy"))}
    keys = {
        (KINDS[read.kind], read.name)
        for asked, query in analysis.found[one.made.key].queries if asked.anywhere in updates
        for read in query.reads
    }  # fmt: skip
    through = {other for key in keys for other in {key, *_all_read(key, analysis)}}
    return {name for kind, name in through if kind is Kind.TABLE}


def _all_read(key: Key, analysis: Analysis) -> set[Key]:
    """Return what a function or a view reads, however far."""
    found, waiting = set[Key](), [key]
    while waiting:
        one = waiting.pop()
        below = analysis.found[one].places if one in analysis.found and one[0] is not Kind.TABLE else ()
        waiting += {*below} - found
        found |= {*below}
    return found


def _is_table(one: Definition) -> bool:
    return one.made.kind is Kind.TABLE


def _update_at(one: Definition) -> int:
    """Return where a table's update policy stands."""
    parts = (part_of(command, "UpdatePolicy") for command in one.commands)
    return next((part.span.start for part in parts if part), 0)


def _all_above(table: str, above: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the tables whose rows come to a table, however far."""
    found, waiting = set[str](), list(above[table])
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            waiting += above.get(one, ())
    return found
