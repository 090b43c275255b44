"""Changes to a copied project directory, as a contributor would make them."""

import shutil
from collections.abc import Callable
from pathlib import Path

Edit = Callable[[Path], None]


def replace(name: str, old: str, new: str) -> Edit:
    """Replace a text in a file that has it."""

    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text, f"{old!r} is not in {name}"
        (folder / name).write_text(text.replace(old, new))

    return change


def write(name: str, text: str) -> Edit:
    """Write a file, new or in the place of another."""

    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    return change


def append(name: str, text: str) -> Edit:
    """Write on at the end of a file."""

    def change(folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.write(text)

    return change


def copy(name: str, to: str) -> Edit:
    """Copy a file."""

    def change(folder: Path) -> None:
        shutil.copy(folder / name, folder / to)

    return change


def remove(*names: str) -> Edit:
    """Delete files."""

    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def both(*edits: Edit) -> Edit:
    """Make one change after the other."""

    def change(folder: Path) -> None:
        for edit in edits:
            edit(folder)

    return change
