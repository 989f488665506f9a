"""A record becomes the request that executes the same again here."""

import hashlib
import json

import pytest

from builders import a_manifest
from daybook.contract.errors import InvalidRequest
from daybook.contract.manifest import Files, NotebookRecord
from daybook.contract.request import Limits
from daybook.runner.again import request_again
from daybook.storage import RunRecord, open_store
from runner.runs import code, notebook_of

PARAMETERS = {"word": "hi", "box": [1, 2, 3, 4]}


@pytest.fixture
def record(tmp_path):
    """The record of a run that kept a copy of its notebook."""
    found = RunRecord(open_store(str(tmp_path / "out")))
    found.store.write("source.ipynb", notebook_bytes("print('then')"))
    return found


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "nb" / "notebook.ipynb"
    path.parent.mkdir()
    path.write_bytes(notebook_bytes("print('now')"))
    (path.parent / "spec.yaml").write_text(
        "run: {timeout_seconds: 9}\ninputs: {word: string, box: bbox, token: secret}\n"
    )
    return path


def notebook_bytes(*cells):
    return json.dumps(notebook_of(code("word = 'x'", "parameters"), *cells)).encode()


def again(record, tmp_path, source, output="again", **changes):
    given = {
        "notebook": NotebookRecord(id="nb", title="Then", source=str(source)),
        "parameters": PARAMETERS,
        "secrets": {"token": "api-key"},
        "files": Files(source="source.ipynb"),
    }
    old = a_manifest(**{**given, **changes})
    return request_again(old, record, {**old.parameters, **old.secrets}, str(tmp_path / output), {})


def test_the_notebook_is_the_one_at_the_runs_address_held_to_its_spec(record, tmp_path, source):
    found = again(record, tmp_path, source)
    request = found.request
    assert found.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert (request.notebook.source, request.notebook.id, request.notebook.kernel) == (str(source), "nb", "python3")
    assert (request.parameters, request.secrets, request.user) == (PARAMETERS, {"token": "api-key"}, "alice")
    assert request.limits.timeout_seconds == 9
    assert request.output == (tmp_path / "again").as_uri()
    with pytest.raises(InvalidRequest, match="word"):
        again(record, tmp_path, source, parameters={**PARAMETERS, "word": 3})


@pytest.mark.parametrize("where", ["gone.ipynb", "http://127.0.0.1:1x/n.ipynb"])
def test_where_it_is_gone_the_runs_own_copy_is_taken_with_the_values_as_they_were(record, tmp_path, where):
    source = where if "://" in where else tmp_path / where
    check_copy(record, again(record, tmp_path, source))


def test_a_notebook_that_was_staged_beside_the_record_is_that_copy(record, tmp_path):
    check_copy(record, again(record, tmp_path, record.store.url_of("source.ipynb")))


def check_copy(record, found):
    request = found.request
    assert found.sha256 == request.notebook.sha256 == hashlib.sha256(record.store.read("source.ipynb")).hexdigest()
    assert request.notebook.source == record.store.url_of("source.ipynb")
    assert (request.notebook.id, request.notebook.title, request.notebook.kernel) == ("nb", "Then", "python3")
    assert (request.parameters, request.secrets, request.user) == (PARAMETERS, {"token": "api-key"}, "alice")
    assert request.limits == Limits()


def test_where_there_is_no_copy_either_both_are_named(record, tmp_path):
    with pytest.raises(InvalidRequest, match=r"(?s)gone.ipynb: No such file.*holds no copy of the notebook"):
        again(record, tmp_path, tmp_path / "gone.ipynb", files=Files())


def test_the_new_run_never_goes_into_the_old_ones_record(record, tmp_path, source):
    with pytest.raises(InvalidRequest, match="--output: is the run itself"):
        again(record, tmp_path, source, output="out")
