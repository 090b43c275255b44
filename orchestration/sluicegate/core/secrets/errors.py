"""A secret that cannot be read: what its store said, and what a person is told."""

from sluicegate.core.problems import SettingsError


class SecretError(SettingsError):
    """A secret cannot be read; never holds one.

    A kind's own says in `what` what its store said; variable and reference are put before it.
    """

    def __init__(self, what: str, expected: str, fix: str, *, code: str = "SLU-C001") -> None:
        super().__init__(code, what, expected, fix)
        self.what, self.expected, self.fix = what, expected, fix

    @property
    def words(self) -> str:
        """What is wrong, what was expected and the fix, in one sentence."""
        return f"{self.what}; expected {self.expected}; {self.fix}"
