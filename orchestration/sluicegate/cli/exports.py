"""`sluice export …`: how an export is begun, what it promises, what is let pass, what holds for a time."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from sluicegate.cli.contracts import print_changes
from sluicegate.cli.exits import Code, ended
from sluicegate.cli.opened import (
    By,
    DataDir,
    Export,
    Json,
    ProjectDir,
    SentPartition,
    account,
    err,
    opened,
    out,
    print_json,
    table,
)
from sluicegate.core.problems import ProjectError

app = typer.Typer(help="Draft an export, print its contract, release what is held.")


@app.command()
def new(
    model: Annotated[str, typer.Argument(help="The dbt model, exp_….")],
    type_: Annotated[str, typer.Option("--type", help="The type of destination, as postgres.")],
    connection: Annotated[
        str, typer.Option(help="The connection's name; its URL is SLUICE_CONNECTION_<NAME>.")
    ],
    object_: Annotated[str, typer.Option("--object", help="The table, folder or object type there.")],
    key: Annotated[
        list[str] | None,
        typer.Option(help="A column of the key; again for each (default: what a dbt test says is unique)."),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, of what only this type of destination can be told.")
    ] = None,
    mode: Annotated[str, typer.Option(help="append, upsert, mirror or snapshot.")] = "",
    owner: Annotated[
        str, typer.Option(help="An e-mail address, or team:NAME (default: the model's owner).")
    ] = "",
    purpose: Annotated[str, typer.Option(help="What the destination does with it, in one sentence.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Draft exports/MODEL.yml from the dbt model; exports/work/MODEL.yml of what is work."""
    with opened(project, data) as here:
        from sluicegate.columns.door import Door
        from sluicegate.contracts.classes import load_classes
        from sluicegate.contracts.load import load_contracts
        from sluicegate.core.stages import folder_of
        from sluicegate.delivery.export_files.exports import FOLDER, SUFFIXES, load_exports
        from sluicegate.drafting.export import DraftRequest, ModelClasses, draft_export
        from sluicegate.project.export_models import ExportModels, export_node
        from sluicegate.project.unfinished import unfinished_of
        from sluicegate.transformation.binding import bound_sql
        from sluicegate.transformation.manifest import load_manifest

        manifest = load_manifest(here.settings)
        node = export_node(manifest, model)
        folder = here.settings.project_dir / folder_of(FOLDER, node.stage)
        there = [folder / f"{model}{suffix}" for suffix in SUFFIXES if (folder / f"{model}{suffix}").exists()]
        if there and not force:
            raise ValueError(f"{there[0]}: there is a file; expected none; edit it, or --force")
        request = DraftRequest(
            type_, connection, object_, tuple(key or ()), _options(option or []), mode, owner, purpose
        )
        others, _ = load_exports(here.settings.project_dir)
        # What is wrong with contracts, `sluice check` tells.
        contracts, _ = load_contracts(here.settings.project_dir)
        rules, _ = load_classes(here.settings.project_dir)
        bound = bound_sql(here.settings, manifest.digests)
        flow = Door.of(here.settings, rules, contracts, manifest, bound, {}).flow
        drafted = draft_export(
            request, ExportModels(manifest).model(node), ModelClasses(flow, node.relation), others,
            _schema_from(folder),
        )  # fmt: skip
        path = there[0] if there else folder / f"{model}{SUFFIXES[0]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(drafted.text, encoding="utf-8")
        todo = sum(1 for _ in unfinished_of(path, here.settings.project_dir))
    out.print(str(path), markup=False, soft_wrap=True)
    for problem in drafted.undecided:
        err.print(f"to be decided: {problem.what}; {problem.fix}", style="yellow", markup=False)
    out.print(f"{todo} TODOs are left, which `sluice check` names. Then: sluice check", soft_wrap=True)


def _options(said: list[str]) -> dict[str, Any]:
    import ryaml

    options: dict[str, Any] = {}
    for text in said:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"--option is `{text}`; expected NAME=VALUE; write the value after a `=`")
        try:
            options[name] = ryaml.loads(value)  # pyright: ignore[reportPrivateImportUsage]
        except ryaml.InvalidYamlError:  # pyright: ignore[reportPrivateImportUsage]
            raise ValueError(f"--option {name} is `{value}`; expected a YAML value; quote it") from None
    return options


def _schema_from(folder: Path) -> str:
    """Return the path from a folder of exports to the JSON Schema; "" where the repository is elsewhere."""
    from sluicegate.core.settings import REPOSITORY
    from sluicegate.delivery.export_files.schema import FILE

    schema = REPOSITORY / FILE
    return os.path.relpath(schema, folder) if folder.is_relative_to(REPOSITORY) and schema.exists() else ""


@app.command()
def schema() -> None:
    """Print the JSON Schema of export files, for editors; it is kept as docs/export.schema.json."""
    from sluicegate.delivery.export_files.schema import schema_text

    typer.echo(schema_text(), nl=False)


