"""Files of tables that functions fill: how each is cut, and what is refused, with its line.

Belongs here: reading the files, with functions as the parser would tell them. Does not: filling.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.stages import Stage
from sluicegate.core.yaml_files import YamlFile, read_yaml
from sluicegate.delivery.export_files.exports import Export, read_export
from sluicegate.kusto.filled import with_filled
from sluicegate.kusto.objects import Fed, Kind, KustoObject, KustoProject, Statement

PARTITION = "(partition_start: datetime, partition_end: datetime)"
# {export: how its model is cut, mode, which partitions its destination holds}; its table is named alike.
EXPORTS = {
    "hours": ("hourly", "append", "each"),
    "days": ("daily", "snapshot", "each"),
    "weeks": ("weekly", "snapshot", "each"),
    "months": ("monthly", "snapshot", "each"),
    "sets": ("drop", "snapshot", "each"),
    "list": ("snapshot", "snapshot", "each"),
    "newest": ("daily", "snapshot", "latest"),
}


def exports_in(folder: Path) -> dict[str, Export]:
    found: dict[str, Export] = {}
    for name, (_, mode, partitions) in EXPORTS.items():
        path = folder / f"exp_{name}.yml"
        path.write_text(
            f"model: exp_{name}\ndestination: {{type: adx, connection: telemetry, object: {name}}}\n"
            f"key: [id]\nmode: {mode}\npartitions: {partitions}\nowner: a@b.example\npurpose: Tests.\n"
        )
        file = read_yaml(path, folder)
        assert isinstance(file, YamlFile)
        export, problems = read_export(file)
        assert export is not None, problems
        found[export.name] = export
    return found


def function(
    name: str, *reads: str, takes: str = PARTITION, stage: Stage = Stage.PRODUCTION, gives: bool = True
) -> KustoObject:
    """A function; what it reads is a table, or by a capital letter a function."""
    kinds = {True: Kind.FUNCTION, False: Kind.TABLE}
    keys = [(kinds[one[0].isupper()], one) for one in reads]
    columns = [("n", "long")] if gives else None
    said = Statement("CreateOrAlterFunction", "", 1, name)
    return KustoObject(
        Kind.FUNCTION, name, f"kusto/functions/{name}.kql", stage, [said], takes, "{}", keys, columns
    )


VIEW = KustoObject(
    Kind.VIEW, "Newest", "kusto/views/Newest.kql", Stage.PRODUCTION, (), reads=[(Kind.TABLE, "days")],
    columns=[("n", "long")],
)  # fmt: skip


def read(folder: Path, files: Mapping[str, str], *objects: KustoObject) -> tuple[KustoProject, list[str]]:
    exports = exports_in(folder)
    for name, text in files.items():
        path = folder / "kusto" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if ":" in text else f"function: {text}\ndescription: D.\nowner: a@b.example\n")
    feeds = [Fed(name, f"exp_{name}", "telemetry", Stage.PRODUCTION, [("n", "long")]) for name in EXPORTS]
    project = KustoProject("telemetry", objects=[*objects, VIEW], feeds=feeds)
    cut = {f"exp_{name}": Partitioning(Grain(grain)) for name, (grain, _, _) in EXPORTS.items()}
    found, problems = with_filled(folder, project, exports, lambda export: cut[export.name])
    return found, list(map(str, problems))


def grained(grain: str) -> str:
    return f"function: F\ndescription: D.\nowner: a@b.example\ngrain: {grain}\n"


@pytest.mark.parametrize(
    ("reads", "takes", "said", "cut"),
    [
        (("hours",), PARTITION, "F", Grain.HOURLY),
        (("days",), PARTITION, "F", Grain.DAILY),
        (("hours", "days"), PARTITION, "F", Grain.DAILY),
        (("days", "months"), PARTITION, "F", Grain.MONTHLY),
        (("hours", "weeks"), PARTITION, "F", Grain.WEEKLY),
        (("days", "list", "newest"), PARTITION, "F", Grain.DAILY),
        (("list",), "()", "F", Grain.SNAPSHOT),
        (("newest",), "()", "F", Grain.SNAPSHOT),
        (("days",), "()", grained("whole"), Grain.SNAPSHOT),
        (("sets",), "()", grained("whole"), Grain.SNAPSHOT),
        (("hours",), PARTITION, grained("daily"), Grain.DAILY),
        (("weeks", "months"), PARTITION, grained("daily"), Grain.DAILY),
        (("days",), "( partition_start:datetime,\n  partition_end:datetime )", "F", Grain.DAILY),
        (("days", "typed_by_hand"), PARTITION, "F", Grain.DAILY),
    ],
)
def test_a_table_is_cut_as_what_feeds_it(
    tmp_path: Path, reads: tuple[str, ...], takes: str, said: str, cut: Grain
) -> None:
    project, problems = read(tmp_path, {"filled/t.yml": said}, function("F", *reads, takes=takes))
    assert problems == []
    [table] = project.filled
    assert (table.partitioning, table.stage) == (Partitioning(cut), Stage.PRODUCTION)
    assert set(table.exports) == {f"exp_{name}" for name in reads if name in EXPORTS}


@pytest.mark.parametrize(
    ("files", "objects", "line", "told"),
    [
        ({"filled/t.yml": "G"}, (function("F", "days"),), 1, "there is no function `G`"),
        ({"filled/t.yml": "Newest"}, (function("F", "days"),), 1, "there is no function `Newest`"),
        ({"filled/t.yml": "F"}, (function("F", "days", gives=False),), 1, "which columns `F` gives"),
        ({"filled/t.yml": "F"}, (function("F", "days", takes="()"),), 1, f"expected exactly {PARTITION}"),
        (
            {"filled/t.yml": "F"},
            (function("F", "days", takes="(partition_start: datetime, partition_end: datetime = now())"),),
            1, f"expected exactly {PARTITION}",
        ),
        ({"filled/t.yml": "F"}, (function("F", "list"),), 1, "is filled whole, and F takes"),
        ({"filled/t.yml": grained("whole")}, (function("F", "days"),), 1, "expected exactly ()"),
        ({"filled/t.yml": "F"}, (function("F", "weeks", "months"),), 1, "months are not made of weeks"),
        ({"filled/t.yml": "F"}, (function("F", "sets"),), 1, "write `grain: whole`"),
        ({"filled/t.yml": grained("daily")}, (function("F", "list"),), 4, "is not cut by time"),
        ({"filled/t.yml": grained("yearly")}, (function("F", "days"),), 4, "`grain` is 'yearly'"),
        ({"filled/t.yml": "F"}, (function("F", "typed_by_hand"),), 1, "no export feeds what F reads"),
        ({"filled/days.yml": "F"}, (function("F", "days"),), 1, "is fed by the export exp_days.yml"),
        ({"filled/Days.yml": "F"}, (function("F", "days"),), 1, "is fed by the export exp_days.yml"),
        ({"filled/days_sluice_staging.yml": "F"}, (function("F", "days"),), 1, "in which rows are staged"),
        ({"filled/F.yml": "F"}, (function("F", "days"),), 1, "is kusto/functions/F.kql already"),
        ({"filled/Newest.yml": "F"}, (function("F", "days"),), 1, "is kusto/views/Newest.kql already"),
        (
            {"filled/t.yml": "F", "work/filled/t.yml": "F"}, (function("F", "days"),),
            1, "`t` is filled by two files",
        ),
        (
            {"filled/t.yml": "F", "filled/T.yml": "F"}, (function("F", "days"),),
            1, "is filled by two files",
        ),
        ({"filled/t.yml": "F"}, (function("F", "days", "t"),), 1, "reads the table that it fills: F → t"),
        (
            {"filled/t.yml": "F"}, (function("F", "days", "G"), function("G", "t")),
            1, "reads the table that it fills: F → G → t",
        ),
        (
            {"filled/t.yml": "F", "filled/u.yml": "G"},
            (function("F", "days", "u"), function("G", "days", "t")),
            1, "reads the table that it fills: F → u → G → t",
        ),
        (
            {"work/filled/t.yml": "F"}, (function("F", "days"), function("G", "t")),
            1, "production's kusto/functions/G.kql reads `t`, which is filled as work",
        ),
        (
            {"filled/t.yml": "F"}, (function("F", "days", stage=Stage.WORK),),
            1, "`F` is work (kusto/functions/F.kql)",
        ),
        ({"filled/t.yml": "functon: F\ndescription: D.\nowner: o\n"}, (), 1, "did you mean `function`?"),
        ({"filled/t.yml": "function: F\nowner: o\n"}, (), 1, "`description` is missing"),
        ({"filled/t.txt": "F"}, (), 1, "a file that nothing reads"),
    ],
)  # fmt: skip
def test_what_cannot_be_filled_is_refused_at_its_line(
    tmp_path: Path, files: Mapping[str, str], objects: tuple[KustoObject, ...], line: int, told: str
) -> None:
    project, problems = read(tmp_path, files, *objects)
    name = next(iter(files))
    at = [one for one in problems if told in one]
    assert at, problems
    places = {f"kusto/{other}:{line}:" for other in files}
    assert any(one.startswith(tuple(places)) for one in at), (name, at)
    assert len(project.filled) < len(files)


def test_a_table_may_be_filled_of_one_that_is_filled(tmp_path: Path) -> None:
    project, problems = read(
        tmp_path, {"filled/a.yml": "G", "filled/t.yml": "F", "work/filled/w.yml": "F"},
        function("F", "hours"), function("G", "days", "t"),
    )  # fmt: skip
    assert problems == []
    found = {table.table: table for table in project.filled}
    assert [table.table for table in project.filled].index("t") < list(found).index("a")
    assert (found["a"].exports, found["a"].after) == (("exp_days",), ("t",))
    assert found["a"].partitioning == Partitioning(Grain.DAILY)
    assert found["w"].stage is Stage.WORK


def test_the_code_of_a_table_is_that_of_all_that_its_function_reads(tmp_path: Path) -> None:
    files = {"filled/t.yml": "F"}
    one, _ = read(tmp_path, files, function("F", "G"), function("G", "days"))
    assert one.filled[0].reads == ((Kind.FUNCTION, "F"), (Kind.FUNCTION, "G"))
    other = KustoObject(
        Kind.FUNCTION, "G", "kusto/functions/G.kql", Stage.PRODUCTION,
        [Statement("CreateOrAlterFunction", "", 1, "another digest")], PARTITION, "{}",
        [(Kind.TABLE, "days")], [("n", "long")],
    )  # fmt: skip
    changed, _ = read(tmp_path, files, function("F", "G"), other)
    assert changed.filled[0].code != one.filled[0].code
