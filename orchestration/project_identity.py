"""What a project directory is, by its contents: one graph is made of one identity, and of no other.

Belongs here: the identity of all four folders, and whether it is still the same. Does not belong here: what
dbt's parse depends on (`transformation.project_files`).
"""

import hashlib
from dataclasses import dataclass, field

from orchestration.problems import ProjectChanged
from orchestration.settings import Settings
from orchestration.transformation.project_files import folder_digest, stamp_of

_FOLDERS = ("contracts", "expectations", "exports")


@dataclass(frozen=True)
class ProjectIdentity:
    """The contents of a deployment's project directory when this was made.

    `dbt_stamp` is that of the dbt project, `digest` of all four folders.
    """

    settings: Settings
    dbt_stamp: str
    digest: str = field(default="")

    @classmethod
    def of(cls, settings: Settings) -> "ProjectIdentity":
        """Return the identity of the project directory as it is now."""
        stamp = stamp_of(settings)
        digest = hashlib.sha256(stamp.encode())
        for name in _FOLDERS:
            digest.update(folder_digest(settings.project_dir / name).encode())
        return cls(settings, stamp, digest.hexdigest())

    def require_unchanged(self) -> None:
        """Raise where the directory is no longer what it was.

        Raises:
            ProjectChanged: a file, or a variable of the environment that dbt reads, is another.
        """
        if ProjectIdentity.of(self.settings) != self:
            raise ProjectChanged(f"the project directory {self.settings.project_dir.name}")
