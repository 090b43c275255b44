"""The rules between the files of `kusto/`, and between them and the exports that feed its tables.

Belongs here: names, cycles, stages, what makes a table, its columns. Does not belong here: one file
(`file_rules`), one query (`query_rules`).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from orchestration.core.problems import Problem, did_you_mean
from orchestration.core.stages import Stage
from orchestration.destinations.adx.types import WIDER, is_name
from orchestration.kusto.analysis import Analysis, Key
from orchestration.kusto.commands import part_of, parts_of
from orchestration.kusto.definitions import Definition
from orchestration.kusto.file_rules import keeps_nothing, retention_of
from orchestration.kusto.objects import Fed, Kind

_SAID = {Kind.TABLE: "a table", Kind.FUNCTION: "a function", Kind.VIEW: "a materialized view"}


def names_problems(
    definitions: Sequence[Definition], feeds: Iterable[Fed], filled: Iterable[str], builtins: Collection[str]
) -> Iterator[Problem]:
    """Yield names that two have: Kusto tells capital letters from small ones, file systems may not."""
    seen: dict[tuple[Kind, str], Definition] = {}
    for one in definitions:
        first = seen.setdefault((one.made.kind, one.made.name.casefold()), one)
        if first is not one:
            yield one.file.problem(
                one.name_at, f"`{one.made.name}` is also defined by {first.file.name}",
                "each name once, whatever its capital letters and stage",
                "rename one of them, or take it away",
            )  # fmt: skip
    others = dict.fromkeys(filled, "kusto/filled")
    others |= {fed.table: f"the export {fed.export}" for fed in feeds}
    of_kinds: dict[str, Definition] = {}
    for one in definitions:
        name, kind = one.made.name, one.made.kind
        by = others.get(name) if kind is not Kind.TABLE else None
        first = of_kinds.setdefault(name, one)
        if first.made.kind is not kind or by:
            also = f"a table, by {by}" if by else f"{_SAID[first.made.kind]}, by {first.file.name}"
            yield one.file.problem(
                one.name_at, f"`{name}` is {_SAID[kind]}, and also {also}",
                "each name once: a query that names it reads one of them, and hides the other",
                "rename one of them",
            )  # fmt: skip
        if kind is not Kind.TABLE and name in builtins:
            yield one.file.problem(
                one.name_at, f"`{name}` is a function of Kusto's own", "another name",
                "rename it: nobody could call this one",
            )  # fmt: skip


def reading_problems(
    definitions: Sequence[Definition], feeds: Iterable[Fed], analysis: Analysis
) -> Iterator[Problem]:
    """Yield production's objects that read work, and unknown sources."""
    # Of a table its stage is that of what makes it, whoever says something of it besides.
    made = [one.made for one in definitions if one.made.kind is not Kind.TABLE or one.columns is not None]
    work = {one.key: one.name for one in made if one.stage is Stage.WORK}
    for fed in feeds:
        work.pop((Kind.TABLE, fed.table), None)
        if fed.stage is Stage.WORK:
            work[Kind.TABLE, fed.table] = fed.export
    for one in definitions:
        named = {one.made.key: one.name_at, **analysis.found[one.made.key].places}
        for key, place in named.items():
            if key in work and one.made.stage is Stage.PRODUCTION:
                yield one.file.problem(
                    place, f"production's `{one.made.name}` names `{key[1]}`, which is work",
                    "what is production's: it alone is deployed there",
                    f"`sluice env promote {work[key]}`, or `git mv {one.file.name}"
                    f" kusto/work/{one.made.kind.value}`",
                )  # fmt: skip
        for kind, name, place in one.sources:
            if (kind, name) not in analysis.known:
                known = [known for known_kind, known in analysis.known if known_kind is kind]
                yield one.file.problem(
                    place, f"names `{name}` as its source", f"{_SAID[kind]} of the project",
                    did_you_mean(name, known),
                )  # fmt: skip


def cycle_problems(definitions: Sequence[Definition], analysis: Analysis) -> Iterator[Problem]:
    """Yield each cycle once, at the first of its files."""
    by_key = {one.made.key: one for one in definitions}
    done, told = set[Key](), set[frozenset[Key]]()

    def below(key: Key, path: tuple[Key, ...]) -> Iterator[Problem]:
        if key in path:
            cycle = list(path[path.index(key) :])
            if frozenset(cycle) not in told:
                told.add(frozenset(cycle))
                start = min(range(len(cycle)), key=lambda place: by_key[cycle[place]].file.name)
                cycle = [*cycle[start:], *cycle[:start], cycle[start]]
                one = by_key[cycle[0]]
                yield one.file.problem(
                    analysis.found[one.made.key].places[cycle[1]],
                    f"reads itself: {' → '.join(name for _, name in cycle)}",
                    "functions and views that read what is below them", "take one of these reads away",
                )  # fmt: skip
        elif key in by_key and key not in done and key[0] is not Kind.TABLE:
            for other in analysis.found[key].places:
                yield from below(other, (*path, key))
            done.add(key)

    for key in by_key:
        yield from below(key, ())


