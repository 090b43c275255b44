"""What the shell completes besides commands and options: names that are files' in the project.

Belongs here: names that a look at folders tells. Does not belong here: anything that is read, or imported
late: a key was pressed, and somebody waits. Where the project cannot be found, nothing is completed.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import click


def exports(ctx: click.Context, incomplete: str) -> list[str]:
    """Return the exports whose names begin so."""
    return _beginning(incomplete, _names(ctx, "exports", "*.y*ml"))


def sources(ctx: click.Context, incomplete: str) -> list[str]:
    """Return the sources whose names begin so."""
    return _beginning(incomplete, _names(ctx, "contracts", "*.odcs.y*ml"))


def tables(ctx: click.Context, incomplete: str) -> list[str]:
    """Return the tables whose names begin so: a model's folder is its schema."""
    models = _project(ctx) / "dbt_project" / "models"
    named = [f"{path.parent.relative_to(models).parts[0]}.{path.stem}" for path in models.rglob("*.sql")
             if path.parent != models]  # fmt: skip
    raw = [f"raw.{name}" for name in _names(ctx, "contracts", "*.odcs.y*ml")]
    return _beginning(incomplete, [*named, *raw])


def _names(ctx: click.Context, folder: str, pattern: str) -> Iterator[str]:
    for path in (_project(ctx) / folder).rglob(pattern):
        yield path.name.partition(".")[0]


def _project(ctx: click.Context) -> Path:
    """Return the project directory as commands find it, of what is typed so far."""
    typed = ctx.params.get("project") or os.environ.get("SLUICE_PROJECT_DIR")
    return Path(typed) if typed else Path(__file__).parents[2]


def _beginning(incomplete: str, names: Iterator[str] | list[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})
