"""Production reads production alone; what is work may read both.

Asked of everything that has a stage and names something else: tables, tests, macros, suites, exports,
exposures and their like. A deployment of production loads without what is work, and so would not notice: this
is asked of the whole manifest everywhere. Belongs here: which way things point. Does not belong here: which
file is of which stage (`core.stages`), what else is asked of work (`work_rules`).
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestration.core.problems import Problem
from orchestration.core.settings import Settings
from orchestration.core.stages import Stage, folder_of, stage_of
from orchestration.delivery.export_files.exports import FOLDER as EXPORTS
from orchestration.delivery.export_files.exports import Export
from orchestration.quality.suites import FOLDER as SUITES
from orchestration.quality.suites import Suite
from orchestration.transformation.code_lines import CodeLines, file_of
from orchestration.transformation.jinja_reading import JinjaTexts, strings_with_jinja
from orchestration.transformation.manifest import STAGED, TABLE_RESOURCES, DbtManifest
from orchestration.transformation.slices import relation_of

_Item = Mapping[str, Any]
# A project's own macros of these names are called by dbt itself, for each table.
_CALLED_BY_DBT = frozenset({"generate_alias_name", "generate_database_name", "generate_schema_name"})
_REF = re.compile(r"\bref\s*\(.*?['\"]([^'\"]+)['\"]\s*(?:,\s*v[^)]*)?\)")
_FOLDERS = {"seed": "seeds", "snapshot": "snapshots"}


def direction_problems(
    settings: Settings,
    manifest: DbtManifest,
    suites: Mapping[str, Suite],
    exports: Mapping[str, Export],
    stages: Collection[Stage],
    others: Iterable[str] = (),
) -> Iterator[Problem]:
    """Yield what of production leans on work, and what of work judges or sends production's.

    Args:
        settings: the deployment, whose project it is.
        manifest: of both stages.
        suites: those that the deployment loads.
        exports: the same.
        stages: those that it loads; what is wrong with work alone is told where work is.
        others: more files that have a stage, and name nothing of these.
    """
    lint = _Lint(settings, manifest, stages)
    yield from lint.links(
        [*(s.file.name for s in suites.values()), *(e.file.name for e in exports.values()), *others]
    )
    for item in lint.items.values():
        yield from lint.item(item)
    for macro in manifest.content["macros"].values():
        yield from lint.macro(macro)
    # By dbt's own words: what is wrong with a table's config is told elsewhere.
    tables = {
        str(item["name"]): (manifest.stage(item), relation_of(item))
        for item in lint.items.values()
        if item["resource_type"] in ("source", *TABLE_RESOURCES)
    }
    named = [(suite.file, suite.table, SUITES, "a suite of {} judges") for suite in suites.values()]
    named += [(one.file, one.spec.model, EXPORTS, "an export of {} sends") for one in exports.values()]
    for file, name, folder, what in named:
        stage, found = stage_of(file.name), tables.get(name)
        if found is None or stage is found[0]:  # of no table is told elsewhere
            continue
        of_work = found[0] is Stage.WORK
        other = (
            f"`sluice env promote {name}`"
            if of_work
            else f"let it be of a table in {folder_of('dbt_project/models', Stage.WORK)}"
        )
        yield file.problem(
            f"{what.format(stage)} `{found[1]}`, which is {found[0]}",
            expected="a table of its own stage",
            mend=f"`git mv {file.name} {folder_of(folder, found[0])}/{file.path.name}`, or {other}",
            at=("model",) if folder == EXPORTS else (),
        )


class _Lint:
    def __init__(self, settings: Settings, manifest: DbtManifest, asked: Collection[Stage]) -> None:
        self._asked, self._folder = asked, settings.project_dir
        self._content = manifest.content
        self._lines = CodeLines(settings.project_dir, manifest.content)
        self.items: dict[str, _Item] = {
            name: item for kind in STAGED for name, item in (manifest.content.get(kind) or {}).items()
        }
        self._stages = {name: manifest.stage(item) for name, item in self.items.items()}
        self._macros = manifest.content["macros"]
        # dbt's own are many, and none of them is work.
        self._tried = {name for name, one in self._macros.items() if manifest.stage(one) is Stage.WORK}
        stated = manifest.content["metadata"]
        self._project, self._dispatching = stated["project_name"], ("default", stated["adapter_type"])
        self._texts = JinjaTexts(settings.dbt_target_dir / "jinja.json")
        # {name of a group: its file}, of the project's own.
        self._groups = {
            str(group["name"]): file_of(manifest.content, group)
            for group in (manifest.content.get("groups") or {}).values()
        }

    def item(self, item: _Item) -> Iterator[Problem]:
        """Yield what is wrong with one thing of the manifest."""
        if item["resource_type"] == "analysis":  # nothing is made by it
            return
        reads = [name for name in self._reads(item) if name in self.items]
        work = [name for name in reads if self._stages[name] is Stage.WORK]
        if self._stages[item["unique_id"]] is Stage.WORK:
            if item["resource_type"] == "test" and not work and Stage.WORK in self._asked:
                judged = item.get("attached_node") or next(iter(reads), "")
                read = f"`{relation_of(self.items[judged])}`, which is production's" if judged else ""
                yield self._problem(
                    item, str(item["name"]), f"a test of work judges {read or 'no table'}",
                    "a test that reads a table of work: production's verdict is made by production alone",
                    "move it to where that table is described, or to dbt_project/tests",
                )  # fmt: skip
            return
        for name in work:
            yield self._reads_work(item, self.items[name])
        for name in self._calls(item):
            yield self._uses_macro(item, name)
        described = str(item.get("patch_path") or "").partition("://")[2]
        described = file_of(self._content, {**item, "original_file_path": described}) if described else ""
        if stage_of(described) is Stage.WORK:
            yield Problem(
                described, self._lines.of_description(item),
                f"{item['resource_type']} `{item['name']}` is production's, and described in a file of work",
                "what production's definitions are configured by in a file of production",
                f"move its entry to a YAML file beside {file_of(self._content, item)}",
            )  # fmt: skip
        group = self._groups.get(str((item.get("config") or {}).get("group") or item.get("group") or ""), "")
        if stage_of(group) is Stage.WORK:
            yield self._problem(
                item, str(item["name"]),
                f"`{item['name']}` is production's, and its group is defined in {group}",
                "a group of a file of production", "move the group to dbt_project/models/_groups.yml",
            )  # fmt: skip

    def macro(self, macro: _Item) -> Iterator[Problem]:
        """Yield what is wrong with a macro: it has no table, but whoever calls it is made by it."""
        if macro["unique_id"] not in self._tried:
            yield from (self._uses_macro(macro, name) for name in self._calls(macro))
        elif macro["name"] in _CALLED_BY_DBT:
            yield self._problem(
                macro, str(macro["name"]), f"`{macro['name']}` says what all tables are called, and is work",
                "a macro that production's definitions do not lean on",
                f"move it to dbt_project/macros/{Path(macro['original_file_path']).name}",
            )  # fmt: skip

    def links(self, others: Iterable[str]) -> Iterator[Problem]:
        """Yield files of production that are links to files of work, which others may change."""
        files = {
            file_of(self._content, item) for item in (*self.items.values(), *self._content["macros"].values())
        }
        root, folders = os.path.realpath(self._folder), dict[str, str]()
        for file in sorted({*files, *others}):
            if stage_of(file) is Stage.WORK:
                continue
            folder, _, name = file.rpartition("/")
            if folder not in folders:  # few folders have many files
                folders[folder] = os.path.realpath(self._folder / folder)
            path = os.path.join(folders[folder], name)
            real = os.path.realpath(path) if os.path.islink(path) else path
            real = real.removeprefix(f"{root}/")
            if stage_of(real) is Stage.WORK:
                yield Problem(
                    file, 1, f"a file of production is a link to {real}, which is work",
                    "a file of its own, or a link to what is production's",
                    f"`rm {file}`, and write it there",
                )  # fmt: skip

    def _reads(self, item: _Item) -> list[str]:
        """Return what something reads, by dbt's unique id; dbt does not say what a unit test is given."""
        given = (str(one.get("input")) for one in item.get("given") or ())
        named = [name for text in given for name in _REF.findall(text)]
        tables = self._content["nodes"].items() if named else ()
        found = [
            name for name, one in tables if one["resource_type"] in TABLE_RESOURCES and one["name"] in named
        ]
        return [*((item.get("depends_on") or {}).get("nodes") or ()), *found]

    def _calls(self, item: _Item) -> list[str]:
        """Return the macros of work that something calls, in a branch that only a run takes as well.

        dbt's list has what a macro's text says, but of other texts what their parse has come to.
        """
        if not self._tried:
            return []
        called = set[str]((item.get("depends_on") or {}).get("macros") or ())
        test = item.get("test_metadata")
        texts = [str(item.get("raw_code") or "")] if not test else strings_with_jinja(test["kwargs"])
        named = set[str]()
        for use in (use for text in texts for use in self._texts.uses(text)):
            named.add(use.part if use.name == self._project else use.name)
            named.update(f"{one}__{use.dispatched[0]}" for one in self._dispatching if use.dispatched)
        return sorted(one for one in self._tried if one in called or self._macros[one]["name"] in named)

    def _uses_macro(self, item: _Item, name: str) -> Problem:
        macro = self._macros[name]
        return self._problem(
            item, str(macro["name"]),
            f"production {item['resource_type']} `{item['name']}` calls the macro `{macro['name']}`, which is"
            " work",
            "macros of production",
            f"`git mv {file_of(self._content, macro)}"
            f" dbt_project/macros/{Path(macro['original_file_path']).name}`",
        )  # fmt: skip

    def _reads_work(self, item: _Item, read: _Item) -> Problem:
        kind, name, of = str(item["resource_type"]), str(item["name"]), str(read["name"])
        relation = relation_of(read)
        first = f"promote `{of}` first (`sluice env promote {of}`)"
        if read["resource_type"] == "source":
            first = f"move its entry out of {file_of(self._content, read)}"
        if kind in ("model", "seed", "snapshot"):
            other = f"move `{name}` to {_FOLDERS.get(kind, 'models')}/work"
        elif str(item["original_file_path"]).endswith(".sql"):
            other = "move the test to tests/work"
        else:
            other = f"move it to a YAML file in {folder_of('dbt_project/models', Stage.WORK)}"
        return self._problem(
            item, of, f"production {kind.replace('_', ' ')} `{name}` reads `{relation}`",
            "production models and sources", f"{first}, or {other}",
        )  # fmt: skip

    def _problem(self, item: _Item, named: str, what: str, expected: str, mend: str) -> Problem:
        return Problem(*self._lines.of_position(item, "", None, f"`{named}`"), what, expected, mend)
