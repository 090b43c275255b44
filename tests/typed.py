"""What a person types, and all that a terminal shows of it.

Belongs here: asking what a command answers, in this process. Does not: what a process of its own is needed
for, its console as a whole or its end by a signal (`Company.process`, `Company.start`).
"""

from tests.company import Company


def sluice(company: Company, *arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and all that it wrote, to stdout and then to stderr."""
    code, written, complained = sluice_apart(company, *arguments)
    return code, written + complained


def sluice_apart(company: Company, *arguments: str) -> tuple[int, str, str]:
    """Run a command on a wide terminal; return its exit code, and what it wrote to stdout and to stderr."""
    return company.sluice(*arguments, COLUMNS="250")
