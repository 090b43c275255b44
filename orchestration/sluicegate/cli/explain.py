"""The command that tells what to do about an error's code.

Belongs here: an entry of the runbook as a terminal shows it. Does not: the entries, which `codes` has.
"""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from sluicegate.cli.main import BESIDE, app
from sluicegate.cli.opened import Json, errors_told, out, print_json

if TYPE_CHECKING:
    from sluicegate.codes.reading import Entry

_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


@app.command(rich_help_panel=BESIDE)
def explain(
    code: Annotated[str | None, typer.Argument(help="The code at the end of an error, as SLU-D002.")] = None,
    json: Json = False,
) -> None:
    """Tell what to do about an error, by the code at its end; without one, list all codes."""
    from sluicegate.codes.reading import entries

    with errors_told():
        told = [_entry(code)] if code else list(entries().values())
    if json:
        print_json(_for_machines(told[0]) if code else [_for_machines(entry) for entry in told])
        return
    for entry in told:
        out.print(f"{entry.code}  {entry.title}", style="bold" if code else "", markup=False)
    if code:
        out.print(f"\n{_LINK.sub(_shown, told[0].body)}", markup=False)


def _entry(typed: str) -> "Entry":
    from sluicegate.codes.reading import entries, retired
    from sluicegate.core.problems import did_you_mean

    code = f"SLU-{typed.upper().removeprefix('SLU-')}"
    if code in retired():
        raise ValueError(
            f"code {code} is retired: no error has it any more; the list without a code has all others"
        )
    if code not in entries():
        raise ValueError(f"there is no code {code}; {did_you_mean(code, entries())}")
    return entries()[code]


def _for_machines(entry: "Entry") -> dict[str, object]:
    from sluicegate.codes import place

    return {
        "code": entry.code, "title": entry.title, "area": entry.area.title, "runbook": place(entry.code),
        **{part.lower(): entry.parts.get(part, "") for part in ("See", "Why", "Do", "Click", "Type", "Done")},
    }  # fmt: skip


def _shown(link: re.Match[str]) -> str:
    """Return a link as a terminal shows it: another entry by its code, a document by its path."""
    text, target = link.groups()
    file = target.split("#")[0]
    where = target if target.startswith(("SLU-", "http")) else f"docs/{file[3:]}" if file[:3] == "../" else ""
    return f"{text} ({where or f'docs/runbook/{file}'})"
