"""From a file's bytes to a notebook that is ready to be executed."""

import io
import json

import nbformat
import pytest

from daybook.contract.errors import InvalidRequest
from daybook.runner.document import read_document, to_bytes, to_notebook, write_notebook
from daybook.runner.kernels import KernelSpec
from daybook.runner.prepare import prepare
from runner.runs import code, notebook_of, text

PYTHON = KernelSpec("python3", "python", ("python",))


def read(document):
    return read_document(json.dumps(document).encode(), "x.ipynb")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: the file is empty"),
        (b"hello", "line 1: it is not JSON"),
        (b'{"cells": [\n}', "line 2: it is not JSON"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "it holds a list, not a JSON object"),
        (b"{}", "nbformat: it names no notebook format"),
        (b'{"nbformat": 5}', "its format is 5; formats 1 to 4"),
        (b'{"nbformat": 4}', "cells: must be a list"),
        (b'{"nbformat": 4, "cells": [], "metadata": []}', "metadata: must be an object"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "x", "source": 1}]}', "cells[0].cell_type: must be code"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "x", "source": 1}]}', "cells[0].source: must be a text"),
        (b'{"nbformat": 4, "cells": [7]}', "cells[0]: must be an object"),
    ],
)
def test_a_file_that_is_no_notebook_is_named_with_the_place(data, message):
    with pytest.raises(InvalidRequest) as raised:
        read_document(data, "x.ipynb")
    assert str(raised.value).startswith("x.ipynb is not a notebook")
    assert message in str(raised.value)


def test_old_outputs_are_taken_out():
    given = code("1")
    given["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "old"}]
    given["execution_count"] = 7
    notebook = to_notebook(read(notebook_of(given)), "x")
    assert notebook.cells[0].outputs == []
    assert notebook.cells[0].execution_count is None


@pytest.mark.parametrize("minor", [0, 2, 5])
def test_every_minor_format_becomes_a_valid_notebook_of_today(minor):
    document = {**notebook_of(code(["a = 1\n", "b"]), text("t")), "nbformat_minor": minor}
    notebook = to_notebook(read(document), "x")
    assert notebook.cells[0].source == "a = 1\nb"
    assert notebook.cells[0].id
    nbformat.validate(nbformat.reads(to_bytes(notebook).decode(), as_version=4))


def test_half_a_surrogate_pair_can_be_saved(tmp_path):
    notebook = to_notebook(read(notebook_of("1")), "x")
    notebook.cells[0].source = "\ud800 é"
    assert json.loads(to_bytes(notebook))["cells"][0]["source"] == "\ud800 é"
    with (tmp_path / "a.ipynb").open("w", encoding="utf-8", errors="backslashreplace") as file:
        write_notebook(notebook, file)
    assert json.loads((tmp_path / "a.ipynb").read_bytes())["cells"][0]["source"] == ["\ud800 é"]


def test_a_written_notebook_is_laid_out_as_jupyter_does_it():
    notebook = to_notebook(read(notebook_of(code("a = 1\nb"), text("t"))), "x")
    notebook.cells[0].outputs = [
        nbformat.v4.new_output("stream", text="é\nß"),
        nbformat.v4.new_output("display_data", data={"image/png": "aGFsbG8="}),
    ]
    file = io.StringIO()
    write_notebook(notebook, file)
    assert file.getvalue() == nbformat.v4.writes(notebook) + "\n"


@pytest.mark.parametrize(
    ("cells", "place"),
    [
        ([code("a = 1", "parameters"), "a"], 1),
        (["1", code("a = 1", "parameters"), "a"], 2),
        (["a"], 0),
        ([text("t"), "a"], 0),
        (["1", code("old", "injected-parameters"), "a"], 1),
        ([code("a = 1", "parameters"), "1", code("old", "injected-parameters")], 2),
    ],
)
def test_where_the_parameters_go(cells, place):
    notebook = prepare(read(notebook_of(*cells)), "x", "# Parameters\na = 2\n", PYTHON)
    tagged = [at for at, cell in enumerate(notebook.cells) if "injected-parameters" in cell.metadata.get("tags", ())]
    assert tagged == [place]
    assert notebook.cells[place].source == "# Parameters\na = 2\n"


def test_without_parameters_nothing_is_injected():
    assert len(prepare(read(notebook_of("1")), "x", None, PYTHON).cells) == 1


def test_marks_of_an_earlier_failure_are_taken_out():
    marked = text("An Exception was encountered")
    marked["metadata"]["tags"] = ["papermill-error-cell-tag"]
    assert len(prepare(read(notebook_of(marked, "1")), "x", None, PYTHON).cells) == 1


def tagged_places(notebook, tag):
    return [at for at, cell in enumerate(notebook.cells) if tag in cell.metadata.get("tags", ())]


def test_an_executed_notebook_runs_again_with_the_new_values_alone():
    earlier = prepare(read(notebook_of(code("a = 1", "parameters"), "a")), "x", "# Parameters\na = 2\n", PYTHON)
    copied = json.loads(json.dumps(earlier))
    copied["cells"].append({**copied["cells"][1], "id": "copy"})
    notebook = prepare(read(copied), "x", "# Parameters\na = 3\n", PYTHON)
    assert [cell.source for cell in notebook.cells] == ["a = 1", "# Parameters\na = 3\n", "a"]
    assert tagged_places(notebook, "injected-parameters") == [1]


def test_an_injected_cell_takes_over_no_tag_of_the_parameters_cell():
    given = notebook_of(code("a = 1", "parameters", "raises-exception"))
    notebook = prepare(read(given), "x", "# Parameters\na = 2\n", PYTHON)
    assert notebook.cells[1].metadata.tags == ["injected-parameters"]
    assert notebook.cells[0].metadata.tags == ["parameters", "raises-exception"]


FORBIDDEN = [
    {"tags": "parameters"},
    {"tags": ["a", "a", 1, None]},
    {"tags": None},
]


@pytest.mark.parametrize("metadata", FORBIDDEN)
def test_tags_that_are_no_list_of_texts_are_put_right(metadata):
    document = notebook_of({**code("1"), "metadata": metadata})
    notebook = prepare(read(document), "x", "# Parameters\n", PYTHON)
    nbformat.validate(notebook)
    assert tagged_places(notebook, "injected-parameters") == [0]


def test_what_the_format_forbids_but_a_run_can_do_without_is_put_right():
    cells = [
        {**code("1"), "id": "no spaces, please"},
        {**code("2"), "id": "twice"},
        {**text("3"), "id": "twice", "outputs": [], "execution_count": None},
        {"cell_type": "code", "source": "4"},
    ]
    document = {**notebook_of(*cells), "nbformat_minor": 5}
    for metadata in ({"kernelspec": {"name": "python3"}, "language_info": {"version": "3"}}, None):
        faulty = {"kernelspec": "python3", "language_info": [], "papermill": 1, "other": 2}
        document["metadata"] = metadata or faulty
        notebook = prepare(read(document), "x", None, PYTHON)
        nbformat.validate(notebook)
    assert notebook.cells[1].id == "twice"
    assert len({cell.id for cell in notebook.cells}) == 4
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert notebook.metadata["other"] == 2


def test_a_notebook_that_leaves_its_minor_format_out_is_read():
    document = notebook_of("1")
    del document["nbformat_minor"]
    notebook = to_notebook(read(document), "x")
    nbformat.validate(notebook)


def test_what_an_earlier_run_s_widgets_showed_is_taken_out():
    document = notebook_of("1")
    document["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"a": "old"}}}
    assert "old" not in str(prepare(read(document), "x", None, PYTHON))
