"""What a cluster answers may be anything: it leads nowhere else, and fills neither memory nor disk."""

import base64
import json
import re
import zlib

import pytest

from daybook.databricks.errors import CommandTimedOut, RemoteFailed
from daybook.databricks.in_run.asking import ask, unpacked
from daybook.databricks.in_run.fetching import Fetch, OutOfTime, name_fault
from daybook.databricks.in_run.recorded import Recorded


def packed(data):
    return base64.b64encode(zlib.compress(data)).decode()


class Hostile:
    """A cluster that gives the answers it likes."""

    def __init__(self, **answers):
        self.answers = answers

    def run_python(self, code, *, limit_seconds=None):
        mark, question = re.search(r"m\.answer\('(\w+)', '([^']*)'\)", code).groups()
        do = json.loads(base64.b64decode(question))["do"]
        return f"noise [{mark}: \n[{mark}:{packed(json.dumps(self.answers[do]).encode())}:{mark}]\nnoise"


@pytest.fixture
def fetched(tmp_path):
    """Fetches what such a cluster says; gives the files by path, and what was lost."""

    def fetched(**answers):
        lost = []
        folder = tmp_path / "work" / "outputs"
        folder.mkdir(parents=True)
        Fetch(Hostile(**answers), lambda: 60.0, lost.append).outputs(folder)
        everything = {each.relative_to(tmp_path).as_posix() for each in tmp_path.rglob("*") if each.is_file()}
        return {each.removeprefix("work/outputs/") for each in everything}, lost

    return fetched


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "./a", "a//b", "a/", "a\0b", "a\nb", "a\\b"),
        *("\udcff", "a" * 1001, None, 1, ["a"], "a\x7f"),
    ],
)
def test_a_name_that_leads_elsewhere_is_left_out(fetched, name):
    assert name_fault(name)
    files, lost = fetched(listed={"files": [[name, 1], ["good", 1]]}, read=[packed(b"x")])
    assert files == {"good"}
    assert len(lost) == 1


@pytest.mark.parametrize("name", ["a", "a/b.csv", "ä ß/ü.txt", "..a", "a..b", ".hidden", "a:b", "a'b\"c", "$(x)", "~"])
def test_an_odd_name_is_a_name(fetched, name):
    assert fetched(listed={"files": [[name, 1]]}, read=[packed(b"x")]) == ({name}, [])


@pytest.mark.parametrize("size", [-1, None, "1", 1.5, True])
def test_a_size_is_a_number_of_bytes(fetched, size):
    files, lost = fetched(listed={"files": [["a", size]]}, read=[packed(b"")])
    assert (files, len(lost)) == (set(), 1)


def test_a_flood_of_names_floods_no_log(fetched):
    flood = [["x" * 10_000, "is odd"]] * 1000
    files, lost = fetched(listed={"left_out": flood, "files": [["good", 1], *[["..", 1]] * 1000]}, read=[packed(b"x")])
    assert files == {"good"}
    assert len(lost) == 101
    assert max(map(len, lost)) < 400


def test_a_file_and_a_folder_of_one_name_are_told_of(fetched):
    files, lost = fetched(listed={"files": [["a", 1], ["a/b", 1]]}, read=[packed(b"x"), packed(b"y")])
    assert files == {"a"}
    assert "'a/b' cannot be kept" in lost[0]


@pytest.mark.parametrize("data", [packed(b""), packed(b"xy"), None])
def test_a_file_that_is_not_what_was_listed_is_left_out(fetched, data):
    try:
        files, lost = fetched(listed={"files": [["a", 1]]}, read=[data])
    except RemoteFailed:
        return
    assert (files, len(lost)) == (set(), 1)


@pytest.mark.parametrize("answers", [{"listed": []}, {"listed": 1}, {"listed": {"files": [["a", 1]]}, "read": {}}])
def test_an_answer_of_another_form_is_a_failure(fetched, answers):
    with pytest.raises(RemoteFailed):
        fetched(**answers)


def test_more_than_was_asked_for_is_not_unpacked():
    bomb = packed(b"\0" * 50_000_000)
    with pytest.raises(RemoteFailed, match="larger than was asked for"):
        unpacked(bomb, 1000)
    assert unpacked(packed(b"x" * 1000), 1000) == b"x" * 1000


@pytest.mark.parametrize("text", ["", "no base64!", base64.b64encode(b"no zlib").decode(), None, 1])
def test_what_cannot_be_unpacked_is_a_failure(text):
    with pytest.raises(RemoteFailed):
        unpacked(text, 10)


@pytest.mark.parametrize(("left", "error"), [(5.0, OutOfTime), (500.0, CommandTimedOut)])
def test_an_answer_that_the_time_left_does_not_suffice_for_is_given_up(tmp_path, left, error):
    class Slow:
        def run_python(self, code, *, limit_seconds=None):
            raise CommandTimedOut(f"took longer than {limit_seconds} s")

    with pytest.raises(error) as raised:
        Fetch(Slow(), lambda: left, lambda _: None).results(Recorded(tmp_path / "events"))
    assert raised.type is error


def test_without_an_answer_between_the_marks_there_is_none():
    class Silent:
        def run_python(self, code, *, limit_seconds=None):
            return "hello"

    with pytest.raises(RemoteFailed, match="no answer"):
        ask(Silent(), "listed", 1.0)
