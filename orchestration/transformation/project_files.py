"""The files that dbt parses, and whether they are still what they were.

Belongs here: what a parse depends on: contents of files, and the environment that dbt's Jinja reads. Does not
belong here: what is in the files. Names, sizes and times are no identity: layers of an image and `rsync -t`
give another content the same.
"""

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from orchestration.settings import SHARED_DBT_MACROS, Settings, quiet_environment

# What dbt itself writes below a project by default; a folder of these names further down is the user's.
_WRITTEN_BY_DBT = frozenset({"target", "logs"})
_NEVER_READ = frozenset({"__pycache__", ".git"})
_ENV_VAR = re.compile(r"""env_var\s*\(\s*(?:'([^']*)'|"([^"]*)")""")
# Its own variables tell dbt where things lie; a deployment's places are no part of what a project is.
_OURS = "SLUICE_"
# A file whose inode was changed a moment ago may be changed again within the same tick of the clock.
_SETTLED_NANOSECONDS = 2_000_000_000


class ContentDigests:
    """Digests of files by path, worked out anew only where a file's inode was touched.

    The inode's change time cannot be set back, unlike the time of modification.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], str, frozenset[str]]] = {}
        self._lock = threading.Lock()

    def of(self, path: str) -> tuple[str, frozenset[str]]:
        """Return the SHA-256 of a file, and the variables that it names in `env_var()`.

        A file that is gone has the digest "".
        """
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return "", frozenset()
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        with self._lock:
            known = self._known.get(path)
        if known is not None and known[0] == stamp:
            return known[1], known[2]
        try:
            content = Path(path).read_bytes()
        except FileNotFoundError:
            return "", frozenset()
        named = frozenset(
            single or double for single, double in _ENV_VAR.findall(content.decode("utf-8", "replace"))
        )
        found = hashlib.sha256(content).hexdigest(), named
        if time.time_ns() - status.st_ctime_ns > _SETTLED_NANOSECONDS:
            with self._lock:
                self._known[path] = (stamp, *found)
        return found


CONTENTS = ContentDigests()


def stamp_of(settings: Settings) -> str:
    """Return a digest of everything that dbt's parse of a project depends on.

    The contents of the project's files, its packages among them, of our shared macros and of what dbt read
    elsewhere, and the variables of the environment that they name, or that are dbt's own.
    """
    return _digest(settings, recorded_variables(settings))


def contents_of(settings: Settings) -> str:
    """Return the part of the stamp that is known before dbt has parsed a project for the first time."""
    return _digest(settings, frozenset())


def _digest(settings: Settings, also: frozenset[str]) -> str:
    variables = set(also)
    # dbt's manifest holds the path of the project, where it reads seeds from.
    digest = hashlib.sha256(str(settings.project_dir).encode())
    for name, path in dbt_files(settings):
        content, named = CONTENTS.of(path)
        variables |= named
        digest.update(f"{name}\0{content}\n".encode())
    digest.update(environment_digest(variables).encode())
    return digest.hexdigest()


def dbt_files(settings: Settings) -> list[tuple[str, str]]:
    """Return (name, path) of everything that dbt reads of a deployment's project, in order of names."""
    found = list(_files(str(settings.dbt_dir), "", _WRITTEN_BY_DBT))
    found += _files(str(SHARED_DBT_MACROS), "shared macros/")
    found += [(path, path) for path in _recorded(settings).get("elsewhere", ())]
    return sorted(found)


def folder_digest(folder: Path) -> str:
    """Return a digest of the names and contents of all files of a folder."""
    digest = hashlib.sha256()
    for name, path in sorted(_files(str(folder))):
        digest.update(f"{name}\0{CONTENTS.of(path)[0]}\n".encode())
    return digest.hexdigest()


def environment_digest(names: Iterable[str], environ: Mapping[str, str] | None = None) -> str:
    """Return a digest of the values of these variables, and of all that begin with `DBT_`; never a value."""
    environ = os.environ if environ is None else environ
    wanted = {name for name in names if not name.startswith(_OURS)}
    wanted |= {name for name in environ if name.startswith("DBT_")}
    wanted -= quiet_environment().keys()  # set around each call of dbt, and nothing of a project
    told = [[name, environ.get(name)] for name in sorted(wanted)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def recorded_variables(settings: Settings) -> frozenset[str]:
    """Return the variables that dbt's last parse read, those with computed names too."""
    return frozenset(_recorded(settings).get("variables", ()))


def record_parse(settings: Settings, manifest: object) -> None:
    """Keep what dbt itself says that a parse depended on: variables, and files outside of the project.

    `manifest` is dbt's own, as it is in memory after a parse.
    """
    variables = sorted(str(name) for name in getattr(manifest, "env_vars", {}))
    inside = (settings.dbt_dir.resolve(), SHARED_DBT_MACROS.resolve(), _dbts_own())
    elsewhere: set[str] = set()
    for file in getattr(manifest, "files", {}).values():
        path = Path(file.path.full_path).resolve()
        if not any(path.is_relative_to(folder) for folder in inside):
            elsewhere.add(str(path))
    _record_path(settings).write_text(json.dumps({"variables": variables, "elsewhere": sorted(elsewhere)}))


def _dbts_own() -> Path:
    """Where dbt's and its adapter's own macros are installed: they change with a version of theirs alone."""
    import dbt

    return Path(next(iter(dbt.__path__))).resolve()


def _record_path(settings: Settings) -> Path:
    return settings.dbt_target_dir / "parse.json"


def _recorded(settings: Settings) -> dict[str, list[str]]:
    try:
        return json.loads(_record_path(settings).read_text())
    except (FileNotFoundError, ValueError):
        return {}


def _files(folder: str, under: str = "", left_out: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """Yield (name, path) of all files of a folder; strings, as thousands are looked at before each step."""
    if not os.path.isdir(folder):
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name not in left_out and entry.name not in _NEVER_READ:
                    yield from _files(entry.path, f"{under}{entry.name}/")
            elif entry.name != ".user.yml":
                yield f"{under}{entry.name}", entry.path
