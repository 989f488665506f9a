"""`rerun`: through Airflow the same request again, here the same execution; and what differs is told."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builders import a_notebook_json
from cli.fake_airflow import RUN, manifest, running, write
from daybook import __version__
from daybook.contract import keys
from daybook.contract.manifest import Manifest, NotebookRecord, State

CHECKOUT = Path(__file__).parents[2]
OLD = keys.run_id("echo", datetime(2026, 11, 1, tzinfo=UTC), "old")
IMAGE = f"daybook/notebook:{__version__}"


@pytest.fixture
def sha256(tmp_path, daybook):
    """The digest of the catalogue's notebook as it is now."""
    return hashlib.sha256((tmp_path / "notebooks" / "echo" / "notebook.ipynb").read_bytes()).hexdigest()


@pytest.fixture
def old(bucket, sha256):
    """Leaves the record of an earlier run."""

    def leave(**changes):
        found = record(sha256=sha256, **changes)
        write(bucket, found)
        return found

    return leave


def record(sha256, **changes):
    given = {
        "run_id": OLD,
        "parameters": {"word": "ho", "times": 2},
        "notebook": NotebookRecord(id="echo", source="file:///x.ipynb", sha256=sha256),
        "image": IMAGE,
    }
    return manifest(**{**given, **changes})


def test_the_same_request_is_made_again_and_what_differs_is_told(daybook, airflow, bucket, old, sha256):
    old(packages={"numpy": "1.26"})
    airflow.state = "success"
    write(bucket, record(sha256, run_id=RUN, packages={"numpy": "2.0"}, results={"mean_delay": 12.4}))
    code, out, err = daybook("rerun", OLD)
    assert code == 0
    assert airflow.conf == {"word": "ho", "times": 2, "workspace": "local"}
    assert f"nothing differs from {OLD}" in err
    assert f"runs {OLD} again as {RUN}" in err
    assert "echo succeeded" in out
    assert "differs     package numpy: 1.26 → 2.0\n" in out
    assert "differs     result mean_delay: 12.3 → 12.4\n" in out
    assert "not known   image digest\n" in out
    assert out.count("differs") == 2


def test_the_settings_that_were_chosen_are_chosen_again(daybook, airflow, old):
    old(settings={"memory": "1Gi"})
    assert daybook("rerun", OLD, "--no-follow")[0] == 0
    assert airflow.conf == {"word": "ho", "times": 2, "workspace": "local", "run_settings": {"memory": "1Gi"}}


def test_what_differs_beforehand_is_told_before_anything_is_asked(daybook, old, sha256):
    old(notebook=NotebookRecord(id="echo", source="x", sha256="0" * 64), image="daybook/notebook:0")
    code, out, err = daybook("rerun", OLD, "--no-follow")
    assert code == 0
    assert err.index(f"notebook: {'0' * 59}… → {sha256[:59]}…") < err.index("again as")
    assert f"image: daybook/notebook:0 → {IMAGE}" in err
    assert f"asked for run {RUN}" in out


def test_as_json_it_is_one_document_with_what_differs(daybook, airflow, bucket, old, sha256):
    old(image_digest="sha256:" + "a" * 64)
    airflow.state = "success"
    write(bucket, record(sha256, run_id=RUN, state=State.FAILED, exit_code=1))
    code, out, err = daybook("rerun", OLD, "--json")
    found = json.loads(out)
    assert (code, err) == (1, "")
    assert (found["run_id"], found["rerun_of"], found["exit_code"]) == (RUN, OLD, 1)
    assert found["differences"] == [{"what": "state", "name": "", "then": "succeeded", "now": "failed"}]
    assert found["not_known"] == ["image_digest", "package"]


def test_a_run_that_came_to_no_record_is_compared_with_nothing(daybook, airflow, old):
    old()
    airflow.state = "failed"
    code, out, _ = daybook("rerun", OLD, "--json")
    found = json.loads(out)
    assert (code, found["rerun_of"], found["differences"], found["not_known"]) == (3, OLD, None, None)


def test_not_followed_it_tells_what_differs_by_now(daybook, old):
    old(image="daybook/notebook:0")
    found = json.loads(daybook("rerun", OLD, "--no-follow", "--json")[1])
    assert (found["run_id"], found["rerun_of"], found["state"]) == (RUN, OLD, "queued")
    assert found["differences"] == [{"what": "image", "name": "", "then": "daybook/notebook:0", "now": IMAGE}]


