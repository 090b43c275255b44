"""What dbt_project.yml may say: no setting of it runs SQL, or lets another macro answer for dbt's.

Belongs here: the keys of that file. Does not belong here: configs of tables and tests, which dbt hands down
from it (`config_rules`), and its hooks (`project_rules`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.settings import Settings
from sluicegate.core.yaml_files import YamlFile, read_yaml
from sluicegate.transformation.code_digests import PARTITION_VARIABLES

KEYS = frozenset(
    {
        "analyses", "analysis-paths", "anchors", "asset-paths", "clean-targets", "config-version",
        "data_tests", "dbt-cloud", "dispatch", "docs-paths", "exposures", "flags", "function-paths",
        "functions", "log-path", "macro-paths", "metrics", "model-paths", "models", "name", "on-run-end",
        "on-run-start", "packages-install-path", "profile", "query-comment", "quoting",
        "require-dbt-version", "restrict-access", "saved-queries", "seed-paths", "seeds", "semantic-models",
        "snapshot-paths", "snapshots", "sources", "target-path", "test-paths", "tests", "unit_tests",
        "vars", "version",
    }
)  # fmt: skip
# `store_failures` is refused with whatever else sets it (`stored_failures`).
FLAGS = frozenset(
    {
        "cache_selected_only", "debug", "indirect_selection", "log_format", "log_format_file", "log_level",
        "log_level_file", "partial_parse", "populate_cache", "printer_width",
        "require_all_warnings_handled_by_warn_error",
        "require_batched_execution_for_custom_microbatch_strategy", "require_event_names_in_deprecations",
        "require_explicit_package_overrides_for_builtin_materializations",
        "require_generic_test_arguments_property", "require_nested_cumulative_type_params",
        "require_ref_searches_node_package_before_root", "require_resource_names_without_spaces",
        "require_unique_project_resource_names", "require_yaml_configuration_for_mf_time_spines",
        "send_anonymous_usage_stats", "skip_nodes_if_on_run_start_fails",
        "source_freshness_run_project_hooks", "state_modified_compare_more_unrendered_values",
        "state_modified_compare_vars", "static_parser", "store_failures", "use_colors", "use_colors_file",
        "use_experimental_parser", "validate_macro_args", "version_check", "warn_error",
        "warn_error_options", "write_json",
    }
)  # fmt: skip
_OVERRIDES = "require_explicit_package_overrides_for_builtin_materializations"
_PACKAGES = "dbt_packages"


def project_file_problems(settings: Settings) -> Iterator[Problem]:
    """Yield what dbt_project.yml says that is not known, or that changes what dbt's own macros do."""
    file = read_yaml(settings.dbt_dir / "dbt_project.yml", settings.project_dir)
    if isinstance(file, Problem):
        yield file
        return
    for key in file.data:
        if key not in KEYS:
            yield file.problem(
                f"`{key}` is no key that is known", expected=f"one of: {', '.join(sorted(KEYS))}",
                fix="list packages in packages.yml" if key == "packages" else did_you_mean(str(key), KEYS),
                at=(key,),
            )  # fmt: skip
    if file.data.get("packages-install-path", _PACKAGES) != _PACKAGES:
        yield file.problem(
            f"packages are installed into `{file.data['packages-install-path']}`", expected=_PACKAGES,
            fix="take packages-install-path away", at=("packages-install-path",),
        )  # fmt: skip
    yield from _flag_problems(file)
    yield from _dispatch_problems(file)
    yield from _comment_problems(file)
    for root in (settings.dbt_dir, *sorted(settings.dbt_dir.glob(f"{_PACKAGES}/*"))):
        if (root / "dbt_project.yml").is_file():
            of = (
                file
                if root == settings.dbt_dir
                else read_yaml(root / "dbt_project.yml", settings.project_dir)
            )
            if isinstance(of, YamlFile):  # dbt has read it
                yield from _variable_problems(of, _mapping(of.data.get("vars")), ("vars",))


def _flag_problems(file: YamlFile) -> Iterator[Problem]:
    for flag, value in _mapping(file.data.get("flags")).items():
        if flag not in FLAGS:
            yield file.problem(
                f"the flag `{flag}` is not known, or leaves out what the gate waits for",
                expected=f"one of: {', '.join(sorted(FLAGS))}", fix=f"take `{flag}` away",
                at=("flags", flag),
            )  # fmt: skip
        elif flag == _OVERRIDES and value is not True:
            yield file.problem(
                f"`{flag}: {value}` lets a package build tables in its own way",
                expected="true, as dbt has it", fix="take the flag away", at=("flags", flag),
            )  # fmt: skip


def _dispatch_problems(file: YamlFile) -> Iterator[Problem]:
    """Whom dbt asks for its own macros, and for the project's, which ours are among."""
    own = str(file.data.get("name"))
    stated: object = file.data.get("dispatch") or []
    for place, item in enumerate(cast("list[object]", stated) if isinstance(stated, list) else [stated]):
        entry = _mapping(item)
        namespace, order = entry.get("macro_namespace"), entry.get("search_order")
        usual: object = {"dbt": [own, "dbt"], own: [own]}.get(str(namespace))
        if usual is None:  # of a package: whoever the project says, but dbt's own, which has the same names
            others: list[object] = cast("list[object]", order) if isinstance(order, list) else []
            usual = [name for name in others if name not in ("dbt", "dbt_duckdb")]
        if order != usual or "{" in str(namespace):
            yield file.problem(
                f"`dispatch` lets {order} answer for the macros of `{namespace}`",
                expected=f"search_order: {usual}: others would build or test in the place of dbt's or ours",
                fix="take the entry away", at=("dispatch", place),
            )  # fmt: skip


def _comment_problems(file: YamlFile) -> Iterator[Problem]:
    stated = file.data.get("query-comment")
    comment = _mapping(stated).get("comment") if isinstance(stated, dict) else stated
    if "{" in str(comment or ""):
        yield file.problem(
            "`query-comment` has Jinja, which is rendered at each statement", expected="plain text, or none",
            fix='write query-comment: "" or a text without Jinja', at=("query-comment",),
        )  # fmt: skip


def _variable_problems(
    file: YamlFile, variables: Mapping[str, Any], at: tuple[str, ...]
) -> Iterator[Problem]:
    for name, value in variables.items():
        if name in PARTITION_VARIABLES:
            yield file.problem(
                f"the variable `{name}` is the platform's: each run says which partition it is of",
                expected="another name", fix="rename the variable", at=(*at, name),
            )  # fmt: skip
        elif isinstance(value, str) and "{" in value and ("{{" in value or "{%" in value):
            yield file.problem(
                f"the variable `{name}` has Jinja, which dbt renders wherever it is read",
                expected="a value that is written out", fix="write the Jinja where the variable is read",
                at=(*at, name),
            )  # fmt: skip
        elif len(at) == 1:  # those of one package
            yield from _variable_problems(file, _mapping(value), (*at, name))


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
