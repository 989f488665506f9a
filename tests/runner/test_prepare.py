"""From a file's bytes to a notebook that is ready to be executed."""

import io
import json

import nbformat
import pytest

from daybook.contract.errors import InvalidRequest, KernelUnavailable
from daybook.runner.document import read_document, to_bytes, to_notebook, write_notebook
from daybook.runner.kernels import KernelSpec, choose, installed
from daybook.runner.prepare import prepare
from runner.runs import code, notebook_of, text

PYTHON = KernelSpec("python3", "python", ("python",))
R = KernelSpec("ir", "r", ("R",))
KERNELS = {"python3": PYTHON, "ir": R}


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


@pytest.mark.parametrize(
    ("document", "wanted", "chosen"),
    [
        (notebook_of("1"), None, "python3"),
        (notebook_of("1", kernel="IR"), None, "ir"),
        (notebook_of("1", kernel="python"), None, "python3"),
        (notebook_of("1", kernel=None), None, "python3"),
        (notebook_of("1"), "ir", "ir"),
        ({"metadata": {"language_info": {"name": "R"}}}, None, "ir"),
        ({"metadata": {"kernelspec": {"language": "python"}}}, None, "python3"),
        ({}, None, "python3"),
    ],
)
def test_the_kernel_is_the_wanted_one_the_notebooks_own_or_one_of_its_language(document, wanted, chosen):
    assert choose(document, wanted, KERNELS).name == chosen


@pytest.mark.parametrize(
    ("document", "wanted", "message"),
    [
        (notebook_of("1", kernel="conda-x"), None, "there is no kernel 'conda-x'"),
        (notebook_of("1", kernel="pyhton3"), None, "did you mean 'python3'?"),
        (notebook_of("1"), "julia", "there is no kernel 'julia'"),
        ({"metadata": {"language_info": {"name": "julia"}}}, None, "no kernel for the language 'julia'"),
    ],
)
def test_an_unknown_kernel_is_named_with_those_that_are_there(document, wanted, message):
    with pytest.raises(InvalidRequest) as raised:
        choose(document, wanted, KERNELS)
    assert message in str(raised.value)
    assert "installed are: python3 (python), ir (r)" in str(raised.value)


def test_no_kernel_at_all_is_the_environments_fault():
    with pytest.raises(KernelUnavailable, match="install ipykernel"):
        choose({}, None, {})


def test_broken_kernels_are_passed_over(tmp_path, monkeypatch):
    for name, content in {"broken": "{", "empty": "{}", "good": '{"argv": ["x"], "interrupt_mode": "message"}'}.items():
        folder = tmp_path / "kernels" / name
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(content)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    found = installed()
    assert found["good"].interrupted_by_message
    assert not {"broken", "empty"} & found.keys()
    assert "python3" in found