def table_problems(
    definitions: Sequence[Definition], feeds: Sequence[Fed], filled: Collection[str], analysis: Analysis
) -> Iterator[Problem]:
    """Yield tables that nothing makes, columns that are not the export's, policies of other columns."""
    by_table = {fed.table: fed for fed in feeds}
    for one in definitions:
        if one.made.kind is not Kind.TABLE:
            continue
        fed = by_table.get(one.made.name)
        if fed is None and one.columns is None and one.made.name not in filled:
            yield one.file.problem(
                one.name_at, f"nothing makes the table `{one.made.name}`",
                "a table that an export feeds, that kusto/filled/ names, or that `.create-merge table` makes",
                did_you_mean(one.made.name, {*by_table, *filled}),
            )  # fmt: skip
            continue
        yield from _columns(one, fed, filled)
        yield from _given(one, analysis)
        for command in one.commands:
            kept = retention_of(one.file, command)
            if fed and kept and keeps_nothing(kept[0]):
                yield one.file.problem(
                    kept[1], f"lets `{one.made.name}` keep rows for less than a day",
                    "that what is delivered stays",
                    "write for how long, as `softdelete = 365d`",
                )  # fmt: skip


def _given(of: Definition, analysis: Analysis) -> Iterator[Problem]:
    """Yield policies whose query gives another table than the one they are of: Kusto refuses them.

    "The update policy function schema and the target table schema must match in their column names, types,
    and order" (https://learn.microsoft.com/kusto/management/alter-table-update-policy-command).
    """
    held = list(analysis.tables.get(of.made.name, ()))
    updates = {part.span.start for one in of.commands if (part := part_of(one, "UpdatePolicy"))}
    for asked, query in analysis.found[of.made.key].queries:
        if any(one.severity == "Error" for one in query.diagnostics):
            continue  # nobody knows what it gives
        given, is_update = list(query.columns or ()), asked.anywhere in updates
        if held and (given != held if is_update else sorted(given) != sorted(held)):
            listed = ", ".join(f"{name}: {kind}" for name, kind in held)
            yield of.file.problem(
                asked.anywhere,
                f"the query of a policy does not give the columns of `{of.made.name}`",
                f"{listed}{', in this order' if is_update else ''}",
                "correct the query, or the function that it calls",
            )  # fmt: skip


def _columns(of: Definition, fed: Fed | None, filled: Collection[str]) -> Iterator[Problem]:
    sent = dict(fed.columns) if fed else None
    by = f"the export {fed.export} ({fed.file})" if fed else ""
    known = sent if sent is not None else dict(of.columns or ())
    for command in of.commands:
        if command.kind == "CreateMergeTable":
            if of.made.name in filled:
                yield of.file.problem(
                    of.name_at, "makes a table that a function fills", "no columns: they are the function's",
                    "take `.create-merge table` away",
                )  # fmt: skip
                continue
            names, types = parts_of(command, "ColumnName"), parts_of(command, "ColumnType")
            for name, kind in zip(names, types, strict=True):
                if not is_name(name.value):
                    yield of.file.problem(
                        name.span.start, f"`{name.value}` is no name of Kusto's",
                        "letters, digits, underscores, spaces, dots and dashes", "choose another name",
                    )  # fmt: skip
                if sent is None:
                    continue
                if name.value not in sent:
                    yield of.file.problem(
                        name.span.start, f"column `{name.value}` is not sent by {by}",
                        f"columns that it sends: {', '.join(sent)}", did_you_mean(name.value, sent),
                    )  # fmt: skip
                elif kind.value not in (sent[name.value], *WIDER.get(sent[name.value], ())):
                    yield of.file.problem(
                        kind.span.start,
                        f"column `{name.value}` is {kind.value}, and {by} sends {sent[name.value]}",
                        sent[name.value], f"write `{sent[name.value]}`, or cast it in the model",
                    )  # fmt: skip
        if command.kind == "AlterMergeTableColumnDocStrings" and of.made.name not in filled:
            for name, text in zip(
                parts_of(command, "ColumnName"), parts_of(command, "DocString"), strict=True
            ):
                remark = dict(fed.remarks).get(name.value, "") if fed else ""
                if name.value not in known:
                    yield of.file.problem(
                        name.span.start, f"there is no column `{name.value}`",
                        f"a column of `{of.made.name}`: {', '.join(known)}", did_you_mean(name.value, known),
                    )  # fmt: skip
                elif remark and not text.value.endswith(f"({remark})"):
                    yield of.file.problem(
                        text.span.start, f"the docstring of `{name.value}` does not say how it was sent",
                        f"that it ends with `({remark})`: reading it back needs that",
                        f"write `({remark})` at its end",
                    )  # fmt: skip
