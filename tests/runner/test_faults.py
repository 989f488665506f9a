"""Whole runs whose bucket misbehaves, over the real protocol: a proxy goes wrong on the way to an S3 API.

Times are scaled down: the store bridges a tenth of a second by itself, the runner's patience has the rest to do.
"""

import hashlib
import json
import os
from pathlib import Path

import pytest

from builders import RUN_ID
from daybook.contract import keys
from daybook.contract.errors import ExitCode
from daybook.contract.manifest import Manifest, Reason, State
from daybook.runner import patience, publish
from daybook.storage import RunRecord, network, open_store
from runner.faults import (
    FaultProxy,
    answering,
    belying_the_answer,
    corrupting,
    cutting_short,
    expired,
    losing_the_answer,
    resetting,
    slow,
)
from runner.moto import s3_server

CELLS = (
    "from daybook.notebook import outputs\nprint('what was printed')",
    "import time\nfor n in range(4):\n    print('step', n, flush=True)\n    time.sleep(0.15)",
    "outputs('table.csv').write_text('a,b\\n1,2\\n')\noutputs('more/large.bin').write_bytes(b'large' * 500_000)",
)
OUTPUTS = {"table.csv": b"a,b\n1,2\n", "more/large.bin": b"large" * 500_000}
SEAL = {"method": "PUT", "key": "manifest.json", "body": b'"sealed": true'}
RUNNING = {"method": "PUT", "after": 1}
"""Everything but the first manifest."""


@pytest.fixture(scope="module")
def s3():
    with s3_server("team") as environment:
        yield {**os.environ, **environment}


