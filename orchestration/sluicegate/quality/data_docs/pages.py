"""Kept results as GX's own objects, and GX's site builder at work on them.

GX is imported here at once; import this module where the site is made, not before. Its pages name scripts,
styles and a logo on other people's servers: our templates take the place of those, so that the pages can be
read without a network and tell nobody that they are. Its templates escape little: what came out of a table
is escaped here.
"""

import html
import itertools
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sluicegate.core.partitions import SNAPSHOT_PARTITION
from sluicegate.core.progress import each
from sluicegate.core.settings import quiet_environment
from sluicegate.quality.rule_results import Outcome
from sluicegate.quality.suites import CHECK_NAME
from sluicegate.state.results import Judgement, KeptRule

os.environ.update(quiet_environment())
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.render.renderer.content_block.validation_results_table_content_block import (
        ValidationResultsTableContentBlockRenderer,
    )
    from great_expectations.render.view.view import DefaultJinjaIndexPageView, DefaultJinjaPageView

from jinja2 import ChoiceLoader, FileSystemLoader

TEMPLATES = Path(__file__).parent / "templates"
_SITE = "sluice"
# What a page shows of a rule beside what GX makes of it travels in the rule's meta.
_KEPT = "kept"
# GX does not render these without an observed value of their own form; none of it reaches a page.
_OBSERVED_FOR_GX: Mapping[str, Any] = {
    "expect_table_columns_to_match_ordered_list": [],
    "expect_table_row_count_to_equal_other_table": {"self": 0, "other": 0},
}
_JUDGED = (Outcome.PASSED.value, Outcome.FAILED.value)
_NOT_JUDGED = '<i class="fas fa-exclamation-triangle text-warning" aria-hidden="true"></i>'


def render(judgements: Sequence[Judgement], site_dir: Path) -> None:
    """Have GX write the site of these judgements (the newest day of a suite first) into a new directory.

    Raises:
        RuntimeError: GX made no page for something that was judged; it logs why.
    """
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context: Any = gx.get_context(mode="ephemeral", project_config=config)
    for suite, of_suite in itertools.groupby(judgements, key=_suite):
        items = list(of_suite)
        rules = [_configuration(rule).to_json_dict() for rule in items[0].rules]
        context.suites.add(gx.ExpectationSuite(name=suite, expectations=rules))
        for item in each(f"rendering {suite}", items, "partitions"):
            result = _suite_result(item, suite)
            key = ValidationResultIdentifier(
                ExpectationSuiteIdentifier(suite), result.meta["run_id"], batch_identifier=_partition(item)
            )
            context.validation_results_store.set(key, result)
    context.add_data_docs_site(_SITE, _site_config(site_dir))
    context.build_data_docs(site_names=[_SITE])
    pages = len(list(site_dir.glob("validations/**/*.html")))
    if pages != len(judgements):
        raise RuntimeError(f"GX made {pages} pages of {len(judgements)} results; its log says why")


def _configuration(rule: KeptRule) -> ExpectationConfiguration:
    shown = {
        "expected": rule.expected,
        "observed": rule.error or rule.observed,
        "outcome": rule.outcome,
    }
    return ExpectationConfiguration(
        type=rule.type, kwargs=dict(rule.kwargs), severity=FailureSeverity(rule.severity), meta={_KEPT: shown}
    )


def _suite(item: Judgement) -> str:
    return item.relation if item.check == CHECK_NAME else f"{item.relation}.{item.check}"


def _partition(item: Judgement) -> str:
    return item.partition_key or SNAPSHOT_PARTITION


def _suite_result(item: Judgement, suite: str) -> ExpectationSuiteValidationResult:
    passed = sum(rule.outcome == Outcome.PASSED for rule in item.rules)
    failed = [rule for rule in item.rules if rule.outcome in (Outcome.FAILED, Outcome.ERROR)]
    return ExpectationSuiteValidationResult(
        # As the check has it: a warning shows, and fails nothing.
        success=not any(rule.severity.blocks for rule in failed),
        results=[_rule_result(rule) for rule in item.rules],
        suite_name=suite,
        statistics={
            "evaluated_expectations": len(item.rules),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(failed),
            "success_percent": 100 * passed / len(item.rules),
        },
        meta={
            "great_expectations_version": gx.__version__,
            "run_id": RunIdentifier(run_name=_partition(item), run_time=item.judged_at),
            "batch_spec": {
                "data_asset_name": item.relation,
                "partition": _partition(item),
                "version of the table": item.version,
                "run": item.run_id,
            },
        },
    )


