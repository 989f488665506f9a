"""The page of an executed notebook: what tags take out or fold, and that it shows the rest as it is."""

import json
import re

import pytest
from nbformat.v4 import new_output

from daybook.runner.html import HtmlPage
from daybook.runner.prepare import prepare
from runner.runs import code, notebook_of, text
from runner.test_prepare import PYTHON

DETAILS = re.compile(r"<details>.*?</details>", re.DOTALL)
TAGS = {
    "remove-input": (False, True),
    "remove-output": (True, False),
    "remove-cell": (False, False),
    "hide-input": ("folded", True),
    "hide-output": (True, "folded"),
    "hide-cell": ("folded", "folded"),
    "parameters": (True, True),
    "skip-execution": (True, True),
}


def page_of(tmp_path, *cells, outputs=(), **metadata):
    notebook = prepare({**notebook_of(*cells), "metadata": metadata}, "x", None, PYTHON)
    for cell, output in zip(notebook.cells, outputs, strict=False):
        cell.outputs = [output]
    before = json.dumps(notebook)
    path = HtmlPage("A title", tmp_path / "page.html").finish(notebook)
    assert json.dumps(notebook) == before
    return path.read_text()


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    cells = [code(f"given_{number} = 1", tag) for number, tag in enumerate(TAGS)]
    shown = [new_output("stream", text=f"shown_{number}\n") for number in range(len(TAGS))]
    return page_of(tmp_path_factory.mktemp("page"), *cells, outputs=shown, language_info={"name": "python"})


@pytest.mark.parametrize("tag", TAGS)
def test_tags_take_out_or_fold_what_they_say(tagged, tag):
    number = list(TAGS).index(tag)
    folded = "".join(DETAILS.findall(tagged))
    for part, expected in zip((f"given_{number}", f"shown_{number}"), TAGS[tag], strict=True):
        found = "folded" if part in folded else part in tagged
        assert found == expected


def test_a_folded_text_and_a_removed_one_are_hidden_in_any_kind_of_cell(tmp_path):
    folded, removed = text("folded away"), text("taken out")
    folded["metadata"]["tags"], removed["metadata"]["tags"] = ["hide-cell"], ["remove-cell"]
    page = page_of(tmp_path, folded, removed, text("there"))
    assert "folded away" in "".join(DETAILS.findall(page))
    assert "taken out" not in page
    assert "there" in page


@pytest.mark.parametrize("language", ["python", "ipython3", "R", "no such language", None])
def test_code_is_only_shown_whatever_its_language(tmp_path, language):
    information = {"name": language, "pygments_lexer": language} if language else {}
    page = page_of(tmp_path, "a < b # <script>alert(1)</script> &amp; {{ 1 + 1 }}", "", language_info=information)
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "&amp;amp;" in page
    assert re.search(r"\{\{\s*(<[^>]*>)*\s*1", page)


def test_code_is_in_the_colours_of_its_language(tmp_path):
    page = page_of(
        tmp_path, "for x in y: pass", "%%bash\necho hi", language_info={"name": "python", "pygments_lexer": "ipython3"}
    )
    assert '<span class="k">for</span>' in page
    assert "highlight hl-ipython3" in page
    assert "highlight hl-bash" in page


def test_indentation_and_blank_lines_are_kept(tmp_path):
    page = page_of(tmp_path, "if x:\n\n    y", language_info={"name": "text"})
    assert "if x:\n\n    y" in page


def test_a_page_is_made_of_what_the_format_forbids(tmp_path):
    notebook = prepare(notebook_of("kept_1"), "x", None, PYTHON)
    notebook.metadata["language_info"] = {"version": "what a kernel says of itself, without its name"}
    assert "kept_1" in HtmlPage("A title", tmp_path / "page.html").finish(notebook).read_text()


def test_a_notebook_that_no_page_can_be_made_of_is_told_where_the_page_is_wanted(tmp_path):
    page = HtmlPage("A title", tmp_path / "missing" / "page.html")
    with pytest.raises(FileNotFoundError):
        page.finish(prepare(notebook_of("1"), "x", None, PYTHON))
