import base64

import pytest
from databricks.sdk.service.compute import Results, ResultType

from daybook.databricks.results import TRUNCATED, messages_of
from daybook.databricks.tables import html_table, text_table

PNG = b"\x89PNG not really"
PNG_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


def none(path):
    raise AssertionError(f"nothing is to be fetched, not {path}")


def test_text_is_printed():
    (message,) = messages_of(Results(result_type=ResultType.TEXT, data="42"), "", none)
    assert (message.kind, message.content) == ("stream", {"name": "stdout", "text": "42"})


def test_text_that_was_shown_early_is_not_shown_again():
    (message,) = messages_of(Results(result_type=ResultType.TEXT, data="1\n2\n"), "1\n", none)
    assert message.content["text"] == "2\n"


@pytest.mark.parametrize(
    ("told", "data", "shown"),
    [
        ("1\n", "1", ""),  # the end of a result has no empty lines
        ("1\n2\n", "1\n2", ""),
        ("1\n  ", "1", ""),
        ("", "1", "1"),
        ("10 %", "100 rows", "100 rows"),
        ("1\n", "2", "2"),
    ],
)
def test_of_text_that_was_shown_early_the_rest_is_shown(told, data, shown):
    messages = messages_of(Results(result_type=ResultType.TEXT, data=data), told, none)
    assert "".join(each.content["text"] for each in messages) == shown


def test_of_a_result_that_was_cut_its_beginning_is_not_shown_again():
    results = Results(result_type=ResultType.TEXT, data="12 … 89", truncated=True)
    first, second = messages_of(results, "123456", none)
    assert (first.content["text"], second.content["text"]) == (" … 89", TRUNCATED)


@pytest.mark.parametrize("data", [None, ""])
def test_nothing_shows_nothing(data):
    assert messages_of(Results(result_type=ResultType.TEXT, data=data), "", none) == []
    assert messages_of(None, "", none) == []


def test_a_table_is_html_and_text():
    results = Results(
        result_type=ResultType.TABLE, data=[[1, None], ["<b>", {"k": "é"}]], schema=[{"name": "a&b"}, {"name": "c"}]
    )
    (message,) = messages_of(results, "", none)
    data = message.content["data"]
    assert "<th>a&amp;b</th><th>c</th>" in data["text/html"]
    assert "<td>&lt;b&gt;</td>" in data["text/html"]
    assert data["text/plain"].splitlines() == ["a&b  c", "1    null", '<b>  {"k": "é"}']


def test_a_cut_result_says_so():
    results = Results(result_type=ResultType.TABLE, data=[[1]], schema=[{"name": "a"}], truncated=True)
    assert messages_of(results, "", none)[-1].content == {"name": "stderr", "text": TRUNCATED}


def test_images_are_shown_by_their_type():
    svg = "data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode()
    first, second = messages_of(Results(result_type=ResultType.IMAGES, file_names=[PNG_URL, svg]), "", none)
    assert base64.b64decode(first.content["data"]["image/png"]) == PNG
    assert second.content["data"]["image/svg+xml"] == "<svg/>"


def test_a_large_image_is_fetched_from_the_file_store():
    asked = []

    def fetch(path):
        asked.append(path)
        return PNG

    (message,) = messages_of(Results(result_type=ResultType.IMAGE, file_name="/plots/1.png"), "", fetch)
    assert asked == ["/FileStore/plots/1.png"]
    assert base64.b64decode(message.content["data"]["image/png"]) == PNG


@pytest.mark.parametrize("name", ["data:image/png;base64,%%%", "/plots/gone.png"])
def test_an_image_that_cannot_be_had_is_said(name):
    (message,) = messages_of(Results(result_type=ResultType.IMAGE, file_name=name), "", lambda _: None)
    assert message.content["name"] == "stderr"


def test_a_result_of_a_kind_that_is_not_known_is_shown_as_text():
    assert messages_of(Results(data="<p>x</p>"), "", none)[0].content["text"] == "<p>x</p>"


def test_a_long_table_is_cut_in_text_only():
    rows = [[number] for number in range(150)]
    assert html_table(["n"], rows).count("<td>") == 150
    assert text_table(["n"], rows).splitlines()[-1] == "… 50 more rows"


@pytest.mark.parametrize("rows", [[], [[]], [1, 2], [[1, 2, 3]], [None]])
def test_an_odd_table_is_still_shown(rows):
    assert html_table(["a"], rows).startswith("<table")
    assert text_table(["a"], rows).startswith("a")
