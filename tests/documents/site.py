"""What mkdocs is told of this repository: its hooks, see `mkdocs.yml`.

Belongs here: pages that stand beside `docs/`, links that leave it, the pages of the runbook. Does not: what a
page says.
"""

import re
from pathlib import Path
from posixpath import dirname, normpath, relpath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
# What stands beside docs/, by its page.
BESIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_PAGES = {page: file for file, page in BESIDE.items()}
_FENCE = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!\\)(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
# Whoever reads it would fetch what draws it from elsewhere.
_DRAWN = re.compile(r"```mermaid\n.*?```", re.DOTALL)
_PICTURE = "![From files that land, through contracts and dbt, to destinations](docs/images/graph.png)"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name the pages of the runbook, which are one file or a folder of them."""
    folder = ROOT / "docs" / "runbook"
    pages = [f"runbook/{file.name}" for file in sorted(folder.glob("*.md"), key=_index_first)]
    for item in config.nav or []:
        if "Runbook" in item:
            item["Runbook"] = pages
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what stands beside `docs/`."""
    for file, page in BESIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Lead links to pages of the site; what is no page of it is named, and not linked."""
    source = page.file.src_uri
    standing = _PAGES.get(source, f"docs/{source}")

    def led(match: "re.Match[str]") -> str:
        mark, text, link = match.groups()
        path, hash_, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:") or not path:
            return match[0]
        file = normpath(f"{dirname(standing)}/{path}".lstrip("/"))
        there = BESIDE.get(file) or (file.removeprefix("docs/") if file.startswith("docs/") else "")
        if not there or not (ROOT / file).is_file():
            return text
        return f"{mark}[{text}]({relpath(there, dirname(source) or '.')}{hash_}{anchor})"

    parts = _FENCE.split(_DRAWN.sub(_PICTURE, markdown))
    return "".join(part if number % 2 else _LINK.sub(led, part) for number, part in enumerate(parts))


def _index_first(file: Path) -> tuple[bool, str]:
    return file.name not in ("README.md", "index.md"), file.name
