"""What happens when the request, the notebook or the bucket is not as it should be."""

import json
import os

import pytest

from daybook.contract.errors import ExitCode, InvalidSettings, StoreFailed
from daybook.contract.manifest import Manifest, Reason, State
from daybook.contract.request import NotebookSource
from daybook.runner.ending import Ending
from daybook.storage import RunRecord, open_store
from runner.moto import s3_server
from runner.runs import Runner, notebook_of

BAD_REQUESTS = {
    "no such file": ({"notebook": NotebookSource(id="x", source="/nowhere/a.ipynb")}, "/nowhere/a.ipynb: No such file"),
    "not a notebook": ({"notebook": NotebookSource(id="x", source=__file__)}, "is not a notebook"),
    "wrong digest": ({"sha256": "0" * 64}, "it was changed since its digest was noted"),
    "unknown kernel": ({"kernel": "fortran"}, "there is no kernel 'fortran'"),
    "names": ({"parameters": {"a b": 1, "x\ny": 2}}, "cannot be names of parameters"),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_request_that_cannot_be_met_is_recorded_as_such(run, case):
    changes, message = BAD_REQUESTS[case]
    source = NotebookSource(id="x", source=str(run.root / "given1.ipynb"))
    named = {name: changes[name] for name in ("sha256", "kernel") if name in changes}
    asked = {"notebook": source.model_copy(update=named), **{n: v for n, v in changes.items() if n not in named}}
    ended = run("print('never')", **asked)
    manifest = ended.manifest
    assert ended.exit_code is ExitCode.INVALID_REQUEST
    assert (manifest.state, manifest.reason, manifest.exit_code) == (State.FAILED, Reason.INVALID_REQUEST, 2)
    assert manifest.sealed
    assert message in manifest.message
    assert manifest.files.notebook is None
    assert manifest.files.log == "log.txt"
    assert not (ended.folder / "notebook.ipynb").exists()
    assert list(ended.scratch.iterdir()) == []


def test_a_bucket_that_takes_nothing_is_found_out_before_anything_is_executed(run, tmp_path):
    bucket = tmp_path / "bucket1" / "run"
    (bucket / "manifest.json").mkdir(parents=True)
    ended = run(f"open({str(tmp_path / 'executed')!r}, 'w')")
    assert ended.exit_code is ExitCode.INFRASTRUCTURE_FAILED
    assert "failed (store_failed): " in ended.said.splitlines()[-1]
    assert str(bucket) in ended.said
    assert not (tmp_path / "executed").exists()


def test_a_bucket_that_cannot_be_opened_is_named(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed, match=r"cannot make the bucket folder .*/file/run: "):
        run("1", output=(tmp_path / "file" / "run").as_uri())
    with pytest.raises(InvalidSettings, match="the scheme must be one of"):
        run("1", output="ftp://host/x")
    assert not list(tmp_path.glob("scratch/*"))


def test_what_the_bucket_does_not_take_stays_on_disk_and_the_message_says_where(run, tmp_path):
    bucket = tmp_path / "bucket1" / "run"
    bucket.mkdir(parents=True)
    (bucket / "outputs").write_text("a file where the outputs' folder would be")
    ended = run("from daybook.notebook import outputs\nprint(outputs('a.txt').write_text('kept'))")
    [kept] = ended.scratch.iterdir()
    assert ended.exit_code is ExitCode.INFRASTRUCTURE_FAILED
    assert f"everything is kept in {kept}" in ended.said.splitlines()[-1]
    assert (kept / "work" / "outputs" / "a.txt").read_text() == "kept"
    assert json.loads((kept / "notebook.ipynb").read_text())["metadata"]["daybook"]["state"] == "succeeded"
    assert "everything is kept in" in Manifest.from_json((kept / "manifest.json").read_bytes()).message
    # The manifest itself could still be sealed, and tells the truth too.
    assert (ended.manifest.state, ended.manifest.reason) == (State.FAILED, Reason.STORE_FAILED)
    assert ended.manifest.sealed


def test_in_a_pod_the_message_says_that_the_folder_is_the_pods(run, tmp_path):
    bucket = tmp_path / "bucket1" / "run"
    bucket.mkdir(parents=True)
    (bucket / "notebook.html").mkdir()
    ended = run("1", environment={**os.environ, "DAYBOOK_REQUEST": "{}"})
    [kept] = ended.scratch.iterdir()
    told = f"everything is in the pod's own folder {kept}, which a cluster clears when the pod ends"
    assert told in ended.manifest.message


def test_a_notebook_that_failed_is_not_forgotten_when_the_bucket_fails_too(run, tmp_path):
    bucket = tmp_path / "bucket1" / "run"
    bucket.mkdir(parents=True)
    (bucket / "notebook.html").mkdir()
    ended = run("1/0")
    assert ended.exit_code is ExitCode.INFRASTRUCTURE_FAILED
    assert "cell 1/1 raised ZeroDivisionError" in ended.manifest.message
    assert ended.manifest.error.name == "ZeroDivisionError"


def test_a_page_that_cannot_be_rendered_is_missed_but_the_run_counts(run, monkeypatch):
    def broken(*_):
        raise KeyError("template")

    monkeypatch.setattr("daybook.runner.html._rendered", broken)
    ended = run("1")
    assert ended.exit_code is ExitCode.SUCCEEDED
    assert ended.manifest.files.html is None
    assert "cannot be rendered as HTML: KeyError('template')" in ended.said


def test_a_fault_of_the_runner_itself_is_recorded_as_one(run, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr("daybook.runner.execute.read_document", broken)
    ended = run("1")
    assert ended.exit_code is ExitCode.INFRASTRUCTURE_FAILED
    assert ended.manifest.reason is Reason.INTERNAL_ERROR
    assert "a bug" in ended.manifest.message
    assert "Traceback" in (ended.folder / "log.txt").read_text()


def test_a_run_from_s3_to_s3_is_as_complete_as_one_in_a_folder(tmp_path):
    with s3_server("team") as environment:
        document = notebook_of(
            "from daybook.notebook import outputs\noutputs('a b/ü.txt').write_text('x')\nprint('hi')"
        )
        prefix = "s3://team/here/runs/2026/11/23/20261123T010203Z-x-0123456789"
        store = open_store(prefix, environment)
        store.write("source.ipynb", json.dumps(document).encode())
        source = NotebookSource(id="x", source=f"{prefix}/source.ipynb")
        variables = {**os.environ, **environment}
        runner = Runner(tmp_path)
        stream_and_code = run_in_bucket(runner, source, prefix, variables)
        manifest = RunRecord(store).read()
        assert stream_and_code is ExitCode.SUCCEEDED
        assert manifest.succeeded
        assert manifest.files.source == "source.ipynb"
        [output] = manifest.outputs
        assert store.read(output.key) == b"x"
        assert sorted(each.key for each in store.objects()) == [
            "log.txt", "manifest.json", "notebook.html", "notebook.ipynb", "outputs/a b/ü.txt", "source.ipynb",
        ]  # fmt: skip


def run_in_bucket(runner, source, prefix, variables):
    return runner("1", notebook=source, output=prefix, environment=variables).exit_code


def test_a_notebook_at_an_address_that_is_none_is_recorded_as_an_invalid_request(run):
    ended = run("1", notebook=NotebookSource(id="x", source="http://me:word@[x/a.ipynb?key=1"))
    assert ended.exit_code is ExitCode.INVALID_REQUEST
    assert ended.manifest.message == "cannot read the notebook: http://[x/a.ipynb: is no address: Invalid IPv6 URL"


def test_settings_that_are_wrong_end_a_run_as_an_invalid_request_does():
    ending = Ending.by(InvalidSettings("cannot open a bucket"))
    assert (ending.reason, ending.exit_code) == (Reason.INVALID_REQUEST, ExitCode.INVALID_REQUEST)
