"""Run benchmarks, one process each, so that none warms up the next: those that are named, or all.

Belongs here: which there are, and their start. Does not belong here: what one measures.
"""

import argparse
import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_HERE = Path(__file__).parent


def names() -> list[str]:
    """Return all benchmarks: the modules here that can be run."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(_HERE.glob("*.py"))}
    return [name for name, text in texts.items() if not name.startswith("_") and "def main(" in text]


def said(name: str) -> tuple[str, str, tuple[str, ...]]:
    """Return what a benchmark's first line says, its goal, and the arguments of its smallest run."""
    tree = ast.parse((_HERE / f"{name}.py").read_text(encoding="utf-8"))
    found = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in ("GOAL", "SMALLEST")
    }
    return (
        (ast.get_docstring(tree) or "").partition("\n")[0],
        found.get("GOAL", ""),
        found.get("SMALLEST", ()),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run them, or list them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which to run (default: all)")
    parser.add_argument("--list", action="store_true", help="say which there are, and what their goals are")
    parser.add_argument("--smallest", action="store_true", help="with as little as they can, to see them run")
    asked = parser.parse_args(arguments)
    known = names()
    for name in asked.names:
        if name not in known:
            parser.error(f"no benchmark `{name}`; expected one of: {', '.join(known)}")
    for name in asked.names or known:
        about, goal, smallest = said(name)
        if asked.list:
            print(f"{name:<20} {about}{f' Goal: {goal}.' if goal else ''}")
            continue
        print(f"\n## {name}", flush=True)
        more = smallest if asked.smallest else ()
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *more], check=True)


if __name__ == "__main__":
    main()