def test_the_workspace_can_be_another_one(daybook, airflow, old):
    old()
    daybook("rerun", OLD, "--no-follow", "--workspace", "other")
    assert airflow.conf["workspace"] == "other"


def test_references_to_secrets_are_given_again(daybook, airflow, old, tmp_path):
    spec = "inputs:\n  word: string\n  token: secret\n"
    (tmp_path / "notebooks" / "echo" / "spec.yaml").write_text(spec)
    old(parameters={"word": "ho"}, secrets={"token": "api-key"})
    assert daybook("rerun", OLD, "--no-follow")[0] == 0
    assert airflow.conf == {"word": "ho", "token": "api-key", "workspace": "local"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"parameters": {"wrd": "ho", "times": "x"}}, ["wrd: is not an input", "times: must be a whole number"]),
        ({"notebook": NotebookRecord(id="eko", source="x")}, ["'eko'", "echo"]),
        ({"workspace": "gone"}, ["there is no workspace 'gone'"]),
        ({"parameters": {"word": "a [redacted] b", "times": 1}}, ["word: held a secret"]),
    ],
)
def test_what_cannot_be_asked_again_is_refused_with_every_fault(daybook, airflow, old, changes, told):
    old(**changes)
    code, out, err = daybook("rerun", OLD, "--no-follow")
    assert (code, out) == (2, "")
    for each in told:
        assert each in err
    assert airflow.conf is None


def test_a_run_without_a_record_is_refused(daybook, airflow):
    airflow.conf = {}
    code, _, err = daybook("rerun", RUN, "--no-follow")
    assert code == 2
    assert "has no record yet" in err


def test_a_run_that_goes_on_can_be_made_again_by_the_url_of_its_record(daybook, airflow, bucket, sha256):
    write(bucket, running(run_id=OLD, image=IMAGE, parameters={"word": "ho", "times": 2}))
    place = bucket.url_of(keys.run_prefix(OLD))
    assert daybook("rerun", place, "--no-follow")[0] == 0
    assert airflow.conf == {"word": "ho", "times": 2, "workspace": "local"}


@pytest.mark.parametrize("place", ["./nowhere", "notebooks/", "{bucket}/nowhere"])
def test_a_place_without_a_record_is_named_and_not_made(daybook, tmp_path, bucket, place):
    given = place.format(bucket=bucket.url)
    code, _, err = daybook("rerun", given, "--no-follow")
    assert code == 2
    assert f"{given}: holds no record of a run (manifest.json)" in err
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "bucket" / "nowhere").exists()


def test_a_run_that_was_executed_here_needs_a_place_and_no_workspace(daybook, airflow, old):
    old(airflow=None)
    code, _, err = daybook("rerun", OLD, "--workspace", "other", "--no-follow")
    assert code == 2
    assert "--output: is needed" in err
    assert "--workspace: is for runs through Airflow" in err
    assert airflow.conf is None


def execute(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "DAYBOOK_NOTEBOOK_ENV": f"{CHECKOUT}/.venv-notebook"}
    command = [sys.executable, "-c", "from daybook.cli.main import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True, timeout=120, check=False)


def test_what_was_executed_here_is_executed_here_again(tmp_path):
    note = "from daybook.notebook import record\nrecord('twice', times * FACTOR)"
    path = tmp_path / "n.ipynb"
    path.write_text(a_notebook_json([note.replace("FACTOR", "2")], parameters="times: int = 1"))
    assert execute("execute", "n.ipynb", "-o", "out", "-p", "times=3", cwd=tmp_path).returncode == 0
    path.write_text(a_notebook_json([note.replace("FACTOR", "20")], parameters="times: int = 1"))
    done = execute("rerun", "out", "-o", "again", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    old = Manifest.from_json((tmp_path / "out" / "manifest.json").read_bytes())
    assert (found["rerun_of"], found["manifest"]["parameters"]) == (old.run_id, {"times": 3})
    assert found["run_id"] != old.run_id
    assert [each["what"] for each in found["differences"]] == ["notebook", "result"]
    assert found["differences"][1] == {"what": "result", "name": "twice", "then": 6, "now": 60}
    refused = execute("rerun", "out/", "-o", "out", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--output: is the run itself" in refused.stderr
