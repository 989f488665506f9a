"""Makes the notebook ready: checked, its kernel chosen, its parameters put into it as literals."""

from __future__ import annotations

from typing import Any

from daybook.runner.document import Document, language_of, tags_of, to_notebook
from daybook.runner.kernels import KernelSpec

PARAMETERS_TAG = "parameters"
INJECTED_TAG = "injected-parameters"


def language_for(document: Document, kernel: KernelSpec) -> str:
    """The language that parameters are written in, in lower case."""
    return kernel.language or language_of(document) or "python"


def prepare(document: Document, source: str, injected: str | None, kernel: KernelSpec) -> Any:
    """The notebook as it is to be executed.

    Args:
        document: as it was read.
        source: what to call it in a message.
        injected: the cell that sets the parameters; None leaves the notebook as it is.
        kernel: the kernel that will execute it, whose name the notebook then bears.

    Raises:
        InvalidRequest: it cannot be brought to today's format.
    """
    notebook = to_notebook(document, source)
    _drop_marks(notebook)
    if injected is not None:
        _inject(notebook, injected)
    spec = notebook.metadata.get("kernelspec", {})
    if spec.get("name") != kernel.name or not isinstance(spec.get("display_name"), str):
        language = language_for(document, kernel)
        notebook.metadata["kernelspec"] = {"name": kernel.name, "display_name": kernel.name, "language": language}
    return notebook


def _inject(notebook: Any, source: str) -> None:
    """Puts the cell where papermill puts it: in place of an earlier one, after `parameters`, or first of all."""
    from nbformat.v4 import new_code_cell

    cell = new_code_cell(source=source, metadata={"tags": [INJECTED_TAG]})
    injected = _first_tagged(notebook, INJECTED_TAG)
    declared = _first_tagged(notebook, PARAMETERS_TAG)
    if injected is not None:
        notebook.cells[injected] = cell
        # A copy of an injected cell, further down, would put the earlier run's values back.
        notebook.cells = [each for each in notebook.cells if each is cell or INJECTED_TAG not in tags_of(each)]
    else:
        notebook.cells.insert(0 if declared is None else declared + 1, cell)


def _first_tagged(notebook: Any, tag: str) -> int | None:
    found = (index for index, cell in enumerate(notebook.cells) if tag in tags_of(cell))
    return next(found, None)


def _drop_marks(notebook: Any) -> None:
    """Takes out the cells by which papermill marks where an earlier run failed."""
    marked = "papermill-error-cell-tag"
    notebook.cells = [cell for cell in notebook.cells if marked not in tags_of(cell)]
