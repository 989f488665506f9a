"""The journal: whatever happens to a notebook, its deltas make the same of an older copy."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook, new_output

from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import Reason, State
from daybook.runner.changes import Changes
from daybook.runner.journal import Journal
from daybook.storage import open_store
from daybook.storage.journal import apply, current, fold

ENDED = {"state": State.LOST, "reason": Reason.POD_GONE, "message": "the pod is gone"}
TEXTS = st.text(alphabet="aß\n\ud800", min_size=1, max_size=4)


def a_notebook(cells=2):
    return new_notebook(cells=[new_code_cell(source=str(number)) for number in range(cells)])


def print_to(cell, index, text, changes):
    """As the runner does: a text goes on in the last output, or begins a new one."""
    if cell.outputs and cell.outputs[-1].output_type == "stream":
        changes.note(index, len(cell.outputs) - 1, len(cell.outputs[-1].text))
        cell.outputs[-1].text += text
    else:
        changes.note(index, len(cell.outputs))
        cell.outputs.append(new_output("stream", text=text))


def show(cell, index, text, changes):
    changes.note(index, len(cell.outputs))
    cell.outputs.append(new_output("display_data", data={"text/plain": text}))


def replace(cell, index, text, changes):
    shown = [at for at, output in enumerate(cell.outputs) if output.output_type == "display_data"]
    if shown:
        changes.note(index, shown[0])
        cell.outputs[shown[0]].data = {"text/plain": text}


def clear(cell, index, _, changes):
    changes.note(index, 0)
    cell.outputs[:] = []


def mark(cell, index, text, changes):
    changes.note(index, len(cell.outputs))
    cell.metadata["daybook"] = {"state": text}
    cell.execution_count = len(text)


STEPS = st.tuples(st.sampled_from([print_to, show, replace, clear, mark]), st.integers(0, 1), TEXTS, st.booleans())


@given(st.lists(STEPS, max_size=30))
def test_deltas_make_of_a_copy_what_has_become_of_the_notebook(steps):
    notebook = a_notebook()
    older = json.loads(json.dumps(notebook))
    changes = Changes(notebook)
    for step, index, text, flush in steps:
        step(notebook.cells[index], index, text, changes)
        if flush:
            apply(older, json.loads(json.dumps(changes.take())))
    apply(older, json.loads(json.dumps(changes.take())))
    assert older == notebook
    assert not changes


def test_of_a_text_that_grows_only_what_is_new_is_in_the_delta():
    notebook = a_notebook(1)
    changes = Changes(notebook)
    print_to(notebook.cells[0], 0, "x" * 1000, changes)
    changes.take()
    print_to(notebook.cells[0], 0, "new", changes)
    delta = changes.take()
    assert delta["cells"]["0"]["outputs"][0]["text"] == "new"


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "bucket"))


def left_behind(store, tmp_path, keys):
    """A copy, and two slices of which the copy holds the first."""
    notebook = a_notebook()
    journal, changes = Journal(tmp_path / "journal.jsonl"), Changes(notebook)
    print_to(notebook.cells[0], 0, "first ", changes)
    journal.append(changes.take())
    held = journal.size
    notebook.metadata["daybook"] = {"state": "running", "journal": held}
    store.write(keys.notebook, json.dumps(notebook).encode())
    print_to(notebook.cells[0], 0, "second", changes)
    mark(notebook.cells[1], 1, "running", changes)
    journal.append(changes.take())
    store.write(keys.journal_slice(0), journal.read(0, held))
    store.write(keys.journal_slice(held), journal.read(held, journal.size))
    return notebook


@pytest.mark.parametrize("attempt", [1, 2])
def test_folding_makes_the_notebook_whole_and_takes_the_journal_away(store, tmp_path, attempt):
    keys = AttemptKeys(attempt)
    left_behind(store, tmp_path, keys)
    assert fold(store, keys, **ENDED) == keys.notebook
    folded = json.loads(store.read(keys.notebook))
    assert folded["cells"][0]["outputs"][0]["text"] == "first second"
    assert folded["cells"][1]["metadata"]["daybook"]["state"] == "interrupted"
    assert folded["metadata"]["daybook"] == {"state": "lost", "reason": "pod_gone", "message": "the pod is gone"}
    assert [info.key for info in store.objects()] == [keys.notebook]


def test_folding_twice_changes_nothing(store, tmp_path):
    keys = AttemptKeys(1)
    left_behind(store, tmp_path, keys)
    fold(store, keys, **ENDED)
    once = store.read(keys.notebook)
    fold(store, keys, **ENDED)
    assert store.read(keys.notebook) == once


def test_a_slice_that_was_cut_off_counts_as_far_as_it_is_whole(store, tmp_path):
    keys = AttemptKeys(1)
    left_behind(store, tmp_path, keys)
    last = max(info.key for info in store.objects(keys.journal))
    store.write(last, store.read(last) + b'{"cells": {"0": {"metadata"')
    assert current(store, keys)["cells"][0]["outputs"][0]["text"] == "first second"


def test_where_no_copy_was_left_there_is_nothing_to_fold(store):
    assert fold(store, AttemptKeys(1), **ENDED) is None


def test_a_final_notebook_needs_no_journal(store, tmp_path):
    keys = AttemptKeys(1)
    left_behind(store, tmp_path, keys)
    final = a_notebook()
    final.metadata["daybook"] = {"state": "succeeded"}
    store.write(keys.notebook, json.dumps(final).encode())
    assert current(store, keys) == json.loads(json.dumps(final))


def test_a_disk_that_is_full_breaks_the_journal_and_what_it_holds_stays_whole(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"cells": {}})
    size = journal.size
    (tmp_path / "full").write_text("in the folder's place")
    full = Journal(tmp_path / "full" / "journal.jsonl")
    full.append({"cells": {}})
    assert full.broken
    assert full.size == 0
    assert journal.read(0, size) == b'{"cells":{}}\n'
