"""Records that somebody else than their runner seals: the sweep after a killed runner, and the next attempt's start."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from builders import RUN_ID, a_manifest, a_notebook_json
from daybook.contract.errors import StoreFailed
from daybook.contract.keys import MANIFEST, AttemptKeys
from daybook.contract.manifest import CellCounts, Files, Manifest, Reason, State, Timings
from daybook.storage import RunRecord, StaleAttempt, Verdict, journal, open_store, record_of

GONE = Verdict(State.LOST, Reason.POD_GONE, "the pod is gone", "operator")
OTHER = Verdict(State.FAILED, Reason.OUT_OF_MEMORY, "too large", "operator")
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def record(store):
    return record_of(store, RUN_ID)


def running(attempt=1, **changes):
    given = {"state": State.RUNNING, "sealed": False, "sealed_by": None, "exit_code": None, "files": Files()}
    cells = CellCounts(total=3, succeeded=0, not_run=2, current=0)
    timings = Timings(queued_at="2026-11-23T01:02:03+00:00", started_at="2026-11-23T01:02:04+00:00")
    return a_manifest(attempt=attempt, **{**given, "cells": cells, "timings": timings, **changes})


def leave_notebook(store, attempt=1):
    """What a killed runner leaves: a copy from when the first cell ran, and a journal from when the second did."""
    notebook = json.loads(a_notebook_json(["print(1)", "print(2)", "print(3)"]))
    notebook["metadata"]["daybook"] = {"run_id": RUN_ID, "attempt": attempt, "state": "running", "journal": 0}
    for cell, state in zip(notebook["cells"], ("running", "not_run", "not_run"), strict=True):
        cell["metadata"] = mark(state)
    places = AttemptKeys(attempt)
    store.write(places.notebook, json.dumps(notebook).encode())
    lines = [delta(0, "succeeded", "1\n"), delta(1, "running", "2\n")]
    store.write(places.journal_slice(0), b"".join(lines) + b'{"cells": {"2": {"meta')
    return places


def mark(state):
    return {"daybook": {"state": state}, "papermill": {"status": state, "exception": None}}


def delta(index, state, text):
    change = {
        "metadata": mark(state),
        "execution_count": index + 1,
        "from": 0,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": text}],
    }
    return json.dumps({"cells": {str(index): change}}).encode() + b"\n"


def states_in(notebook):
    return [cell["metadata"]["daybook"]["state"] for cell in notebook["cells"]]


def kept(record, attempt):
    return Manifest.from_json(record.store.read(AttemptKeys(attempt).manifest))


def test_what_its_runner_could_not_seal_is_sealed_with_the_verdict(record):
    record.write(running())
    sealed = record.seal(1, GONE)
    assert record.read() == sealed
    assert (sealed.state, sealed.reason, sealed.message) == ("lost", "pod_gone", "the pod is gone")
    assert (sealed.sealed, sealed.sealed_by, sealed.exit_code) == (True, "operator", 3)
    assert sealed.cells == CellCounts(total=3, interrupted=1, not_run=2)
    # Of one that is lost, all that is known is its last sign of life.
    assert sealed.timings.finished_at == running().timings.started_at
    assert sealed.files.notebook is None


def test_notebook_and_manifest_agree_up_to_the_journals_last_whole_line(record):
    record.write(running(2))
    places = leave_notebook(record.store, 2)
    sealed = record.seal(2, GONE)
    notebook = json.loads(record.store.read(places.notebook))
    assert sealed.files == Files(notebook="attempts/2/notebook.ipynb")
    assert [cell["outputs"][0]["text"] if cell["outputs"] else "" for cell in notebook["cells"]] == ["1\n", "2\n", ""]
    assert states_in(notebook) == ["succeeded", "interrupted", "not_run"]
    assert sealed.cells == CellCounts(total=3, succeeded=1, interrupted=1, not_run=1)
    assert notebook["metadata"]["daybook"] == {
        "run_id": RUN_ID,
        "attempt": 2,
        "state": "lost",
        "reason": "pod_gone",
        "message": "the pod is gone",
    }
    assert [info.key for info in record.store.objects(places.journal)] == []


def test_the_runners_own_seal_stands(record):
    record.write(a_manifest())
    assert record.seal(1, GONE) == a_manifest() == record.read()


def test_nothing_is_sealed_for_a_newer_attempt(record):
    record.write(running(2))
    with pytest.raises(StaleAttempt, match="attempt 2 has taken over; attempt 1 is stale"):
        record.seal(1, GONE)
    assert record.read() == running(2)


@pytest.mark.parametrize("there", [None, a_manifest(attempt=1)], ids=["nothing", "an older attempt's success"])
def test_an_attempt_without_a_manifest_cannot_be_sealed(record, there):
    if there is not None:
        record.write(there)
    with pytest.raises(StoreFailed, match="no manifest of attempt 2"):
        record.seal(2, GONE)
    assert record.read() == there


@pytest.mark.parametrize(
    "left",
    [b'{"cells": {"9": {}}}\n', b'{"cells": {}, "a": 1}\n[]\n'],
    ids=["of another notebook", "of another form"],
)
def test_a_notebook_that_cannot_be_made_whole_keeps_no_record_from_being_sealed(record, left, caplog):
    record.write(running(files=Files(notebook="notebook.ipynb")))
    places = leave_notebook(record.store)
    record.store.write(places.journal_slice(0), left)
    before = record.store.read(places.notebook)
    with caplog.at_level(logging.WARNING):
        sealed = record.seal(1, GONE)
    assert sealed.sealed
    assert sealed.files.notebook == "notebook.ipynb"
    assert record.store.read(places.notebook) == before
    assert record.store.read(places.journal_slice(0)) == left
    assert f"The notebook of run {RUN_ID} is left as it was" in caplog.text


@pytest.mark.parametrize("depth", [400, 100_000])
def test_a_notebook_that_is_nested_without_end_keeps_no_record_from_being_sealed(record, depth):
    record.write(running(files=Files(notebook="notebook.ipynb")))
    leave_notebook(record.store)
    nested = b'{"cells": [], "metadata": {"x": ' + b"[" * depth + b"]" * depth + b"}}"
    record.store.write("notebook.ipynb", nested)
    assert record.seal(1, GONE).sealed


def test_a_notebook_that_is_too_large_to_be_held_is_left_as_it_is(record, monkeypatch):
    record.write(running(files=Files(notebook="notebook.ipynb")))
    before = record.store.read(leave_notebook(record.store).notebook)
    monkeypatch.setattr(journal, "MAX_BYTES", len(before))
    assert record.seal(1, GONE).sealed
    assert record.store.read("notebook.ipynb") == before


class Interposed:
    """A store that lets somebody else in before one of its verbs is done for the first time."""

    def __init__(self, store, verb, key, act):
        self._store, self._verb, self._key, self._act = store, verb, key, act

    def __getattr__(self, name):
        done = getattr(self._store, name)
        if name != self._verb:
            return done

        def called(key, *arguments):
            if key == self._key and self._act is not None:
                act, self._act = self._act, None
                act()
            return done(key, *arguments)

        return called


class Killed(Exception):
    """The sealer is gone."""


def die():
    raise Killed


def test_a_runner_that_seals_at_the_last_moment_has_the_last_word(record):
    record.write(running())
    late = Interposed(record.store, "replace", MANIFEST, lambda: record.write(a_manifest()))
    assert RunRecord(late).seal(1, GONE) == a_manifest() == record.read()


def test_a_runner_that_lives_on_is_shut_out_before_its_notebook_is_touched(record):
    record.write(running())
    places = leave_notebook(record.store)
    refused = []

    def runner_goes_on():
        for late in (running(message="going on"), a_manifest()):
            with pytest.raises(StaleAttempt, match=r"given up as lost \(pod_gone\)"):
                record.write(late)
            refused.append(late)
        record.note_image(1, DIGEST)

    sealed = RunRecord(Interposed(record.store, "write", places.notebook, runner_goes_on)).seal(1, GONE)
    assert len(refused) == 2
    assert record.read() == sealed
    assert (sealed.state, sealed.image_digest) == (State.LOST, None)


@pytest.mark.parametrize("moment", ["before the notebook is whole", "before the seal"])
def test_whoever_comes_after_a_killed_sealer_finishes_its_work(record, moment):
    record.write(running())
    places = leave_notebook(record.store)
    verb, key = ("write", places.notebook) if moment == "before the notebook is whole" else ("delete", None)
    key = key or places.journal_slice(0)
    with pytest.raises(Killed):
        RunRecord(Interposed(record.store, verb, key, die)).seal(1, GONE)
    assert not record.read().sealed
    sealed = record.seal(1, OTHER)
    assert (sealed.state, sealed.reason, sealed.sealed) == (State.LOST, Reason.POD_GONE, True)
    assert sealed.cells == CellCounts(total=3, succeeded=1, interrupted=1, not_run=1)
    assert json.loads(record.store.read(places.notebook))["metadata"]["daybook"]["state"] == "lost"


def test_a_sealer_that_is_overtaken_by_another_believes_it(record):
    record.write(running())
    places = leave_notebook(record.store)

    def other_seals():
        record.seal(1, OTHER)
        raise StoreFailed("no answer")

    sealed = RunRecord(Interposed(record.store, "read", places.notebook, other_seals)).seal(1, GONE)
    assert sealed == record.read()
    assert sealed.files.notebook == places.notebook


def test_of_several_sealers_at_once_all_tell_the_same(open_bucket):
    first = record_of(open_bucket(), RUN_ID)
    first.write(running())
    leave_notebook(first.store)
    verdicts = [GONE, OTHER, GONE]
    together = Barrier(len(verdicts))

    def seal(verdict):
        record = record_of(open_bucket(), RUN_ID)
        together.wait()
        return record.seal(1, verdict)

    with ThreadPoolExecutor(len(verdicts)) as pool:
        sealed = set(map(Manifest.to_json, pool.map(seal, verdicts)))
    assert sealed == {first.read().to_json()}
    assert first.read().sealed
    notebook = json.loads(first.store.read("notebook.ipynb"))
    assert notebook["metadata"]["daybook"]["state"] == first.read().state


def test_the_next_attempt_keeps_a_sealed_manifest_as_it_is(record):
    record.write(a_manifest())
    record.write(running(2))
    record.write(running(2, message="on"))
    assert kept(record, 1) == a_manifest()
    assert record.read() == running(2, message="on")


@pytest.mark.parametrize(("first", "by"), [(State.QUEUED, "operator"), (State.RUNNING, "runner")])
def test_the_next_attempt_seals_what_the_last_one_left_open(record, first, by):
    record.write(running())
    places = leave_notebook(record.store)
    record.write(running(2, state=first))
    older = kept(record, 1)
    assert (older.state, older.reason, older.sealed, older.sealed_by) == ("lost", "never_sealed", True, by)
    assert older.message == "attempt 1 is lost: its runner had sealed no manifest when attempt 2 took over"
    assert older.files.notebook == places.notebook
    assert older.cells == CellCounts(total=3, succeeded=1, interrupted=1, not_run=1)
    assert states_in(json.loads(record.store.read(places.notebook))) == ["succeeded", "interrupted", "not_run"]
    assert record.read() == running(2, state=first)


def test_each_attempt_of_three_has_its_manifest(record):
    for manifest in (a_manifest(state=State.FAILED), running(2), running(3)):
        record.write(manifest)
    assert kept(record, 1) == a_manifest(state=State.FAILED)
    assert (kept(record, 2).attempt, kept(record, 2).state) == (2, State.LOST)
    assert record.read() == running(3)


def test_a_take_over_that_was_cut_short_is_taken_up_again(record):
    record.write(running())
    place = AttemptKeys(1).manifest
    for verb, key in (("replace", place), ("replace", MANIFEST)):
        with pytest.raises(Killed):
            RunRecord(Interposed(record.store, verb, key, die)).write(running(2))
    assert record.read().attempt == 1
    record.write(running(2))
    assert record.read() == running(2)
    assert kept(record, 1).state is State.LOST


def test_an_attempt_that_seals_while_the_next_one_takes_over_keeps_its_word(record):
    record.write(running())
    late = Interposed(record.store, "replace", MANIFEST, lambda: record.write(a_manifest()))
    RunRecord(late).write(running(2))
    assert kept(record, 1) == a_manifest()
    assert record.read() == running(2)


def test_a_kept_manifest_is_final_however_many_take_over_at_once(open_bucket):
    first = record_of(open_bucket(), RUN_ID)
    first.write(running())
    leave_notebook(first.store)
    attempts = (2, 3, 4)
    together = Barrier(len(attempts))

    def write(attempt):
        record = record_of(open_bucket(), RUN_ID)
        together.wait()
        try:
            record.write(running(attempt))
        except StaleAttempt:
            return None
        return attempt

    with ThreadPoolExecutor(len(attempts)) as pool:
        written = [attempt for attempt in pool.map(write, attempts) if attempt is not None]
    assert first.read() == running(4)
    for attempt in (1, *(each for each in written if each != 4)):
        manifest = kept(first, attempt)
        assert (manifest.attempt, manifest.state, manifest.sealed) == (attempt, State.LOST, True)


def test_an_images_digest_that_is_noted_of_an_attempt_stays(record):
    record.write(running())
    record.note_image(1, DIGEST)
    record.write(running(message="half way"))
    assert record.read() == running(message="half way", image_digest=DIGEST)
    for _ in range(2):  # the answer to the first seal may have been lost
        record.write(a_manifest())
    assert record.read() == a_manifest(image_digest=DIGEST)
    record.write(running(2))
    assert record.read().image_digest is None


@pytest.mark.parametrize(
    "there",
    [a_manifest(), running(2), running(image_digest="sha256:" + "b" * 64)],
    ids=["sealed", "newer", "known"],
)
def test_an_images_digest_comes_into_no_record_that_it_does_not_belong_to(record, there):
    record.write(there)
    record.note_image(1, DIGEST)
    assert record.read() == there


def test_the_sealer_says_which_image_ran_where_nobody_has(record):
    record.write(running())
    assert record.seal(1, Verdict(State.LOST, Reason.EVICTED, "away", "operator", DIGEST)).image_digest == DIGEST


def test_a_bucket_that_fails_on_the_way_is_told():
    record = record_of(open_store("memory:///"), RUN_ID)
    record.write(running())

    def fail():
        raise StoreFailed("no answer")

    with pytest.raises(StoreFailed, match="no answer"):
        RunRecord(Interposed(record.store, "replace", MANIFEST, fail)).seal(1, GONE)
    assert record.read() == running()
