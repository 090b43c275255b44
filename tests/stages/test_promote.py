"""`sluice env promote`: work becomes production's, in a clone and without git, alone and among others."""

import re
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import yaml
from sluicegate.core.settings import Settings
from sluicegate.core.stages import Stage
from sluicegate.project.loading import load_project
from sluicegate.project.promoting import carry_out, promotion
from sluicegate.transformation.manifest import DbtManifest, load_manifest

from tests.company import BAKERY, Company
from tests.parses import own_copy, places_given_back
from tests.stages.workshop import DBT, change, meta, one_model, open_workshop, sent, write
from tests.typed import sluice

pytestmark = pytest.mark.long
SEED = f"{DBT}/seeds/work/wrk_prices.csv"


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@bakery.example")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def together(project: Path) -> None:
    """Let work of three tables be described in one file, with a test and a comment."""
    open_workshop(project)
    one_model(project)
    sent(project)
    (project / f"{DBT}/models/work/_wrk_orders.yml").unlink()
    entries = [
        "# What is tried.", "models:",
        "  # Asked for in May.", "  - name: wrk_orders   # Bo's", "    description: Orders, tried.",
        f"    config: {meta()[:-2]}, asked_by: Bo}}, tags: [tried]}}",
        "    columns:", "      - name: shop", "        description: 'The shop: by its code.'",
        "        data_tests: [not_null]",
        "  # Of another table.", "  - name: wrk_other", f"    config: {meta()}", "seeds:",
        f"  - {{name: wrk_prices, config: {meta()}}}", "",
    ]  # fmt: skip
    write(project, {
        f"{DBT}/models/work/_all.yml": "\n".join(entries),
        f"{DBT}/models/work/wrk_other.sql":
            "{{\n  config(schema='work', materialized='table', meta={'purpose': 'Finds out.'})\n}}\n"
            "select shop, town from {{ source('raw', 'shops') }}\n",
        f"{DBT}/models/work/wrk_plain.sql":
            "{{ config(materialized='table') }} select shop from {{ source('raw', 'shops') }}\n",
        f"{DBT}/models/work/_wrk_plain.yml": f"models:\n  - name: wrk_plain\n    config: {meta()}\n",
        f"{DBT}/snapshots/work/_kept.yml": "\n".join([
            "snapshots:", "  - name: wrk_kept", "    relation: source('raw', 'shops')",
            f"    config: {meta()[:-1]}, unique_key: shop, strategy: check, check_cols: all}}",
            "  - name: wrk_also", "    relation: source('raw', 'shops')",
            f"    config: {meta()[:-1]}, unique_key: shop, strategy: check, check_cols: all}}", "",
        ]),
        SEED: "shop,price\nNord,4\n",
        f"{DBT}/tests/work/orders_are_there.sql":
            "select shop from {{ ref('wrk_orders') }} where loaves < 0\n",
        f"{DBT}/tests/work/both.sql":
            "select shop from {{ ref('wrk_orders') }} join {{ ref('exp_trial') }} using (shop) where false\n",
        "expectations/work/wrk_orders.yml": (project / "expectations/work/exp_trial.yml").read_text(),
    })  # fmt: skip


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Company]:
    """A clone of a repository, in a folder of which the project lies."""
    with places_given_back():
        project = own_copy(BAKERY)
        together(project)
        environ = {"SLUICE_ENVIRONMENT": "scratch:ada"}
        settings = Settings.load(environ, project_dir=project, data_dir=tmp_path / "data")
        yield Company(settings, "", tmp_path)


