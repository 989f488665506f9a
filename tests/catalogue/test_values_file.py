"""A file of parameter values, and what is wrong with one that will not do."""

import io
from pathlib import Path

import pytest

from daybook.catalogue import read_values
from daybook.contract.errors import InvalidRequest


def test_a_file_holds_an_object(tmp_path):
    path = tmp_path / "p.json"
    path.write_bytes('{"a": "ü"}'.encode())
    assert read_values(path) == {"a": "ü"}


def test_a_dash_stands_for_standard_input():
    assert read_values(Path("-"), io.StringIO('{"b": 2}')) == {"b": 2}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[1]", "must hold a JSON object"),
        (b"{", "line 1: is not JSON"),
        (b'{"a":\n oops}', "line 2: is not JSON"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_file_that_will_not_do_is_named_with_the_reason(tmp_path, content, words):
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=words) as caught:
        read_values(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidRequest, match=r"none\.json: No such file"):
        read_values(tmp_path / "none.json")