def _rule_result(rule: KeptRule) -> ExpectationValidationResult:
    result: dict[str, Any] = {}
    if rule.type in _OBSERVED_FOR_GX:
        result["observed_value"] = _OBSERVED_FOR_GX[rule.type]
    if rule.rows is not None and rule.failing_rows is not None:
        share = rule.failing_share or 0.0
        result |= {
            "element_count": rule.rows,
            "unexpected_count": rule.failing_rows,
            "unexpected_percent": 100 * share,
        }
    if rule.sample:
        # GX's table of failing values wants the count beside them.
        result.setdefault("unexpected_count", 0)
        result["partial_unexpected_list"] = [html.escape(row) for row in rule.sample]
    return ExpectationValidationResult(
        success=rule.outcome == Outcome.PASSED,
        expectation_config=_configuration(rule),
        result=result,
    )


def _site_config(site_dir: Path) -> Mapping[str, Any]:
    ours = {"module_name": __name__}
    page = {**ours, "class_name": OfflinePageView.__name__}
    return {
        "class_name": "SiteBuilder",
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site_dir)},
        "show_how_to_buttons": False,
        "site_index_builder": {
            "class_name": "DefaultSiteIndexBuilder",
            "view": {**ours, "class_name": OfflineIndexView.__name__},
        },
        "site_section_builders": {
            "expectations": {"class_name": "DefaultSiteSectionBuilder", "view": page},
            "validations": {
                "class_name": "DefaultSiteSectionBuilder",
                "view": page,
                "renderer": {
                    "class_name": "ValidationResultsPageRenderer",
                    "column_section_renderer": {
                        "class_name": "ValidationResultsColumnSectionRenderer",
                        "table_renderer": {**ours, "class_name": KeptResultsTable.__name__},
                    },
                },
            },
            "profiling": "none",
        },
    }


def _offline(view: Any) -> None:
    view.env.loader = ChoiceLoader([FileSystemLoader(TEMPLATES), view.env.loader])


class OfflinePageView(DefaultJinjaPageView):
    """GX's pages of suites and results, with our frame around them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        _offline(self)


class OfflineIndexView(DefaultJinjaIndexPageView):
    """GX's index page, with our frame around it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        _offline(self)


class KeptResultsTable(ValidationResultsTableContentBlockRenderer):
    """GX's table of rules: its own wording of each, and beside it what was kept of the judgement.

    GX computes what it shows as observed from the raw result, by type; what was kept is the text.
    """

    @classmethod
    def _process_content_block(
        cls, content_block: Any, has_failed_evr: Any, render_object: Any = None
    ) -> None:
        super()._process_content_block(content_block, has_failed_evr, render_object)
        content_block.header_row = [
            "Status", "Expectation", "Expected", "Observed Value", "Outcome", "Severity",
        ]  # fmt: skip

    @classmethod
    def _get_content_block_fn(cls, expectation_type: str, expectation_config: Any = None) -> Any:
        by_gx: Any = super()._get_content_block_fn(expectation_type, expectation_config)

        def row(configuration: Any, result: Any, runtime_configuration: Any, **options: Any) -> Any:
            cells = by_gx(
                configuration=configuration,
                result=result,
                runtime_configuration=runtime_configuration,
                **options,
            )[0]
            config = result.expectation_config
            kept = {name: html.escape(text) for name, text in config.meta[_KEPT].items()}
            status = cells[0] if kept["outcome"] in _JUDGED else _NOT_JUDGED
            shown = (kept["expected"], kept["observed"], kept["outcome"], config.severity.value)
            return [[status, cells[1], *shown]]

        return row
