"""The executed notebook as one HTML page that loads nothing from elsewhere."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from typing import Any

# The lab page without require.js, MathJax, Mermaid and the widgets' loader, all of which come from other hosts.
_PAGE = """\
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
"""
_HIDDEN = {
    "remove_cell_tags": {"remove-cell"},
    "remove_input_tags": {"remove-input", "hide-input"},
    "remove_all_outputs_tags": {"remove-output", "hide-output"},
}


class HtmlPage:
    """Renders one notebook in a thread of its own.

    nbconvert is loaded while the kernel boots, for it takes as long, and the page is rendered while the kernel ends.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._notebook: Any = None
        self._done = threading.Event()
        self._page: bytes | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="html", daemon=True)
        self._thread.start()

    def begin(self, notebook: Any) -> None:
        """The notebook is done, and changes no more in what a page shows; the first call counts."""
        if not self._done.is_set():
            self._notebook = notebook
            self._done.set()

    def finish(self, notebook: Any) -> bytes:
        """The page, of the notebook that `begin` was given, else of this one.

        Raises:
            Exception: whatever nbconvert stumbles over; the caller decides what a page is worth.
        """
        self.begin(notebook)
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._page or b""

    def _work(self) -> None:
        try:
            exporter = _exporter()
            self._done.wait()
            self._page = _rendered(exporter, self._notebook, self._title)
        except Exception as error:  # noqa: BLE001 - it is raised where the page is wanted
            self._error = error


def _exporter() -> Any:
    from nbconvert.exporters.html import HTMLExporter
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
    from traitlets.config import Config

    config = Config({"TagRemovePreprocessor": {"enabled": True, **_HIDDEN}})
    exporter = HTMLExporter(config=config, raw_template=_PAGE)
    # Rendering something now compiles the templates while the kernel still boots.
    exporter.from_notebook_node(new_notebook(cells=[new_code_cell("1"), new_markdown_cell("a")]))
    return exporter


def _rendered(exporter: Any, notebook: Any, title: str) -> bytes:
    resources: Mapping[str, Any] = {"metadata": {"name": title}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on alternative texts of images, which nobody here can add
        page, _ = exporter.from_notebook_node(notebook, resources=dict(resources))
    return str(page).encode("utf-8", "backslashreplace")
