"""YAML is read strictly, and every field's line is known."""

from pathlib import Path

import pytest
from sluicegate.core.problems import Problem
from sluicegate.core.yaml_files import YamlFile, read_yaml, yaml_folder

TEXT = """\
# a comment
name: rye

key:
  - shop
  - nested:
      deep: 1
"""


def read(tmp_path: Path, text: str) -> YamlFile | Problem:
    path = tmp_path / "folder" / "file.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return read_yaml(path, tmp_path)


@pytest.mark.parametrize(
    ("location", "line"),
    [
        ((), 2),
        (("name",), 2),
        (("key",), 4),
        (("key", 0), 5),
        (("key", 1), 6),
        (("key", 1, "nested", "deep"), 7),
        (("key", 1, "nested", "not there"), 6),
        (("not there",), 2),
        (("key", 9), 4),
    ],
)
def test_the_line_of_the_deepest_part_that_is_there(
    tmp_path: Path, location: tuple[str | int, ...], line: int
) -> None:
    file = read(tmp_path, TEXT)
    assert isinstance(file, YamlFile)
    assert file.line(*location) == line
    assert file.name == "folder/file.yml"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "`a` stands twice"),
        ("a:\n  - b: 1\n    b: 2\n", 3, "`b` stands twice"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not YAML"),
        ("a: 1\n\tb: 2\n", 2, "not YAML"),
        ("- a\n- b\n", 1, "no mapping at the top"),
        ("", 1, "no mapping at the top"),
        ("just words\n", 1, "no mapping at the top"),
    ],
)
def test_what_is_no_mapping_is_a_problem(tmp_path: Path, text: str, line: int, what: str) -> None:
    found = read(tmp_path, text)
    assert isinstance(found, Problem)
    assert (found.file, found.line) == ("folder/file.yml", line)
    assert what in found.what


@pytest.mark.parametrize(("encoding", "line"), [("utf-8-sig", None), ("latin-1", 2), ("utf-16", 1)])
def test_a_file_of_another_encoding_is_a_problem_and_a_mark_is_none(
    tmp_path: Path, encoding: str, line: int | None
) -> None:
    path = tmp_path / "file.yml"
    path.write_bytes("a: 1\nb: é\nc: 1\n".encode(encoding))
    found = read_yaml(path, tmp_path)
    if isinstance(found, YamlFile):
        assert (line, found.data, found.line("c")) == (None, {"a": 1, "b": "é", "c": 1}, 3)
    else:
        assert (found.line, found.fix) == (line, "save it as UTF-8")


def test_a_file_that_nothing_reads_is_a_problem(tmp_path: Path) -> None:
    for name in ("good.yml", "typo.ymll", "notes.txt", "README.md", ".hidden"):
        (tmp_path / name).write_text("a: 1\n")
    (tmp_path / "folder").mkdir()
    files, problems = yaml_folder(tmp_path, tmp_path, (".yml",))
    assert [file.name for file in files] == ["good.yml"]
    assert [(problem.file, problem.what) for problem in problems] == [
        (name, "a file that nothing reads") for name in ("folder", "notes.txt", "typo.ymll")
    ]


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert yaml_folder(tmp_path / "nowhere", tmp_path, (".yml",)) == ([], [])


def test_a_problem_says_where_what_and_how_to_mend(tmp_path: Path) -> None:
    file = read(tmp_path, TEXT)
    assert isinstance(file, YamlFile)
    problem = file.problem("a hole", expected="none", fix="fill it", at=("key", 1))
    assert str(problem) == "folder/file.yml:6: a hole; expected none; fill it"


def test_a_tag_makes_nothing_but_plain_data(tmp_path: Path) -> None:
    found = read(tmp_path, "a: !!python/object:os.system {}\n")
    assert isinstance(found, YamlFile)
    assert found.data == {"a": {}}
