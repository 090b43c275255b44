"""What a person types, within this process: the same command, without a process's start.

Belongs here: asking what a command answers. Does not: what a process of its own is needed for, its console as
a whole or its end by a signal (`Company.sluice`, `Company.start`).
"""

from typer.testing import CliRunner, Result

from orchestration.cli.main import app
from tests.company import Company


def sluice(company: Company, *arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and all that it wrote."""
    result = _typed(company, arguments)
    return result.exit_code, result.output


def sluice_apart(company: Company, *arguments: str) -> tuple[int, str, str]:
    """Run a command; return its exit code, and what it wrote to stdout and to stderr."""
    result = _typed(company, arguments)
    return result.exit_code, result.stdout, result.stderr


def _typed(company: Company, arguments: tuple[str, ...]) -> Result:
    result = CliRunner().invoke(app, arguments, env=company.environment() | {"COLUMNS": "250"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result
