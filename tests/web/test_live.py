"""What is seen of a run that goes on, and at what cost."""

import json
import threading
from contextlib import ExitStack

import pytest
from anyio import to_thread

from builders import RUN_ID, a_manifest, a_notebook_json
from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import CellCounts, Files, State
from daybook.storage import journal, open_store, record_of
from daybook.web.live import notebook as notebooks
from daybook.web.live.model import Progress
from daybook.web.live.notebook import NotebookView
from daybook.web.live.watching import THREADS_OF_WORKSPACE, Watchers

KEYS = AttemptKeys(1)


@pytest.fixture(params=["memory", "folder"])
def record(request, tmp_path):
    return record_of(open_store("memory:///" if request.param == "memory" else str(tmp_path)), RUN_ID)


def running(current, **changes):
    cells = CellCounts(total=3, succeeded=current, current=current)
    files = Files(notebook=KEYS.notebook)
    return a_manifest(**{"state": State.RUNNING, "sealed": False, "cells": cells, "files": files, **changes})


def flushed(record, *outputs, sources=("a = 1", "print(2)", "3")):
    """Puts a copy of the notebook on its way into the bucket, the second cell with outputs."""
    document = json.loads(a_notebook_json(sources))
    document["metadata"][journal.METADATA] = {journal.HELD: 0}
    document["cells"][1]["outputs"] = list(outputs)
    record.store.write(KEYS.notebook, json.dumps(document).encode())


def printed(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def cell_seen(record, manifest):
    view = NotebookView(record)
    view.look(manifest)
    return view.running_cell(manifest)


def test_the_running_cell_is_shown_with_what_it_printed_last(record):
    flushed(record, printed("one\n"), printed(["two\n", "three"], "stderr"))
    cell = cell_seen(record, running(1))
    assert (cell.index, cell.source, cell.printed) == (1, "print(2)", "one\ntwo\nthree")


def test_what_came_by_the_journal_is_shown_too(record):
    flushed(record)
    delta = {"cells": {"1": {"metadata": {}, "execution_count": 1, "from": 0, "outputs": [printed("later\n")]}}}
    record.store.write(KEYS.journal_slice(0), json.dumps(delta).encode() + b"\n")
    assert cell_seen(record, running(1)).printed == "later"


def test_only_the_last_lines_are_shown_and_of_progress_bars_the_newest(record):
    flushed(record, printed("".join(f"{n}\n" for n in range(100)) + "10 %\r50 %\r\x1b[32m90 %\x1b[0m"))
    lines = cell_seen(record, running(1)).printed.split("\n")
    assert lines == [*map(str, range(80, 100)), "90 %"]


def test_a_notebook_that_has_not_changed_is_not_read_again(record, monkeypatch):
    flushed(record)
    view = NotebookView(record)
    view.look(running(1))
    monkeypatch.setattr(journal, "current", lambda *_: pytest.fail("read again"))
    view.look(running(2))
    assert view.running_cell(running(2)).source == "3"


def test_a_notebook_that_has_become_large_is_not_read_but_its_cells_are_still_known(record, monkeypatch):
    flushed(record, printed("small"))
    view = NotebookView(record)
    view.look(running(1))
    monkeypatch.setattr(notebooks, "MAX_BYTES", 1000)
    flushed(record, printed("x" * 2000))
    view.look(running(1))
    cell = view.running_cell(running(1))
    assert (cell.source, cell.printed) == ("print(2)", "")


def test_a_later_attempt_has_cells_of_its_own(record):
    flushed(record)
    view = NotebookView(record)
    view.look(running(1))
    later = running(1, attempt=2, files=Files())
    view.look(later)
    assert view.running_cell(later).source is None


@pytest.mark.parametrize(
    "cells", [[None], [{"source": 5, "outputs": "x"}], [{"outputs": [None, {"output_type": "stream"}]}], "x", None]
)
def test_whatever_lies_in_the_notebooks_place_is_borne(record, cells):
    record.store.write(KEYS.notebook, json.dumps({"cells": cells}).encode())
    assert cell_seen(record, running(0)).printed == ""


def test_half_a_surrogate_pair_is_shown_as_a_question_mark(record):
    flushed(record, printed("\ud800"), sources=("", "'\ud800'", ""))
    cell = cell_seen(record, running(1))
    assert (cell.source, cell.printed) == ("'?'", "?")
    assert cell.model_dump_json()


def test_the_store_tells_that_nothing_is_new(record):
    record.write(running(1))
    found, tag = record.read_newer(None)
    assert found == running(1)
    assert record.read_newer(tag) is None
    record.write(running(2))
    assert record.read_newer(tag)[0] == running(2)
    record.store.delete("manifest.json")
    assert record.read_newer(tag) == (None, None)


@pytest.mark.anyio
async def test_a_bucket_that_does_not_answer_holds_up_no_other_workspace():
    stuck, open_again = threading.Event(), threading.Event()

    def hang():
        stuck.set()
        open_again.wait()
        return Progress(run_id="slow", workspace="slow", state=State.RUNNING)

    def progress():
        return Progress(run_id="quick", workspace="quick", state=State.RUNNING, sealed=True)

    watchers, blank = Watchers(), Progress(run_id="x", workspace="x", state=State.QUEUED)
    try:
        with ExitStack() as stack:
            for number in range(THREADS_OF_WORKSPACE + 1):
                stack.enter_context(watchers.watching("slow", f"run {number}", "alice", lambda: hang, blank))
            await to_thread.run_sync(stuck.wait)
            with watchers.watching("quick", "run", "alice", lambda: progress, blank) as watcher:
                assert (await watcher.next(0, timeout=60)).is_last
    finally:
        open_again.set()