def test_work_is_promoted_step_by_step(clone: Company) -> None:
    """What is sent waits for what it reads; then it is production's, but for its connection."""
    project = clone.settings.project_dir
    git(project, "init", "--quiet")
    git(project, "add", "-A")
    git(project, "commit", "--quiet", "-m", "what there is")
    code, said = sluice(clone, "env", "promote", "exp_trial")
    assert (code, "`exp_trial` reads `wrk_orders`, which is work" in said) == (2, True), said
    first = re.search(r"`sluice (env promote wrk_orders)` first", said)
    assert first is not None
    code, said = sluice(clone, *first[1].split())
    assert code == 0, said
    assert "It is read by: model exp_trial, test both" in said
    moved = git(project, "status", "--porcelain", "--find-renames=10%").splitlines()
    for file, to in {
        f"{DBT}/models/work/wrk_orders.sql": f"{DBT}/models/marts/wrk_orders.sql",
        f"{DBT}/tests/work/orders_are_there.sql": f"{DBT}/tests/orders_are_there.sql",
        "expectations/work/wrk_orders.yml": "expectations/wrk_orders.yml",
    }.items():
        assert f"R  {file} -> {to}" in moved
        assert f"{file} -> {to}" in said
    assert (project / f"{DBT}/tests/work/both.sql").is_file()  # it reads other work, and stays
    assert (project / f"{DBT}/models/marts/_wrk_orders.yml").read_text() == "\n".join([
        "version: 2", "models:", "  # Asked for in May.", "  - name: wrk_orders   # Bo's",
        "    description: Orders, tried.", "    config: {meta: {asked_by: Bo}, tags: [tried]}",
        "    columns:", "      - name: shop", "        description: 'The shop: by its code.'",
        "        data_tests: [not_null]", "",
    ])  # fmt: skip
    left = (project / f"{DBT}/models/work/_all.yml").read_text()
    assert left.startswith("# What is tried.\nmodels:\n  # Of another table.\n  - name: wrk_other\n")
    loaded = load_project(clone.settings)
    assert loaded.stages["marts.wrk_orders"] is Stage.PRODUCTION
    assert loaded.suites["wrk_orders"].file.name == "expectations/wrk_orders.yml"
    # What is sent is production's next, and says what it lacks: a connection that is none for work.
    code, said = sluice(clone, "env", "promote", "exp_trial")
    assert code == 0, said
    code, told = sluice(clone, "check")
    assert (
        code,
        "exports/exp_trial.yml:4: `destination.connection` is left open" in " ".join(told.split()),
    ) == (
        2,
        True,
    ), told
    change(project, "exports/exp_trial.yml", "TODO", "miller")
    production = load_project(clone.settings.model_copy(update={"declared": "production"}))
    assert production.node_of(production.exports["exp_trial"]).relation == "exports.exp_trial"
    assert not production.lineage.tables.keys() & {"work.exp_trial", "work.wrk_orders"}
    # What was there before is read with its rules of then: which connections are for work.
    code, said = sluice(clone, "impact", "--since", "HEAD")
    assert code in (0, 1), said


def test_what_is_sent_and_bare_is_drafted(clone: Company) -> None:
    """No suite, no YAML but the meta in its SQL, no git: production demands the rest, and it is there."""
    project = clone.settings.project_dir
    for name in (
        "expectations/work/exp_trial.yml",
        f"{DBT}/models/work/_exp_trial.yml",
        "exports/work/exp_trial.yml",
    ):
        (project / name).unlink()
    change(project, f"{DBT}/models/work/exp_trial.sql", "select business_date", (
        "{{ config(meta={'owner': 'ada@bakery.example', 'purpose': 'Is sent.', 'expires': '2030-01-01'}) }}\n"
        "select business_date"
    ))  # fmt: skip
    change(project, f"{DBT}/models/work/exp_trial.sql", "ref('wrk_orders')", "ref('shop_orders')")
    # What is work has its export among work's.
    told = ("--type", "blob", "--connection", "sandbox", "--object", "trial", "--key", "shop")
    code, said = sluice(clone, "export", "new", "exp_trial", *told)
    assert (code, (project / "exports/work/exp_trial.yml").is_file()) == (0, True), said
    (project / "exports/work/exp_trial.yml").unlink()
    code, said = sluice(clone, "env", "promote", "exp_trial", "--to", "exports", "--dry-run")
    assert (code, "Nothing was done" in said) == (0, True), said
    assert (project / f"{DBT}/models/work/exp_trial.sql").is_file()
    code, said = sluice(clone, "env", "promote", "exp_trial")
    assert code == 0, said
    assert not (project / f"{DBT}/models/work/exp_trial.sql").exists()
    assert (project / f"{DBT}/models/exports/exp_trial.sql").read_text().startswith("select business_date")
    entry = yaml.safe_load((project / f"{DBT}/models/exports/_exp_trial.yml").read_text())["models"][0]
    assert entry["config"] == {"contract": {"enforced": True}}
    assert entry["columns"] == [
        {"name": "business_date", "data_type": "date"}, {"name": "shop", "data_type": "varchar"},
        {"name": "loaves", "data_type": "bigint"},
    ]  # fmt: skip
    printed = re.search(r"sluice (export new exp_trial --type … --connection … --object …)", said)
    assert printed is not None
    words = [*printed[1].split(), "--key", "business_date", "--key", "shop", "--mode", "snapshot", "--owner",
             "ada@bakery.example", "--purpose", "Is sent."]  # fmt: skip
    for value in ("blob", "miller", "trial"):
        words[words.index("…")] = value
    code, said = sluice(clone, *words)
    assert code == 0, said
    assert "exp_trial" in load_project(clone.settings.model_copy(update={"declared": "production"})).exports


