"""A secret that cannot be read: what its store said, and what a person is told."""

from orchestration.core.problems import SettingsError


class NotRead(Exception):
    """A store did not give a secret; `said` is what it said, without a secret."""

    def __init__(self, said: str, expected: str, fix: str) -> None:
        super().__init__(said, expected, fix)
        self.said, self.expected, self.fix = said, expected, fix


class SecretError(SettingsError):
    """A reference cannot be read; names the variable and the reference, never a value."""

    def __init__(self, what: str, expected: str, fix: str) -> None:
        super().__init__(what, expected, fix)
        self.what, self.expected, self.fix = what, expected, fix

    def __str__(self) -> str:
        return f"{self.what}; expected {self.expected}; {self.fix}"
