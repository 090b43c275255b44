"""The files that dbt parses, and whether they are still what they were.

Belongs here: what a parse depends on: contents of files, and the environment that dbt's Jinja reads. Does not
belong here: what is in the files. Names, sizes and times are no identity: layers of an image and `rsync -t`
give another content the same.
"""

import errno
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from sluicegate.core.settings import SHARED_DBT_MACROS, Settings, quiet_environment

# What dbt itself writes at the top of a project, or of a package, by default; a folder of these names further
# down is the user's. What is hidden at the top is an editor's or a tool's.
_WRITTEN_BY_DBT = frozenset({"target", "logs"})
_NEVER_READ = frozenset({"__pycache__", ".git"})
_PACKAGES = "dbt_packages"
# All that dbt reads ends so; an editor's swap file does not.
_READ_BY_DBT = (".sql", ".yml", ".yaml", ".csv", ".md", ".py", ".json")
# dbt's own note of who runs it, and the locks of Emacs.
_WRITTEN_BY_TOOLS = (".user.yml", ".#")
_ENV_VAR = re.compile(r"""env_var\s*\(\s*(?:'([^']*)'|"([^"]*)")""")
# Its own variables tell dbt where things lie; a deployment's places are no part of what a project is.
_OURS = "SLUICE_"
# A file whose inode was changed a moment ago may be changed again within the same tick of the clock.
_SETTLED_NANOSECONDS = 2_000_000_000
_FOLDERS_RECORDED = "elsewhere"


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
# The name under which the environment stands among the contents.
ENVIRONMENT = "the environment"


def stamp_of(settings: Settings) -> str:
    """Return a digest of everything that dbt's parse of a project depends on.

    The contents of the project's files, its packages among them, of our shared macros and of what dbt read
    elsewhere, and the variables of the environment that they name, or that are dbt's own.
    """
    return stamp_made_of(settings, dbt_contents(settings))


def stamp_made_of(settings: Settings, contents: Mapping[str, str]) -> str:
    """Return the stamp of these contents; see `dbt_contents`."""
    # dbt's manifest holds the path of the project, where it reads seeds from.
    told = [str(settings.project_dir), sorted(contents.items())]
    return hashlib.sha256(json.dumps(told).encode("utf-8", "surrogateescape")).hexdigest()


def dbt_contents(settings: Settings) -> dict[str, str]:
    """Return {name: digest} of what dbt's parse depends on: files, and the environment as one of them."""
    variables, contents = set(recorded_variables(settings)), dict[str, str]()
    for name, path in dbt_files(settings):
        contents[name], named = CONTENTS.of(path)
        variables |= named
    own = {name for name in os.environ if name.startswith("DBT_")}
    contents[ENVIRONMENT] = environment_digest(variables | own)
    return contents


def touched(settings: Settings) -> str:
    """Return what changes whenever a file is touched, though its content may be the same afterwards.

    A parse during which it changes may have read anything.
    """
    digest = hashlib.sha256()
    for name, path in dbt_files(settings):
        with suppress(FileNotFoundError):
            status = os.stat(path)
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            digest.update(os.fsencode(name) + repr(stamp).encode())
    return digest.hexdigest()


def dbt_files(settings: Settings) -> list[tuple[str, str]]:
    """Return (name, path) of everything that dbt reads of a deployment's project, in order of names."""
    found = list(_files(str(settings.dbt_dir), top=True))
    found += _files(str(SHARED_DBT_MACROS), "shared macros/")
    for folder in _recorded(settings).get(_FOLDERS_RECORDED, ()):
        found += _files(folder, f"{folder}/")
    return sorted(found)


def contents_of(folder: Path, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Return {name: digest} of the files of a folder that end so; nothing else in it is read."""
    return {
        f"{folder.name}/{name}": CONTENTS.of(path)[0]
        for name, path in sorted(_files(str(folder), read=suffixes))
    }


def environment_digest(names: Iterable[str]) -> str:
    """Return a digest of the values of these variables; never a value."""
    # Set around each call of dbt, and nothing of a project.
    wanted = {name for name in names if not name.startswith(_OURS)} - quiet_environment().keys()
    told = [[name, os.environ.get(name)] for name in sorted(wanted)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def recorded_variables(settings: Settings) -> frozenset[str]:
    """Return the variables that dbt's last parse read, those with computed names too."""
    return frozenset(_recorded(settings).get("variables", ()))


def record_parse(settings: Settings, manifest: object) -> None:
    """Keep what dbt itself says that a parse depended on: variables, and folders outside of the project.

    `manifest` is dbt's own, as it is in memory after a parse.
    """
    variables = sorted(str(name) for name in getattr(manifest, "env_vars", {}))
    inside = (settings.dbt_dir.resolve(), SHARED_DBT_MACROS.resolve(), _dbts_own())
    elsewhere: set[str] = set()
    for file in getattr(manifest, "files", {}).values():
        searched = Path(file.path.project_root, file.path.searched_path).resolve()
        if not any(searched.is_relative_to(folder) for folder in inside):
            elsewhere.add(str(searched))
    told = {"variables": variables, _FOLDERS_RECORDED: sorted(elsewhere)}
    _record_path(settings).write_text(json.dumps(told))


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


def _files(
    folder: str,
    under: str = "",
    *,
    top: bool = False,
    above: frozenset[str] = frozenset(),
    read: tuple[str, ...] = _READ_BY_DBT,
) -> Iterator[tuple[str, str]]:
    """Yield (name, path) of the files of a folder that somebody reads; strings, as there may be thousands.

    `top`: it is the top of a dbt project or of a package. `above` are the folders on the way down: a link
    that leads up again is not followed. `read` is how the names of files end that are read.
    """
    real = os.path.realpath(folder)
    if real in above or not os.path.isdir(folder):
        return
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # gone meanwhile, with all that is in it
        return
    for entry in entries:
        name = entry.name
        try:
            is_folder = entry.is_dir()
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            continue  # a link that leads to itself: whoever reads the folder tells of it
        if is_folder:
            if name in _NEVER_READ or (top and (name in _WRITTEN_BY_DBT or name.startswith("."))):
                continue
            package = under == f"{_PACKAGES}/"
            yield from _files(entry.path, f"{under}{name}/", top=package, above=above | {real}, read=read)
        elif entry.is_file() and name.endswith(read) and not name.startswith(_WRITTEN_BY_TOOLS):
            yield f"{under}{name}", entry.path
