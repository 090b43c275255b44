"""KQL that is work becomes production's: its file moves.

Belongs here: which file, and whether it may. Does not belong here: dbt's tables (`project.promoting`).
"""

from pathlib import Path

from orchestration.core.stages import Stage
from orchestration.kusto.files import FOLDER
from orchestration.kusto.objects import KustoObject, KustoProject


def work_named(kusto: KustoProject | None, name: str) -> KustoObject | None:
    """Return the object of work that has a name; None if there is none."""
    objects = kusto.objects if kusto else ()
    return next((one for one in objects if one.name == name and one.stage is Stage.WORK), None)


def destination_of(project_dir: Path, kusto: KustoProject, one: KustoObject) -> str:
    """Return where the file of an object of work goes, relative to the project directory.

    Raises:
        ValueError: it still reads work, or a file is there.
    """
    work = {other.key for other in kusto.objects if other.stage is Stage.WORK}
    if above := [name for kind, name in one.reads if (kind, name) in work]:
        raise ValueError(
            f"`{one.name}` reads work: {', '.join(above)}; expected what is production's;"
            f" `sluice env promote {above[0]}` first"
        )
    to = f"{FOLDER}/{one.kind.value}/{Path(one.file).name}"
    if (project_dir / to).exists():
        raise ValueError(
            f"{to} is there already; expected no such file; `git rm {to}` if it is the older one"
        )
    return to
