"""The runner as a child process of a worker."""

import json
import os
import signal
import subprocess
import sys

import pytest

from builders import a_notebook_json, a_request
from daybook.contract.manifest import Manifest
from daybook.contract.request import NotebookSource
from daybook.runner.child import Told

SECONDS = 90


@pytest.fixture
def started(tmp_path):
    """Starts the child for a notebook of some cells."""
    children = []

    def start(*cells, store=None, request=None, **environment):
        source = tmp_path / "notebook.ipynb"
        source.write_text(a_notebook_json(cells))
        wanted = a_request(
            notebook=NotebookSource(id="nb", source=source.as_uri()),
            parameters={},
            output=(tmp_path / "run").as_uri(),
        )
        child = subprocess.Popen(
            [sys.executable, "-m", "daybook.runner.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environment},
            start_new_session=True,
        )
        children.append(child)
        child.stdin.write(Told(request or wanted.to_json(), store or {}).to_line())
        child.stdin.flush()
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()


@pytest.fixture
def manifest(tmp_path):
    return lambda: Manifest.from_json((tmp_path / "run/manifest.json").read_bytes())


def said_by(child):
    """All that it says until it ends; its standard input stays open, as a parent that lives holds it."""
    out = child.stdout.read()
    child.wait(SECONDS)
    return out


def wait_for(child, text):
    for line in child.stdout:
        if text in line:
            return
    raise AssertionError(f"the child ended and never said {text!r}")


def test_a_run_is_executed_and_recorded_as_in_a_pod(started, manifest):
    child = started("print('hello')", "1 + 1")
    out = said_by(child)
    assert child.returncode == 0, out
    assert b"hello" in out
    found = manifest()
    assert (found.state, found.sealed_by, found.cells.succeeded) == ("succeeded", "runner", 2)


def test_the_buckets_credentials_are_the_runners_alone_and_in_no_record(started, manifest, tmp_path):
    child = started(
        "import os, json; print(json.dumps(dict(os.environ)))",
        store={"AWS_SECRET_ACCESS_KEY": "of-the-worker-alone", "AWS_REGION": "eu-1"},
        AWS_REGION="eu-2",
    )
    out = said_by(child)
    seen = json.loads(next(line for line in out.splitlines() if line.startswith(b"{")))
    assert "AWS_SECRET_ACCESS_KEY" not in seen
    assert seen["AWS_REGION"] == "eu-2"
    assert "DAYBOOK_REQUEST" not in seen
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert manifest().succeeded
    assert [path for path in files if b"of-the-worker-alone" in path.read_bytes()] == []


def test_when_its_parent_is_gone_the_run_ends_and_is_sealed(started, manifest):
    child = started("print('begun', flush=True); import time; time.sleep(600)")
    wait_for(child, b"begun")
    child.stdin.close()
    child.stdin = None
    child.communicate(timeout=SECONDS)
    assert child.returncode == 143
    assert (manifest().state, manifest().sealed_by) == ("interrupted", "runner")


def test_being_told_twice_is_as_good_as_once(started, manifest):
    child = started("print('begun', flush=True); import time; time.sleep(600)")
    wait_for(child, b"begun")
    child.send_signal(signal.SIGTERM)
    child.stdin.close()
    child.stdin = None
    child.communicate(timeout=SECONDS)
    assert (child.returncode, manifest().state) == (143, "interrupted")


def test_a_parent_that_is_gone_before_it_said_anything_starts_nothing():
    done = subprocess.run([sys.executable, "-m", "daybook.runner.child"], stdin=subprocess.DEVNULL, timeout=SECONDS)
    assert done.returncode == 143


def test_a_request_that_is_none_is_one_line(started):
    child = started("1 + 1", request="{}")
    assert b"DAYBOOK_REQUEST holds no request" in said_by(child)
    assert child.returncode == 2
