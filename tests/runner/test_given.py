"""`daybook execute`: what it is given becomes a checked request, or is refused with every fault at once."""

import io
import json
import os

import pytest

from daybook.contract.errors import ExitCode, InvalidRequest, InvalidSettings
from daybook.contract.manifest import Manifest
from daybook.contract.request import Limits
from daybook.runner.given import Given, request_for
from daybook.runner.main import run_from_arguments
from runner.runs import code, notebook_of

DECLARED = code("origin: str = 'EWR'\nlimit = 3\nratio = 0.5\nnames = ['a']\nflag = False", "parameters")


@pytest.fixture
def notebook(tmp_path):
    folder = tmp_path / "flights"
    folder.mkdir()
    path = folder / "notebook.ipynb"
    path.write_text(json.dumps(notebook_of(DECLARED, "print(origin, limit)")))
    return path


def ask(notebook, tmp_path, **given):
    return request_for(Given(str(notebook), str(tmp_path / "out"), **given), {})


def test_texts_and_values_become_typed_parameters(notebook, tmp_path):
    request = ask(notebook, tmp_path, texts={"limit": "007", "names": ["x", "y"], "flag": "true"}, values={"ratio": 1})
    assert request.parameters == {"origin": "EWR", "limit": 7, "ratio": 1, "names": ["x", "y"], "flag": True}
    assert request.notebook.id == "flights"
    assert request.attempt == 1
    assert request.output == (tmp_path / "out").as_uri()


def test_every_fault_is_named_at_once(notebook, tmp_path):
    with pytest.raises(InvalidRequest) as raised:
        ask(
            notebook,
            tmp_path,
            texts={"limt": "1", "limit": "many", "flag": "true"},
            values={"ratio": "x", "flag": True},
        )
    said = str(raised.value)
    for part in ("limt: is not an input of this notebook", "- limit: ", "- ratio: ", "- flag: is given twice"):
        assert part in said
    assert said.count("- limit:") == 1


def test_the_spec_beside_the_notebook_decides(notebook, tmp_path):
    spec = (
        "title: Flights\nrun: {timeout_seconds: 60, kernel: python3}\ninputs:\n  limit: {type: integer, maximum: 5}\n"
    )
    spec += "  token: {type: secret, default: key-of-token}\n"
    (notebook.parent / "spec.yaml").write_text(spec)
    request = ask(notebook, tmp_path, texts={"limit": "5"})
    assert request.parameters == {"limit": 5}
    assert request.secrets == {"token": "key-of-token"}
    assert (request.limits.timeout_seconds, request.notebook.kernel) == (60, "python3")
    assert request.notebook.title == "Flights"
    with pytest.raises(InvalidRequest, match="limit"):
        ask(notebook, tmp_path, texts={"limit": "6"})
    with pytest.raises(InvalidRequest, match="limit: is required"):
        ask(notebook, tmp_path)


def test_a_broken_spec_is_named_with_its_line(notebook, tmp_path):
    (notebook.parent / "spec.yaml").write_text("title: x\ninputs:\n  limit: intger\n")
    with pytest.raises(InvalidSettings, match=r"spec.yaml:3: .*did you mean 'integer'"):
        ask(notebook, tmp_path)


def test_a_notebook_without_a_parameters_cell_takes_what_it_is_given(tmp_path):
    path = tmp_path / "plain.ipynb"
    path.write_text(json.dumps(notebook_of("1")))
    assert ask(path, tmp_path).notebook.id == "plain"
    assert ask(path, tmp_path, texts={"a": "1"}).parameters == {"a": 1}


def test_what_is_given_for_another_language_is_taken_as_json(tmp_path):
    path = tmp_path / "r.ipynb"
    path.write_text(json.dumps(notebook_of(code("a <- 1", "parameters"), kernel="ir", language="R")))
    assert ask(path, tmp_path, texts={"a": "[1, 2]"}).parameters == {"a": [1, 2]}


