"""Plain papermill beside Daybook: what it makes of the same notebooks, measured in a process of its own.

Papermill runs where these tests run, with an engine and defaults of its own; nothing of it is changed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PASSES = "passes"
"""It reports success, though the notebook was not executed to its end."""
COMPLETED = "completed"
"""Cells that failed, or never ran, bear the status `completed` in its notebook."""
UNMARKED = "unmarked"
"""The cell that ended the run does not bear the status `failed` in its notebook."""
LOSES = "loses"
"""Its notebook lacks what a cell had printed before the end."""
FAILS = "fails"
"""It gives up on a notebook that is in order."""

_SECONDS = 240


class Papermill:
    """Runs notebooks one after another in the background; `result` waits for all of them."""

    def __init__(self, folder: Path, notebooks: dict[str, tuple[Any, dict[str, Any]]]) -> None:
        """Starts at once.

        Args:
            folder: an empty one.
            notebooks: by name, each with the options for `papermill.execute_notebook`.
        """
        self._folder = folder
        for name, (document, options) in notebooks.items():
            (folder / f"{name}.ipynb").write_text(json.dumps(document))
            (folder / f"{name}.json").write_text(json.dumps(options))
        variables = {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(folder), *notebooks],
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def result(self, name: str) -> tuple[str | None, dict[str, Any] | None]:
        """The error that it raised, if any, and the notebook that it left, if any."""
        self._process.wait(_SECONDS)
        told = self._folder / f"{name}.told"
        left = self._folder / f"{name}.out.ipynb"
        error = json.loads(told.read_text())
        return error, json.loads(left.read_text()) if left.exists() else None

    def end(self) -> None:
        """Ends it, where it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def faults(
    error: str | None, notebook: dict[str, Any] | None, states: list[str], printed: tuple[str, ...] = ()
) -> set[str]:
    """What is wrong with what papermill made of a notebook.

    Args:
        error: that it raised.
        notebook: that it left.
        states: what became of the notebook's code cells in truth, in our words.
        printed: what its cells showed.
    """
    ended_well = all(state in ("succeeded", "skipped") for state in states)
    found = set()
    if ended_well == (error is not None):
        found.add(FAILS if ended_well else PASSES)
    cells = [cell for cell in (notebook or {}).get("cells", ()) if cell["cell_type"] == "code"]
    statuses = [cell["metadata"]["papermill"]["status"] for cell in cells]
    pairs = list(zip(states, statuses, strict=True)) if notebook else []
    if any(state in ("failed", "interrupted", "not_run") and status == "completed" for state, status in pairs):
        found.add(COMPLETED)
    if any(state == "failed" and status != "failed" for state, status in pairs):
        found.add(UNMARKED)
    shown = json.dumps([cell["outputs"] for cell in cells])
    if not all(json.dumps(text)[1:-1] in shown for text in printed):
        found.add(LOSES)
    return found


def _main(folder: Path, names: list[str]) -> None:
    import papermill

    for name in names:
        error = None
        try:
            options = json.loads((folder / f"{name}.json").read_text())
            given, left = folder / f"{name}.ipynb", folder / f"{name}.out.ipynb"
            papermill.execute_notebook(str(given), str(left), progress_bar=False, **options)
        except Exception as raised:
            error = repr(raised)[:300]
        (folder / f"{name}.told").write_text(json.dumps(error))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])
