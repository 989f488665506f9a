"""How often a running notebook is saved, and in what form: the parts of it that a clock decides."""

import json
import threading
import time
from copy import copy

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from builders import a_manifest
from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import State
from daybook.runner import flushing
from daybook.runner import recorder as recorders
from daybook.runner.changes import Changes
from daybook.runner.flushing import Flusher
from daybook.runner.journal import Journal
from daybook.runner.recorder import Recorder
from daybook.storage import RunRecord, open_store
from daybook.storage.journal import current


class Saved:
    """Counts what a flusher saves of a notebook."""

    def __init__(self, notebook):
        self.notebook = notebook
        self.copies = 0
        self.followed = 0

    def copy(self, _):
        self.copies += 1
        return self.size()

    def size(self):
        return len(json.dumps(self.notebook))

    def follow(self, end):
        self.followed = end


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(flushing.time, "monotonic", lambda: now[0])
    return now


def a_flusher(tmp_path, journal=True):
    notebook = new_notebook(cells=[new_code_cell()])
    changes, saved = Changes(notebook), Saved(notebook)
    kept = Journal(tmp_path / "journal.jsonl") if journal else None
    return Flusher(changes, kept, saved, lambda: None, print), notebook.cells[0], changes, saved, kept


def test_a_plot_that_replaces_itself_is_saved_less_and_less_often(tmp_path, clock):
    flusher, cell, changes, _, journal = a_flusher(tmp_path)
    flushes = []
    began = clock[0]
    plot = new_output("display_data", data={"image/png": "x" * 2_000_000})  # to make one takes ten milliseconds
    while clock[0] - began < 3600:
        cell.outputs = [copy(plot)]
        changes.note(0, 0)
        if clock[0] >= flusher._due_at:
            flusher.flush()
            flushes.append(clock[0])
        clock[0] += 1.0
    # A slice each two seconds would be 3.6 GB in an hour.
    assert journal.size < 200_000_000
    assert flushes[-1] - flushes[-2] > 60


def test_a_notebook_that_grows_is_saved_at_the_same_pace_all_along(tmp_path, clock):
    flusher, cell, changes, saved, journal = a_flusher(tmp_path)
    for _ in range(300):
        cell.outputs.append(new_output("stream", text="x" * 100_000))
        changes.note(0, len(cell.outputs) - 1)
        flusher.flush()
        assert flusher._due_at - clock[0] < flushing.FLUSH_SECONDS
        clock[0] += 2.0
    final = saved.size()
    assert saved.followed == journal.size
    assert flusher._written + final <= 3 * final + flushing.SPARE_BYTES


def test_a_copy_that_came_too_soon_is_made_later_although_nothing_more_is_printed(tmp_path, clock):
    flusher, cell, changes, saved, journal = a_flusher(tmp_path)
    flusher.flush()
    flusher._copy_at = clock[0] + 10  # as after a copy that took a second
    cell.outputs.append(new_output("stream", text="the last that is printed for hours"))
    changes.note(0, 0)
    flusher.flush()
    assert (saved.copies, saved.followed) == (1, journal.size)

    followed = journal.size
    clock[0] += 5
    assert not flusher._is_due(clock[0])
    clock[0] += 5
    assert flusher._is_due(clock[0])
    flusher.flush()
    assert (saved.copies, journal.size) == (2, followed)
    assert not flusher._is_due(clock[0] + 100)


def test_without_a_journal_what_was_not_copied_yet_is_not_forgotten(tmp_path, clock):
    flusher, cell, changes, saved, _ = a_flusher(tmp_path, journal=False)
    cell.outputs.append(new_output("stream", text="x" * 2_000_000))
    changes.note(0, 0)
    flusher.flush()
    cell.outputs.append(new_output("stream", text="last words"))
    changes.note(0, 1)
    clock[0] += 2.0
    flusher.flush()
    assert saved.copies == 1
    assert flusher._unsaved
    clock[0] += 10.0
    flusher.flush()
    assert saved.copies == 2
    assert not flusher._unsaved


def test_many_small_slices_become_one_and_the_notebook_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(recorders, "MANY_SLICES", 5)
    keys = AttemptKeys(1)
    store = open_store("memory:///")
    notebook = new_notebook(cells=[new_code_cell()])
    notebook.metadata["daybook"] = {"journal": 0}
    changes, journal = Changes(notebook), Journal(tmp_path / "journal.jsonl")
    first = json.dumps(notebook).encode()
    with Recorder(RunRecord(store), keys, journal, print, lambda: None) as recorder:
        going_on = a_manifest(state=State.RUNNING, sealed=False, sealed_by=None, exit_code=None)
        recorder.begin(lambda: going_on, 0)
        recorder.save(first, 0)
        for number in range(23):
            text = f"line {number}\n"
            if notebook.cells[0].outputs:
                changes.note(0, 0, len(notebook.cells[0].outputs[0].text))
                notebook.cells[0].outputs[0].text += text
            else:
                changes.note(0, 0)
                notebook.cells[0].outputs = [new_output("stream", text=text)]
            journal.append(changes.take())
            recorder.follow(journal.size)
            wait_until(lambda: recorder._recorded == journal.size)
    assert len(list(store.objects(keys.journal))) <= 6
    assert current(store, keys)["cells"][0]["outputs"][0]["text"] == "".join(f"line {n}\n" for n in range(23))


def wait_until(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)
