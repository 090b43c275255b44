"""dbt's profile: it must lead to the warehouse that this deployment has, and to nothing else.

The platform judges, counts and sends what its warehouse holds. A profile that leads elsewhere builds where
nobody looks, which may be somebody's production. Belongs here: what dbt makes of the profile in this
deployment's environment. Does not belong here: running dbt (`runner`).
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any, cast

from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.core.yaml_files import YamlFile, read_yaml
from sluicegate.transformation.runner import dbt_environment

_FILE = "dbt_project/profiles.yml"
_PATH = "\"{{ env_var('SLUICE_WAREHOUSE') }}\""
_WRITE = f"write an output with type: duckdb and path: {_PATH}, and name it as target"
# What an output may say; all else leads out of the warehouse, runs other code, or opens it otherwise than we.
_MEANT = frozenset(
    {"type", "path", "database", "schema", "threads", "settings", "extensions", "retries", "keep_open"}
)


def profile_problems(settings: Settings) -> list[Problem]:
    """Return what is wrong with the output of the profile that dbt takes in this deployment."""
    path = settings.dbt_dir / "profiles.yml"
    if not path.is_file():
        return [
            Problem(_FILE, 1, "there is no profile", "a file profiles.yml beside dbt_project.yml", _WRITE)
        ]
    read = read_yaml(path, settings.project_dir)
    if isinstance(read, Problem):
        return [read]
    with dbt_environment(settings):
        return list(_problems(settings, read))


def _problems(settings: Settings, file: YamlFile) -> Iterator[Problem]:
    from dbt.config.profile import Profile
    from dbt.config.project import load_raw_project
    from dbt.config.renderer import ProfileRenderer
    from dbt_common.exceptions import DbtBaseException

    renderer = ProfileRenderer({})
    name, target = "", ""
    try:
        stated = load_raw_project(str(settings.dbt_dir)).get("profile")
        # dbt's command line takes both from its environment.
        name = os.environ.get("DBT_PROFILE") or str(renderer.render_value(stated))
        profile: Any = file.data.get(name)
        if not isinstance(profile, dict):
            yield file.problem(
                f"there is no profile `{name}`",
                expected="the profile that dbt_project.yml names",
                fix=_WRITE,
            )
            return
        target, output = Profile.render_profile(
            cast("dict[str, Any]", profile), name, os.environ.get("DBT_TARGET"), renderer
        )
    except DbtBaseException as error:
        said = " ".join(str(error).split())
        yield file.problem(
            f"dbt cannot read it: {said}",
            expected="an output for the target",
            fix=_WRITE,
            at=(name, "outputs"),
        )
        return
    yield from _output_problems(settings, file, (name, "outputs", target), output)


def _output_problems(
    settings: Settings, file: YamlFile, at: tuple[str, ...], output: Mapping[str, Any]
) -> Iterator[Problem]:
    where = f"target `{at[-1]}`"
    if output.get("type") != "duckdb":
        yield file.problem(
            f"{where} is of type {output.get('type')}: dbt would build where nothing is judged",
            expected="type: duckdb", fix=f"make it type: duckdb with path: {_PATH}", at=(*at, "type"),
        )  # fmt: skip
        return
    if str(output.get("path")) != str(settings.warehouse_path):
        yield file.problem(
            f"{where} builds in another file than the warehouse of this deployment",
            expected=f"the path of SLUICE_WAREHOUSE, as it stands there, {settings.warehouse_path}",
            fix=f"write path: {_PATH}", at=(*at, "path"),
        )  # fmt: skip
    for word in sorted(output.keys() - _MEANT):
        yield file.problem(
            f"{where} has `{word}`: dbt would read, write or load what is not in the warehouse",
            expected=f"no more than: {', '.join(sorted(_MEANT))}", fix=f"take `{word}` away",
            at=(*at, word),
        )  # fmt: skip
