"""What a project directory is, by its contents: one graph is made of one identity, and of no other.

Belongs here: the identity of all its folders, and whether it is still the same. Does not belong here: what
dbt's parse depends on (`transformation.project_files`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from sluicegate.core.problems import Problem, ProjectChanged, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.core.stages import stage_of
from sluicegate.transformation.project_files import contents_of, dbt_contents, stamp_made_of

_YAML = (".yml", ".yaml")
_FOLDERS = {"contracts": _YAML, "expectations": _YAML, "exports": _YAML, "kusto": (*_YAML, ".kql")}
_NAMED = 3


@dataclass(frozen=True)
class ProjectIdentity:
    """The contents of a deployment's project directory when this was made.

    `dbt_stamp` is that of the dbt project, `contents` {name: digest} of all folders; what a deployment has no
    part of, exports, suites and KQL of work in production, is not in it.
    """

    settings: Settings
    dbt_stamp: str
    contents: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings) -> "ProjectIdentity":
        """Return the identity of the project directory as it is now.

        Raises:
            ProjectError: a file cannot be read.
        """
        try:
            dbt = dbt_contents(settings)
            contents = {f"dbt_project/{name}": digest for name, digest in dbt.items()}
            for name, suffixes in _FOLDERS.items():
                found = contents_of(settings.project_dir / name, suffixes)
                contents |= {file: one for file, one in found.items() if stage_of(file) in settings.stages}
        except OSError as error:
            raise ProjectError(
                [
                    Problem(
                        str(error.filename), 1, f"cannot be read: {error.strerror}",
                        "files that this process may read", "correct the link, or its rights",
                    )
                ]
            ) from None  # fmt: skip
        return cls(settings, stamp_made_of(settings, dbt), contents)

    @property
    def digest(self) -> str:
        """A digest of all of it."""
        told = json.dumps(sorted(self.contents.items()))
        return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()

    def require_unchanged(self) -> None:
        """Raise where the directory is no longer what it was.

        Raises:
            ProjectChanged: a file, or a variable of the environment that dbt reads, is another.
        """
        now = ProjectIdentity.of(self.settings).contents
        if now != self.contents:
            names = sorted(
                name for name in now.keys() | self.contents.keys() if now.get(name) != self.contents.get(name)
            )
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            raise ProjectChanged(f"the project ({', '.join(names[:_NAMED])}{more})")
