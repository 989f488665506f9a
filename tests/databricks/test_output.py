import pytest

from databricks.sessions import Shown
from daybook.databricks.output import LEFT_OUT, Heard


def test_text_is_shown_as_it_grows_and_once():
    shown = Shown()
    heard = Heard(shown)
    for text in ("a", "a", "ab", "other", "abc"):
        heard.hear(text)
    assert [each.content["text"] for each in shown.messages] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("early", "end", "before", "printed", "left_out"),
    [
        ("", "abcdef", 0, "abcdef", 0),
        ("ab", "abcdef", 0, "abcdef", 0),
        ("abcdef", "abcdef", 0, "abcdef", 0),
        ("", "def", 3, "def", 3),
        ("a", "def", 3, "adef", 2),
        ("abc", "def", 3, "abcdef", 0),
        ("abcd", "def", 3, "abcdef", 0),
        ("", "", 0, "", 0),
        ("ab … yz", "abcdef", 0, "ab … yzabcdef", 0),  # Databricks had cut what it told early
    ],
)
def test_the_end_is_shown_as_far_as_it_was_not(early, end, before, printed, left_out):
    shown = Shown()
    heard = Heard(shown)
    heard.hear(early)
    heard.hear_end(end, before)
    assert shown.printed() == printed
    assert shown.printed("stderr") == (LEFT_OUT.format(left_out) if left_out else "")
