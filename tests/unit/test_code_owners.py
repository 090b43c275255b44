"""CODEOWNERS as GitHub reads it: patterns, what counts, what is passed over.

Sources: GitHub, "About code owners", with its example file; what gitignore says of a pattern.
"""

import subprocess
from pathlib import Path

import pytest
from sluicegate.project.code_owners import CodeOwners, load_code_owners, unowned
from sluicegate.project.repository import Repository

# GitHub's own example, with what its comments say of each line.
OF_GITHUB = """\
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/* docs@example.org
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @logger
/apps/ @octocat
/apps/github
"""
GLOBAL = ("@global-owner1", "@global-owner2")
OWNED = {
    "README.md": GLOBAL,
    "src/deep/x.js": ("@js-owner",),
    "x.JS": GLOBAL,
    "x.go": ("docs@example.com",),
    "a/b.txt": ("@octo-org/octocats",),
    "build/logs/a/b": ("@logger",),
    "deep/build/logs": ("@logger",),
    "deep/build/x": GLOBAL,
    "docs/a/b.md": ("@doctocat",),
    "deep/apps/x": ("@octocat",),
    "apps/x": ("@octocat",),
    "apps/github/x": (),
    "apps/github": (),
    "apps/githubs": ("@octocat",),
    "scripts/x": ("@doctocat", "@octocat"),
    "deploy/logs": ("@logger",),
    "deploy/logs/x": ("@logger",),
    "deploy/logsx": GLOBAL,
}
# {pattern: (files that it names, files that it does not)}
PATTERNS = {
    "*": (["a", "a/b", ".x/y"], []),
    "/*": (["a"], ["a/b"]),
    "**": (["a", "a/b"], []),
    "/**": (["a", "a/b"], []),
    "/": ([], ["a", "a/b"]),
    "docs/*": (["docs/a"], ["docs/a/b", "x/docs/a"]),
    "docs/**": (["docs/a", "docs/a/b"], ["docs", "x/docs/a"]),
    "docs/": (["docs/a", "docs/a/b", "x/docs/a"], ["docs"]),
    "/docs": (["docs", "docs/a/b"], ["docsx", "x/docs"]),
    "docs": (["docs", "docs/a", "x/docs/y", "x/docs"], ["docsx", "xdocs"]),
    "a/b": (["a/b", "a/b/c"], ["x/a/b", "a/bc"]),
    "a/**/b": (["a/b", "a/x/b", "a/x/y/b/z"], ["ab", "a/xb"]),
    "**/a/b": (["a/b", "x/y/a/b", "x/a/b/c"], ["xa/b"]),
    "*.sql": (["x.sql", "a/b/x.sql"], ["x.sqlx", "xsql"]),
    "/a/*.sql": (["a/x.sql"], ["a/b/x.sql", "x/a/x.sql"]),
    "/a/*/c": (["a/b/c", "a/b/c/d"], ["a/c", "a/b/b/c"]),
    "/a?c": (["abc"], ["ac", "a/c", "abbc"]),
    "/wrk_*/": (["wrk_a/x"], ["wrk_a", "a/wrk_a/x"]),
    "with\\ space/": (["with space/a"], ["with/a"]),
    "/a\\*": (["a*"], ["ab"]),
    "/x(1)+.y{2}$": (["x(1)+.y{2}$"], ["x11.yy"]),
    "/ä/ß": (["ä/ß"], ["a/ss", "Ä/ß"]),
}
WRONG = {
    "!a/b @x": "negates",
    "a[bc] @x": "ranges",
    "[Section] @x": "sections",
    "^[Section] @x": "sections",
    "\\#a @x": "begins with",
    "a/***/b @x": "`***`",
    "a @": "no user, team",
    "a @x/y/z": "no user, team",
    "a somebody": "no user, team",
    "a @-x": "no user, team",
    "a @x somebody": "no user, team",
    "a x@y": "no user, team",
}


@pytest.mark.parametrize("file", OWNED)
def test_the_last_line_that_matches_decides(file: str) -> None:
    assert CodeOwners.read("CODEOWNERS", OF_GITHUB).of(file) == OWNED[file]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns(pattern: str) -> None:
    owners = CodeOwners.read("CODEOWNERS", f"{pattern} @x\n")
    these, others = PATTERNS[pattern]
    assert owners.problems == ()
    assert [file for file in (*these, *others) if owners.of(file)] == these


@pytest.mark.parametrize("line", WRONG)
def test_a_line_that_is_wrong_is_passed_over_and_told(line: str) -> None:
    owners = CodeOwners.read("CODEOWNERS", f"* @all\n\n# a comment\n{line}\n")
    assert {owners.of(file) for file in ("a", "a/b", "a/x/b", "ab", "#a")} == {("@all",)}
    [problem] = owners.problems
    assert (problem.file, problem.line, WRONG[line] in problem.what) == ("CODEOWNERS", 4, True)


def test_who_may_be_named() -> None:
    named = "@ada @a-b_corp @org/data-team @org/data.team ada+x@example.co.uk"
    assert CodeOwners.read("CODEOWNERS", f"\ufeff* {named} # and others @x\r\n").of("a") == (*named.split(),)


def test_a_file_that_github_does_not_load_has_no_owner() -> None:
    owners = CodeOwners.read("CODEOWNERS", "* @x\n" + "# more\n" * 500_000)
    assert (owners.of("a"), "too large" in str(owners.problems[0])) == ((), True)


def test_three_places_in_their_order(tmp_path: Path) -> None:
    for place, owner in (("docs/CODEOWNERS", "@c"), ("CODEOWNERS", "@b"), (".github/CODEOWNERS", "@a")):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(f"* {owner}\n")
        assert (load_code_owners(tmp_path).file, load_code_owners(tmp_path).of("x")) == (place, (owner,))


def test_the_line_that_a_message_prints_gives_an_owner(tmp_path: Path) -> None:
    """Also to a file whose name has signs that a pattern knows."""
    files = ["contracts/a b.odcs.yaml", "exports/exp*.yml", "dbt_project/models/x?.sql", "a\\b"]
    added = [problem.fix.partition("`")[2].rpartition("`")[0] for problem in unowned(CodeOwners(), files)]
    lines = [line.replace("@organization/team", f"@o/t{place}") for place, line in enumerate(added)]
    owners = CodeOwners.read("CODEOWNERS", "\n".join(lines))
    assert owners.problems == ()
    assert [owners.of(file) for file in files] == [(f"@o/t{place}",) for place in range(len(files))]
    assert unowned(owners, files) == []


def test_files_are_named_as_the_repository_has_them(tmp_path: Path) -> None:
    """Of a project that lies deeper; neither ignored ones, nor such as are gone."""
    project = tmp_path / "deep" / "project"
    for name in (
        "contracts/a.yaml",
        "contracts/gone.yaml",
        "contracts/ä b.yaml",
        "exports/x.ignored",
        "other",
    ):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x")
    (tmp_path / ".gitignore").write_text("*.ignored\n")
    for asked in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *asked], check=True)
    (project / "contracts/gone.yaml").unlink()
    (project / "contracts/new.yaml").write_text("x")
    repository = Repository.of(project)
    assert repository is not None
    assert repository.files("contracts", "exports") == [
        f"deep/project/contracts/{name}.yaml" for name in ("a", "new", "ä b")
    ]
    assert repository.changed_since("HEAD") == [
        f"deep/project/contracts/{name}.yaml" for name in ("gone", "new")
    ]
    assert repository.of_project("deep/project/contracts/a.yaml") == "contracts/a.yaml"
    assert repository.of_project("other") is None
    assert Repository.of(tmp_path.parent) is None