@app.command()
def contract(
    export: Export,
    output: Annotated[
        Path | None, typer.Option(help="The file to write; without it the contract is printed.")
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(help="An earlier contract: tells what has changed since, for whoever receives it."),
    ] = None,
    as_json: Json = False,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Print the ODCS contract of what a destination gets: fields, types, classes, key, owner, rules.

    Its version goes on from that of the contract in --since, or of the one that --output has. With --since it
    is not printed: what has changed is listed instead, and it ends with code 1 if something breaks whoever
    receives it and no --output was given, which raises the version.
    """
    with opened(project, data) as here:
        from sluicegate.columns.delivered_changes import (
            delivered_changes,
            raised_version,
            read_contract,
        )
        from sluicegate.columns.delivered_contract import contract_yaml, delivered_contract
        from sluicegate.contracts.changes import Weight

        delivered = here.project.delivered(export)
        made = delivered_contract(delivered)
        earlier = since or (output if output is not None and output.exists() else None)
        before = read_contract(earlier, export) if earlier else made
        changes = delivered_changes(before, made, delivered.export, here.project.door.rules)
        made = {**made, "version": raised_version(before, changes)}
        text = contract_yaml(made)
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(text, encoding="utf-8")
        breaking = [change for change in changes if change.weight is Weight.BREAKING]
    if as_json:
        print_json({"contract": made, "changes": [asdict(change) for change in changes]})
    elif earlier is None and output is None:
        typer.echo(text, nl=False)
    else:
        if output is not None:
            out.print(f"{output}: version {made['version']}", markup=False, soft_wrap=True)
        print_changes(changes, str(earlier) if earlier else "")
    if breaking and output is None:
        err.print(
            f"{export}: {len(breaking)} changes break whoever receives it; agree with them, then write the"
            f" contract anew, as version {made['version']}: sluice export contract {export} --since {earlier}"
            f" --output {earlier}",
            style="red", markup=False,
        )  # fmt: skip
        raise typer.Exit(Code.ATTENTION)


@app.command()
def release(
    export: Export,
    reason: Annotated[str, typer.Option(help="Why it may go out although checks failed.")],
    until: Annotated[str, typer.Option(help="When this ends if it was not used, as 2026-05-01T06:00 (UTC).")],
    partition: SentPartition = None,
    check: Annotated[
        list[str] | None,
        typer.Option(help="TABLE:CHECK to pass on, as staging.stg_sales:expectations; all failed, if none."),
    ] = None,
    through: Annotated[
        bool,
        typer.Option("--through", help="Also on what fails further down, on what is made of these data."),
    ] = False,
    by: By = None,
    project: ProjectDir = None,
    data: DataDir = None,
) -> None:
    """Break the glass: let one partition of one export pass on failed checks, once, on the record."""
    with opened(project, data) as here:
        from sluicegate.cli.gates import parse_until, show_release
        from sluicegate.graph.releasing import Request
        from sluicegate.graph.releasing import release as record_release
        from sluicegate.operations.asking import key_to_send

        key = key_to_send(here.site.target(export), partition)
        request = Request(export, key, reason, account(by), parse_until(until), tuple(check or ()), through)
        recorded = record_release(here.desk, request)
    show_release(recorded, out)


@app.command("last-mile")
def last_mile(as_json: Json = False, project: ProjectDir = None) -> None:
    """List every filter and mapping in an export file, who answers for it and how long it still holds.

    Ends with code 1 if one has expired: its export is held.
    """
    with opened(project, None, typed=False) as here:
        from sluicegate.delivery.export_files.expiry import expired_problems
        from sluicegate.delivery.export_files.exports import load_exports

        today = here.now.date()
        exports, problems = load_exports(here.settings.project_dir)
        if problems:
            raise ProjectError(problems)
        rules = sorted(
            ((rule.days_left(today), export.name, rule) for export in exports.values()
             for rule in export.spec.last_mile),
            key=lambda item: item[:2],
        )  # fmt: skip
        expired = [
            problem
            for export in exports.values()
            for problem in expired_problems(export, here.settings.project_dir, today)
        ]
    if as_json:
        print_json(
            [
                {
                    "export": name, "rule": str(rule), "owner": rule.owner, "reason": rule.reason,
                    "issue": rule.issue, "expires": rule.expires.isoformat(), "days_left": left,
                }
                for left, name, rule in rules
            ]
        )  # fmt: skip
        raise ended(expired)
    if not rules:
        out.print("no export has a last-mile rule")
        return
    made = table("last-mile rules", "export", "rule", "owner", "reason", "issue", "expires", "#days left")
    for left, name, rule in rules:
        shown = f"[red]expired {-left} days ago[/]" if left < 0 else str(left)
        texts = (name, str(rule), rule.owner, rule.reason, rule.issue, str(rule.expires))
        made.add_row(*(escape(text) for text in texts), shown)
    out.print(made)
    for problem in expired:
        err.print(str(problem), style="red", markup=False)
    raise ended(expired)