def test_a_parameters_cell_that_is_not_python_is_named(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps(notebook_of(code("a = 1\nb = = 2", "parameters"))))
    with pytest.raises(InvalidRequest, match="line 2 of its parameters cell"):
        ask(path, tmp_path, texts={"a": "2"})
    assert ask(path, tmp_path).parameters == {}  # and fails when it is run, with a record of it


def test_a_notebook_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidRequest, match=r"nowhere.ipynb: No such file"):
        ask(tmp_path / "nowhere.ipynb", tmp_path)


def test_executed_twice_into_one_output_there_are_two_attempts_of_one_run(notebook, tmp_path):
    values = tmp_path / "values.json"
    values.write_text('{"origin": "JFK"}')
    output, said = tmp_path / "out", io.StringIO()
    codes = [
        run_from_arguments(str(notebook), str(output), values, {"limit": text}, environment=os.environ, stream=said)
        for text in ("1", "2")
    ]
    assert codes == [ExitCode.SUCCEEDED] * 2
    manifest = Manifest.from_json((output / "manifest.json").read_bytes())
    assert manifest.attempt == 2
    assert manifest.parameters["limit"] == 2
    first = Manifest.from_json((output / "attempts" / "1" / "manifest.json").read_bytes())
    assert (first.attempt, first.state, first.parameters["limit"]) == (1, "succeeded", 1)
    assert "JFK 1\n" in (output / "log.txt").read_text()
    assert "JFK 2\n" in (output / "attempts" / "2" / "log.txt").read_text()
    assert (output / manifest.files.source).exists()


def test_limits_can_be_given(notebook, tmp_path):
    assert ask(notebook, tmp_path, limits=Limits(timeout_seconds=5)).limits.timeout_seconds == 5


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, (60, 7)),
        (Limits(timeout_seconds=5), (5, 7)),
        (Limits(cell_timeout_seconds=5), (60, 5)),
        (Limits(timeout_seconds=None, cell_timeout_seconds=5), (None, 5)),
    ],
)
def test_a_limit_that_is_given_leaves_the_notebooks_other_one(notebook, tmp_path, given, expected):
    spec = "title: Flights\nrun: {timeout_seconds: 60, cell_timeout_seconds: 7}\n"
    (notebook.parent / "spec.yaml").write_text(spec)
    limits = ask(notebook, tmp_path, limits=given).limits
    assert (limits.timeout_seconds, limits.cell_timeout_seconds) == expected


def test_the_spec_says_what_the_notebook_may_hold_and_whether_it_may_end_early(notebook, tmp_path):
    (notebook.parent / "spec.yaml").write_text("run: {cell_output: 1k, output: 2Ki, may_end_early: true, memory: 1Gi}")
    request = ask(notebook, tmp_path, limits=Limits(timeout_seconds=5))
    assert request.limits == Limits(timeout_seconds=5, cell_output_bytes=1000, output_bytes=2048, memory_bytes=1024**3)
    assert request.may_end_early


def test_addresses_that_are_none_are_refused_clearly(notebook, tmp_path):
    with pytest.raises(InvalidRequest, match=r"cannot read the notebook: http://\[x: is no address: Invalid IPv6 URL"):
        ask("http://[x", tmp_path)
    with pytest.raises(InvalidSettings, match=r"cannot open a bucket: s3://\[x: Invalid IPv6 URL"):
        request_for(Given(str(notebook), "s3://[x"), {})


def test_a_name_that_is_none_of_the_inputs_is_told_with_those_that_are(notebook, tmp_path):
    (notebook.parent / "spec.yaml").write_text("inputs: {first_month: integer, last_month: integer}")
    with pytest.raises(InvalidRequest, match=r"month: is not an input.*did you mean"):
        ask(notebook, tmp_path, texts={"month": "13", "first_month": "1", "last_month": "2"})