@pytest.mark.sampled(2)
@pytest.mark.parametrize("done", range(6))
def test_what_a_kill_cuts_off_is_ended_by_the_same_command(clone: Company, done: int) -> None:
    """Whatever had been done; and what somebody has written since is not written over."""
    settings, project = clone.settings, clone.settings.project_dir
    git(project, "init", "--quiet")
    git(project, "add", "-A")
    planned = promotion(settings, load_manifest(settings), "wrk_orders")
    list(islice(carry_out(settings, planned), done))
    if done in (1, 4):
        code, said = sluice(clone, "env", "promote", "wrk_other")
        printed = re.search(r"`sluice (env promote wrk_orders)`", said)
        assert (code, printed is not None) == (2, True), said
    if done == 4:
        edited = project / f"{DBT}/models/work/_all.yml"
        text = edited.read_text()
        edited.write_text(f"{text}# Mine.\n")
        code, said = sluice(clone, "env", "promote", "wrk_orders")
        assert (code, "somebody edited it while `wrk_orders` was promoted" in said) == (2, True), said
        assert edited.read_text().endswith("# Mine.\n")
        edited.write_text(text)
    code, said = sluice(clone, "env", "promote", "wrk_orders")
    assert code == 0, said
    for file, text in planned.texts.items():
        assert (project / file).read_text() == text
    assert not [file for file in planned.moves if (project / file).exists()]
    assert load_project(settings).stages["marts.wrk_orders"] is Stage.PRODUCTION
    code, said = sluice(clone, "env", "promote", "wrk_orders")
    assert (code, "is production's" in said) == (2, True), said


def test_other_kinds_move_as_well_and_what_does_not_fit_is_refused(clone: Company) -> None:
    settings, project = clone.settings, clone.settings.project_dir
    manifest: DbtManifest = load_manifest(settings)
    seed = promotion(settings, manifest, "wrk_prices")
    assert seed.moves == {SEED: f"{DBT}/seeds/wrk_prices.csv"}
    assert list(seed.texts) == [f"{DBT}/seeds/_wrk_prices.yml", f"{DBT}/models/work/_all.yml"]
    other = promotion(settings, manifest, "wrk_other", "staging/towns")
    to = f"{DBT}/models/staging/towns/wrk_other.sql"
    assert other.moves[f"{DBT}/models/work/wrk_other.sql"] == to
    assert other.texts[to].startswith("{{\n  config(materialized='table')\n}}\nselect shop")
    plain = promotion(settings, manifest, "wrk_plain")
    assert plain.moves[f"{DBT}/models/work/_wrk_plain.yml"] == f"{DBT}/models/marts/_wrk_plain.yml"
    assert yaml.safe_load(plain.texts[f"{DBT}/models/marts/_wrk_plain.yml"])["models"] == [
        {"name": "wrk_plain"}
    ]
    kept = promotion(settings, manifest, "wrk_kept")
    assert (kept.moves, kept.texts.keys()) == (
        {}, {f"{DBT}/snapshots/work/_kept.yml", f"{DBT}/snapshots/_wrk_kept.yml"}
    )  # fmt: skip
    assert "wrk_kept" not in kept.texts[f"{DBT}/snapshots/work/_kept.yml"]
    write(project, {f"{DBT}/models/marts/WRK_ORDERS.sql": "select 1\n"})
    for name, folder, said in (
        ("shop_orders", "", "`shop_orders` is production's"),
        ("wrk_order", "", "did you mean `wrk_orders`"),
        ("wrk_orders", "work/deeper", "--to work/deeper: expected a folder of production"),
        ("wrk_orders", "Work", "--to Work: expected a folder of production"),
        ("wrk_orders", "../seeds", "--to ../seeds: expected a folder of production"),
        ("wrk_orders", "", f"{DBT}/models/marts/wrk_orders.sql: there is a file"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            promotion(settings, manifest, name, folder)
    code, _, told = clone.sluice("env", "promote", "wrk_orders", SLUICE_ENVIRONMENT="production")
    assert (code, "expected a clone" in told) == (2, True), told
