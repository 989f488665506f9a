"""One one-cell notebook, whole process, cold: `daybook execute` beside `jupyter execute` and papermill."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from measure import CHECKOUT, in_turns, keep, medians, seconds, table

BIN = CHECKOUT / ".venv-notebook" / "bin"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def one_cell(folder: Path) -> Path:
    """A notebook that prints one line."""
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": "print(1)",
    }
    path = folder / "one_cell.ipynb"
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": KERNEL}, "cells": [cell]}
    path.write_text(json.dumps(document))
    return path


def main() -> None:
    """Measures, prints, keeps."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        notebook = one_cell(folder)
        turn = iter(range(1000))

        def run(*command: str, **variables: str) -> float:
            environment = {**os.environ, **variables}
            return seconds(
                lambda: subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
            )

        def as_a_pod() -> float:
            number = next(turn)
            request = {
                "run_id": f"20130101T000000Z-one-cell-{number:010x}",
                "notebook": {"id": "one_cell", "source": str(notebook)},
                "output": str(folder / f"run-{number}"),
            }
            return run(str(BIN / "daybook"), "execute", DAYBOOK_REQUEST=json.dumps(request))

        found = in_turns(
            {
                "jupyter execute": lambda: run(
                    str(BIN / "jupyter"), "execute", str(notebook), "--output", str(folder / "out")
                ),
                "papermill": lambda: run(str(BIN / "papermill"), str(notebook), str(folder / "papermill.ipynb")),
                "daybook execute, as a pod runs it": as_a_pod,
                "daybook execute NOTEBOOK --output FOLDER": lambda: run(
                    str(BIN / "daybook"), "execute", str(notebook), "--output", str(folder / f"run-{next(turn)}")
                ),
            }
        )
    figures = medians(found)
    table("One one-cell notebook, whole process, median of five", "s", figures, "jupyter execute")
    keep("execute", {"unit": "s", "all": found, "medians": figures})


if __name__ == "__main__":
    main()
