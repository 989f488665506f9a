import re

import pytest

from daybook.databricks.sync.driver.base import Base
from daybook.databricks.sync.naming import folder_name, shown


@pytest.mark.parametrize("project", ["", ".", "..", "/", "a", "Über '\"\n$(x)", "x" * 300, "---", "\udcff"])
@pytest.mark.parametrize("run_id", [None, "", "20260101T000000Z-a_b-0123", "../x", "manual__2026-01-01T00:00:00+00:00"])
def test_a_folders_name_is_one_that_the_driver_takes(project, run_id):
    name = folder_name(project, run_id)
    assert Base(name).path.endswith(b"/" + name.encode())
    assert len(name) <= 255
    assert not re.search(r"--|-$", name)


def test_no_two_folders_have_the_same_name():
    assert len({folder_name("a-b", "c"), folder_name("a", "b-c"), folder_name("a-b", "c")}) == 3


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"a b", "a b"),
        ("ü".encode(), "ü"),
        (b"\xff", "\\xff"),
        (b"a\nb\x1b[0m", "a\\nb\\x1b[0m"),
        ("\u202e".encode(), "\\u202e"),
    ],
)
def test_a_path_is_shown_on_one_line(path, text):
    assert shown(path) == text
