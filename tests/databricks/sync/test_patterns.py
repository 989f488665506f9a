import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybook.databricks.sync.patterns import Patterns

PIECES = [
    *["a", "b", "foo", ".py", "A", "é", "-", ".", "^", "*", "**", "?", "/", "**/", "/**", "/**/", "***"],
    *["!", "#", "\\", "\\a", "\\*", "\\!", "\\#", " ", "\\ ", "\t", "\r", "[ab]", "[!a]", "[^b]", "[a-b]", "[]a]"],
    *[
        "[!]a]",
        "[a-]",
        "[b-a]",
        "[\\a-\\z]",
        "[[:alpha:]]",
        "[[:punct:]-a]",
        "[[:foo:]]",
        "[[:",
        "[:a]",
        "[",
        "]",
        "[^",
    ],
]
NAMES = [
    *[
        "a",
        "b",
        "ab",
        "aa",
        "a.py",
        "foo",
        "fooa",
        ".x",
        "a b",
        "[a]",
        "a\\b",
        "#c",
        "!d",
        "é",
        "a ",
        "A",
        "-",
        ":",
        "^",
    ]
]


def a_pattern():
    # Older gits take the stars of `a**/b` for those of `**/b`; the manual says, as we do, that they are usual ones.
    return (
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=5)
        .map("".join)
        .filter(lambda pattern: not ("/" in pattern and re.search(r"[^/*]\*\*", pattern)))
    )


def ignored(patterns, path):
    """By our reading, from the top down, as the walk goes."""
    parts = os.fsencode(path).split(b"/")
    return any(
        patterns.verdict(b"/".join(parts[:depth]), parts[depth - 1], depth < len(parts))
        for depth in range(1, len(parts) + 1)
    )


@pytest.fixture(scope="module")
def repository():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", folder], check=True)
        yield Path(folder)


def ignored_by_git(repository, paths):
    command = ["git", "-C", repository, "check-ignore", "--no-index", "-z", "--stdin"]
    given = b"".join(b"./" + os.fsencode(path) + b"\0" for path in paths)
    environment = {"PATH": os.environ["PATH"], "HOME": str(repository), "GIT_CONFIG_NOSYSTEM": "1"}
    said = subprocess.run(command, input=given, capture_output=True, env=environment, check=False)
    assert said.returncode in (0, 1), said.stderr
    return {os.fsdecode(path)[2:] for path in said.stdout.split(b"\0") if path}


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(a_pattern(), min_size=1, max_size=4),
    paths=st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join), min_size=20, max_size=20),
    end=st.sampled_from(["\n", ""]),
)
def test_patterns_mean_what_git_takes_them_for(repository, lines, paths, end):
    content = os.fsencode("\n".join(lines) + end)
    (repository / ".gitignore").write_bytes(content)
    patterns = Patterns(content)
    assert {path for path in paths if ignored(patterns, path)} == ignored_by_git(repository, paths)


@pytest.mark.parametrize(
    ("line", "matches", "others"),
    [
        ("a**/b", ["ax/b"], ["ax/y/b"]),  # what the manual says; see above
        ("build/", ["build/x"], ["build", "x/buildx"]),
        ("/top", ["top"], ["x/top"]),
        ("a/b", ["a/b"], ["x/a/b"]),
        ("*.py[co]", ["x.pyc", "d/x.pyo"], ["x.py"]),
        ("[!a]", ["b"], ["a/a"]),
        ("", [], ["a", " "]),
        ("# no", [], ["# no"]),
        ("\\# yes", ["# yes"], []),
        ("trailing  ", ["trailing"], ["trailing  "]),
        ("kept\\ ", ["kept "], ["kept"]),
        ("bad\\", [], ["bad", "bad\\"]),
        ("bad[", [], ["bad["]),
    ],
)
def test_a_pattern_alone(line, matches, others):
    patterns = Patterns(line.encode())
    assert [path for path in [*matches, *others] if ignored(patterns, path)] == matches


def test_the_last_line_that_matches_decides():
    patterns = Patterns(b"*.log\n!keep.log\n/keep.log\n")
    assert patterns.verdict(b"keep.log", b"keep.log", False) is True
    assert patterns.verdict(b"x/keep.log", b"keep.log", False) is False
    assert patterns.verdict(b"x", b"x", False) is None


def test_a_byte_order_mark_and_carriage_returns_are_no_part_of_a_pattern():
    patterns = Patterns(b"\xef\xbb\xbfa\r\nb\r\n")
    assert patterns.verdict(b"a", b"a", False)
    assert patterns.verdict(b"b", b"b", False)


def test_names_that_are_no_text_match_byte_by_byte():
    assert Patterns(b"\xff?").verdict(b"\xff\xfe", b"\xff\xfe", False)
    assert Patterns(b"??").verdict("é".encode(), "é".encode(), False)
