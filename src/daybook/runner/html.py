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
    """Renders notebooks. Made in a thread of its own, since loading nbconvert takes as long as a kernel's start."""

    def __init__(self) -> None:
        self._exporter: Any = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._load, name="html", daemon=True)
        self._thread.start()

    def render(self, notebook: Any, title: str) -> bytes:
        """The page.

        Raises:
            Exception: whatever nbconvert stumbles over; the caller decides what a page is worth.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        resources: Mapping[str, Any] = {"metadata": {"name": title}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on alternative texts of images, which nobody here can add
            page, _ = self._exporter.from_notebook_node(notebook, resources=dict(resources))
        return str(page).encode("utf-8", "backslashreplace")

    def _load(self) -> None:
        try:
            from nbconvert.exporters.html import HTMLExporter
            from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
            from traitlets.config import Config

            config = Config({"TagRemovePreprocessor": {"enabled": True, **_HIDDEN}})
            exporter = HTMLExporter(config=config, raw_template=_PAGE, embed_images=False)
            # Rendering something now compiles the templates while the kernel still boots.
            exporter.from_notebook_node(new_notebook(cells=[new_code_cell("1"), new_markdown_cell("a")]))
            self._exporter = exporter
        except Exception as error:  # noqa: BLE001 - it is raised where the page is wanted
            self._error = error
