"""The journal of an attempt: what its notebook gained since the last whole copy of it, while it runs.

A whole copy of the notebook is written seldom, for that is as much as all its output; what came since then follows in
slices of a journal. Whoever seals an attempt that could not do so itself folds the slices into the copy. A slice is
made of lines; each is one delta, a JSON object:

    {"cells": {"3": {"metadata": {…}, "execution_count": 2, "from": 1, "text_from": 80, "outputs": […]}}}

of the cell with index 3, the outputs from the one with index 1 on are these; where `text_from` is a number, the text
of the first of them goes on after that many characters of what is there. The copy says in its own metadata how many
bytes of the journal it holds already; a slice is named by the byte of the journal that it begins with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from daybook.contract.errors import StoreFailed
from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import CellState, Reason, State
from daybook.storage.mapping import ObjectMissing
from daybook.storage.store import ObjectInfo, Store

METADATA = "daybook"
"""The key of a notebook's and a cell's metadata that is ours."""
HELD = "journal"
"""In the metadata of a copy on the way: how many bytes of the journal it holds."""
MEDIA_TYPE = "application/jsonl"
MAX_BYTES = 512 * 1024 * 1024
"""Of a copy with its journal: a larger one does not fit into the memory of whoever would make it whole."""
_TRIES = 5


def apply(notebook: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Brings a notebook up to date by one delta.

    Raises:
        ValueError: the delta does not belong to this notebook.
    """
    try:
        for index, change in delta["cells"].items():
            cell = notebook["cells"][int(index)]
            cell["metadata"] = change["metadata"]
            cell["execution_count"] = change["execution_count"]
            outputs = list(change["outputs"])
            begin = change["from"]
            if outputs and change.get("text_from") is not None:
                before = _text(cell["outputs"][begin]["text"])[: change["text_from"]]
                outputs[0] = {**outputs[0], "text": before + _text(outputs[0]["text"])}
            cell["outputs"] = cell["outputs"][:begin] + outputs
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"a delta of the journal does not belong to this notebook: {error!r}") from error


def replay(notebook: dict[str, Any], lines: Iterable[bytes]) -> None:
    """Brings a notebook up to date by lines of the journal, as far as they are whole.

    Raises:
        ValueError: a delta does not belong to this notebook.
    """
    for line in lines:
        try:
            delta = json.loads(line)
        except ValueError:
            return  # the last line of a journal whose writer was killed while it wrote
        apply(notebook, delta)


def current(store: Store, keys: AttemptKeys) -> dict[str, Any] | None:
    """An attempt's notebook as of its last flush; None where the bucket has none yet.

    Args:
        store: rooted at the run's prefix.
        keys: of the attempt.

    Raises:
        StoreFailed: the bucket does not answer, or what it holds is no notebook.
    """
    for _ in range(_TRIES):
        try:
            if sum(each.size for each in pieces(store, keys)) > MAX_BYTES:
                raise StoreFailed(f"{store.url_of(keys.notebook)} with its journal is larger than {MAX_BYTES} bytes")
            notebook = json.loads(store.read(keys.notebook, MAX_BYTES))
        except ObjectMissing:
            return None
        except (ValueError, RecursionError) as error:
            raise StoreFailed(f"{store.url_of(keys.notebook)} is no notebook: {error}") from error
        if not isinstance(notebook, dict):
            raise StoreFailed(f"{store.url_of(keys.notebook)} is no notebook: it holds no object")
        try:
            _bring_up_to_date(notebook, store, keys)
        except ObjectMissing:
            continue  # the runner has made one slice of several meanwhile
        except (ValueError, RecursionError) as error:
            raise StoreFailed(f"{store.url_of(keys.notebook)} cannot be brought up to date: {error}") from error
        return dict(notebook)
    raise StoreFailed(f"{store.url_of(keys.notebook)} cannot be brought up to date: its journal keeps changing")


def pieces(store: Store, keys: AttemptKeys) -> list[ObjectInfo]:
    """The copy of an attempt's notebook and the slices of its journal, as the bucket lists them.

    Raises:
        ObjectMissing: there is no copy yet.
    """
    return [store.info(keys.notebook), *sorted(store.objects(keys.journal), key=lambda each: each.key)]


def _bring_up_to_date(notebook: Any, store: Store, keys: AttemptKeys) -> None:
    known = _held(notebook)
    for begin, place in _slices(store, keys):
        data = store.read(place, MAX_BYTES)
        # Slices may begin with what the copy, or a longer slice, holds already; all of them end where a line does.
        replay(notebook, data[max(0, known - begin) :].splitlines())
        known = max(known, begin + len(data))


def fold(store: Store, keys: AttemptKeys, *, state: State, reason: Reason, message: str) -> str | None:
    """Makes the notebook of an attempt whole that its runner could not finish; its journal goes.

    Notebook and cells then say what the manifest will: the cell that was running was interrupted. Doing it twice is
    fine.

    Args:
        store: rooted at the run's prefix.
        keys: of the attempt.
        state: with which the attempt is being sealed.
        reason: likewise.
        message: likewise.

    Returns:
        The notebook's key; None where the attempt left none.

    Raises:
        StoreFailed: the bucket does not answer, or what it holds is no notebook; the journal stays then.
    """
    notebook = current(store, keys)
    if notebook is None:
        return None
    _close(notebook, {"state": state.value, "reason": reason.value, "message": message})
    data = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    store.write(keys.notebook, data.encode("utf-8", "backslashreplace"), "application/x-ipynb+json")
    for _, place in _slices(store, keys):
        store.delete(place)
    return keys.notebook


def _close(notebook: dict[str, Any], said: Mapping[str, str]) -> None:
    metadata = notebook.setdefault("metadata", {})
    kept = {name: value for name, value in (metadata.get(METADATA) or {}).items() if name != HELD}
    metadata[METADATA] = {**kept, **said}
    for cell in notebook["cells"]:
        mark = cell["metadata"].get(METADATA) or {}
        if mark.get("state") == CellState.RUNNING:
            cell["metadata"][METADATA] = {**mark, "state": CellState.INTERRUPTED.value}
            cell["metadata"].setdefault("papermill", {}).update(status="failed", exception=True)


def _held(notebook: Any) -> int:
    """How much of the journal a copy holds; one without our mark is final and needs none of it."""
    try:
        return int(notebook["metadata"][METADATA][HELD])
    except (LookupError, TypeError):
        return 2**63


def _slices(store: Store, keys: AttemptKeys) -> list[tuple[int, str]]:
    """The slices in their order, each with the byte of the journal that it begins with."""
    found = sorted(info.key for info in store.objects(keys.journal))
    return [(int(key.rsplit("/", 1)[-1].partition(".")[0]), key) for key in found]


def _text(text: Any) -> str:
    return "".join(text) if isinstance(text, list) else str(text)
