"""GX Data Docs of what was judged: a page a suite, and a page for each table and day.

Nothing is judged again, and no table is read but the kept results. Belongs here: which results are shown,
and the site as a directory. Does not belong here: GX, which renders it (`pages`).
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock

from sluicegate.state.results import Judgement, Results

SITE_FOLDER = "data_docs"
# What all pages of the site look like, those that others add included.
FRAME_STYLE = Path(__file__).parent / "templates" / "frame.css"
_STAMP = "built_from.json"
NOTHING_BESIDE: Mapping[str, str] = MappingProxyType({})


def build_data_docs(
    results: Results,
    site_dir: Path,
    newest_per_table: int = 30,
    beside: Mapping[str, str] = NOTHING_BESIDE,
    stamps: Mapping[str, str] = NOTHING_BESIDE,
) -> Path:
    """Make the site of the newest days of each table; return the path of its index.html.

    Does nothing where the site is of these very results. It is replaced as a whole, so whoever reads the old
    one meanwhile reads a whole one. `beside` are pages of others, {file: text}, each with its `stamps`, of
    what it was made; those that are not given stay as they are.

    Raises:
        RuntimeError: GX made no page for something that was judged.
    """
    site_dir.parent.mkdir(parents=True, exist_ok=True)
    last = results.last()  # asked first: what comes meanwhile makes the site anew
    judgements = list(results.newest(newest_per_table))
    index, digest = site_dir / "index.html", _digest(judgements)
    with FileLock(site_dir.with_name(f"{site_dir.name}.lock")):
        stamp = _read_stamp(site_dir)
        kept = {name: site_dir / name for name in stamp.get("beside", {}) if (site_dir / name).exists()}
        pages = {name: path.read_text(encoding="utf-8") for name, path in kept.items()} | dict(beside)
        if not (index.exists() and stamp.get("results") == digest):
            _replace(site_dir, judgements, pages)
        else:
            for name, text in pages.items():
                _write(site_dir / name, text)
        told = {"results": digest, "last": last, "beside": {**stamp.get("beside", {}), **stamps}}
        _write(site_dir / _STAMP, json.dumps(told))
    return index


def page_stamp(site_dir: Path, name: str) -> str | None:
    """Return of what a page of others was made; None where it is not there."""
    return _read_stamp(site_dir).get("beside", {}).get(name) if (site_dir / name).exists() else None


def shows_newest(results: Results, site_dir: Path) -> bool:
    """Tell whether a site is there, and nothing was judged since it was made."""
    return _read_stamp(site_dir).get("last") == results.last() and (site_dir / "index.html").exists()


def _write(path: Path, text: str) -> None:
    """Write a file of a site that is being read."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _replace(site_dir: Path, judgements: Sequence[Judgement], beside: Mapping[str, str]) -> None:
    from sluicegate.quality.data_docs.pages import render  # seconds

    new, old = site_dir.with_name(f"{site_dir.name}.new"), site_dir.with_name(f"{site_dir.name}.old")
    shutil.rmtree(new, ignore_errors=True)  # of one that was killed
    render(judgements, new)
    for name, text in beside.items():
        _write(new / name, text)
    if site_dir.exists():
        shutil.rmtree(old, ignore_errors=True)
        site_dir.rename(old)
    new.rename(site_dir)
    shutil.rmtree(old, ignore_errors=True)


def _read_stamp(site_dir: Path) -> Mapping[str, Any]:
    stamp = site_dir / _STAMP
    return json.loads(stamp.read_text(encoding="utf-8")) if stamp.exists() else {}


def _digest(judgements: Sequence[Judgement]) -> str:
    """Tell one site from another: what was judged, and what renders it."""
    digest = hashlib.sha256(version("great-expectations").encode())
    ours = Path(__file__).parent
    for path in [*sorted(ours.glob("*.py")), *sorted(ours.glob("templates/*"))]:
        digest.update(path.read_bytes())
    for item in judgements:
        digest.update(
            repr((item.relation, item.check, item.partition_key, item.run_id, item.judged_at)).encode()
        )
    return digest.hexdigest()
