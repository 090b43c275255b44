"""The answer of `sluice diff` as a comment on a pull request."""

from orchestration.comparing.report import DiffReport


def markdown_of(report: DiffReport) -> str:
    """Return it as Markdown: the exports first, then tables by partition."""
    raise NotImplementedError