@pytest.fixture
def proxy(s3):
    with FaultProxy(s3["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture
def in_bucket(run, s3, proxy, monkeypatch):
    """Runs the notebook with its record in the bucket behind the proxy; gives the run, and the way around the proxy.

    A silence counts as a fault after seconds of which a busy machine has some to spare, unless the test is about it.
    """

    def execute(*cells, seconds=20.0, silence=10.0, saving=None):
        prefix = f"s3://team/{run.root.name}/{keys.run_prefix(RUN_ID)}"
        through = {**s3, "AWS_ENDPOINT_URL": proxy.url}
        with monkeypatch.context() as scaled:
            scaled.setattr(patience, "FIRST_PAUSE_SECONDS", 0.1)
            scaled.setattr(network, "RETRY_SECONDS", 0.1)
            scaled.setattr(network, "SILENCE_SECONDS", silence)
            scaled.setattr(network, "BULK_SILENCE_SECONDS", silence)
            ended = run(*(cells or CELLS), output=prefix, environment=through, patience=seconds, saving=saving)
        return ended, open_store(prefix, s3)

    return execute


FAULTS = {
    "slow down, from the first manifest on": [(answering(503, "SlowDown"), {"method": "PUT", "seconds": 0.6})],
    "resets, from the first request on": [(resetting, {"times": 3})],
    "slow down all through": [(answering(503, "SlowDown"), {**RUNNING, "seconds": 2.0})],
    "resets at the end": [(resetting, {"key": r"outputs/|log\.txt", "times": 4}), (resetting, {**SEAL, "times": 2})],
    "lost answers": [(losing_the_answer, {"method": "PUT", "times": 8})],
    "the seal's answer is lost": [(losing_the_answer, {**SEAL, "times": 1})],
    "the seal's answer is belied": [(belying_the_answer, {**SEAL, "times": 1})],
    "the seal's answer comes too late": [(slow(2.0), {**SEAL, "times": 1})],
    "answers cut short": [(cutting_short, {"method": "GET", "times": 3})],
    "expired credentials at the end": [(expired, {"key": "notebook.html|outputs/", "seconds": 1.0})],
    "expired credentials, as AWS says it": [(answering(400, "ExpiredToken"), {**RUNNING, "seconds": 2.0})],
    "bytes changed on their way": [(corrupting, {"method": "PUT", "key": r"outputs/|\.ipynb", "times": 3})],
    "slow answers": [(slow(2.0), {**RUNNING, "times": 3})],
}
SILENCES = {"the seal's answer comes too late": 0.7, "slow answers": 0.7}
"""Seconds after which the store takes silence for a fault, in the cases that are about it."""


@pytest.mark.parametrize("case", FAULTS)
def test_a_run_loses_nothing_to_a_bucket_that_misbehaves_for_a_while(in_bucket, proxy, case):
    planned = [proxy.plan(fault, **where) for fault, where in FAULTS[case]]
    ended, bucket = in_bucket(silence=SILENCES.get(case, 10.0))
    assert all(each.met for each in planned)
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    manifest = RunRecord(bucket).read()
    assert (manifest.state, manifest.sealed, manifest.sealed_by) == (State.SUCCEEDED, True, "runner")
    assert manifest.cells.succeeded == len(CELLS)
    found = {each.path: bucket.read(each.key) for each in manifest.outputs}
    assert found == OUTPUTS
    assert {each.path: each.sha256 for each in manifest.outputs} == {
        path: hashlib.sha256(data).hexdigest() for path, data in OUTPUTS.items()
    }
    notebook = json.loads(bucket.read(manifest.files.notebook))
    assert notebook["cells"][0]["outputs"][0]["text"] in ("what was printed\n", ["what was printed\n"])
    assert "".join(notebook["cells"][1]["outputs"][0]["text"]).endswith("step 3\n")
    assert b"step 3" in bucket.read(manifest.files.html)
    assert b"step 3" in bucket.read(manifest.files.log)
    assert list(ended.scratch.iterdir()) == []


GONE = {
    "resets": resetting,
    "expired credentials": expired,
    "access denied": answering(403, "AccessDenied"),
    "the bucket is gone": answering(404, "NoSuchBucket"),
}


@pytest.mark.parametrize(
    ("case", "cells"), [*((case, CELLS) for case in GONE), ("resets", (*CELLS, "1/0"))], ids=[*GONE, "a failed run"]
)
def test_a_bucket_that_stays_away_leaves_everything_on_disk(in_bucket, proxy, case, cells):
    proxy.plan(GONE[case], **RUNNING)
    ended, bucket = in_bucket(*cells, seconds=0.5)
    assert ended.exit_code is ExitCode.INFRASTRUCTURE_FAILED
    [kept] = ended.scratch.iterdir()
    last = ended.said.splitlines()[-1]
    assert "failed (store_failed): " in last
    assert f"everything is kept in {kept}" in last
    _holds_everything(kept, cells)
    here = Manifest.from_json((kept / "manifest.json").read_bytes())
    assert (here.state, here.reason, here.sealed, here.exit_code) == (State.FAILED, Reason.STORE_FAILED, True, 3)
    assert f"everything is kept in {kept}" in here.message
    assert ("ZeroDivisionError" in here.message) is (len(cells) > len(CELLS))
    # Nobody could seal it there: it still says that the run is under way, until it is sealed as lost.
    assert RunRecord(bucket).read().state in (State.QUEUED, State.RUNNING)


def test_what_a_notebook_made_is_saved_in_the_longer_time_there_is_for_it(in_bucket, proxy):
    planned = proxy.plan(answering(503, "SlowDown"), key="outputs/", seconds=1.0)
    ended, bucket = in_bucket(seconds=0.2, saving=30.0)
    assert planned.met
    assert "trying again for up to 30 s" in ended.said
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert RunRecord(bucket).read().succeeded
    assert list(ended.scratch.iterdir()) == []


def test_what_executed_nothing_is_not_held_up_for_it(in_bucket, proxy):
    proxy.plan(answering(503, "SlowDown"), **RUNNING)
    ended, _ = in_bucket({"cell_type": "code", "source": 7}, seconds=0.2, saving=600.0)
    assert "trying again for up to 0.2 s" in ended.said


def test_no_more_time_is_spent_on_what_no_time_mends(in_bucket, proxy):
    proxy.plan(answering(404, "NoSuchBucket"), **RUNNING)
    ended, _ = in_bucket(seconds=0.2, saving=600.0)
    assert "there is no such bucket" in ended.said.splitlines()[-1]


def _holds_everything(kept: Path, cells) -> None:
    assert {path: (kept / "work" / "outputs" / path).read_bytes() for path in OUTPUTS} == OUTPUTS
    notebook = json.loads((kept / "notebook.ipynb").read_text())
    assert len(notebook["cells"]) == len(cells)
    assert "".join(notebook["cells"][1]["outputs"][0]["text"]).endswith("step 3\n")
    assert "step 3" in (kept / "notebook.html").read_text()
    assert "step 3" in (kept / "log.txt").read_text()


def test_a_bucket_that_is_away_from_the_start_has_nothing_executed(in_bucket, proxy, tmp_path):
    planned = proxy.plan(answering(503, "SlowDown"))
    ended, bucket = in_bucket(f"open({str(tmp_path / 'executed')!r}, 'w')", seconds=0.5)
    assert ended.exit_code is ExitCode.INFRASTRUCTURE_FAILED
    assert planned.met > 2
    assert "SlowDown" in ended.said.splitlines()[-1]
    assert not (tmp_path / "executed").exists()
    assert list(bucket.objects()) == []


def test_what_could_not_be_uploaded_does_not_keep_the_manifest_from_telling_so(in_bucket, proxy):
    proxy.plan(answering(403, "AccessDenied"), key="outputs/table.csv")
    ended, bucket = in_bucket(seconds=0.5)
    assert ended.exit_code is ExitCode.INFRASTRUCTURE_FAILED
    sealed = RunRecord(bucket).read()
    assert (sealed.state, sealed.reason, sealed.sealed) == (State.FAILED, Reason.STORE_FAILED, True)
    assert "outputs/table.csv: the bucket denies it (AccessDenied" in sealed.message


def test_a_seal_that_arrived_counts_although_every_answer_to_it_was_lost(in_bucket, proxy, monkeypatch):
    away = []

    def seal_without_answer(handler, exchange):
        handler.forward(exchange)
        away.append(True)
        handler.reset()

    def while_away(handler, exchange):
        if away:
            answering(503)(handler, exchange)
        else:
            handler.send(exchange, handler.forward(exchange))

    def kept_here(*arguments):
        away.clear()  # the bucket is back just when the runner has lost its patience
        return given_up(*arguments)

    given_up = publish._kept_here
    monkeypatch.setattr(publish, "_kept_here", kept_here)
    proxy.plan(seal_without_answer, times=1, **SEAL)
    proxy.plan(while_away, key=r"manifest\.json")
    ended, _ = in_bucket(seconds=0.3)
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert any(each.taken and SEAL["body"] in each.body for each in proxy.exchanges)
    assert "every answer to it was lost" in ended.said
    assert list(ended.scratch.iterdir()) == []
