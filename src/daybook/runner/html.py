"""The executed notebook as one HTML page that loads nothing from elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The lab page without require.js, MathJax, Mermaid and the widgets' loader, all of which come from other hosts; and
# with what nbconvert adds to images for people who cannot see them, which takes it a second reading of the whole page.
_IMAGE = """{{ super() | replace('<img src', '<img alt="Image that this cell shows" src', 1) }}"""
_PAGE = f"""\
{{%- extends 'lab/index.html.j2' -%}}
{{%- block html_head_js -%}}{{%- endblock -%}}
{{%- block html_head_js_mathjax -%}}{{%- endblock -%}}
{{%- block html_head_js_mermaidjs -%}}{{%- endblock -%}}
{{%- block jupyter_widgets -%}}{{%- endblock -%}}
{{%- block data_png scoped -%}}{_IMAGE}{{%- endblock -%}}
{{%- block data_jpg scoped -%}}{_IMAGE}{{%- endblock -%}}
"""
_HIDDEN = {
    "remove_cell_tags": {"remove-cell"},
    "remove_input_tags": {"remove-input", "hide-input"},
    "remove_all_outputs_tags": {"remove-output", "hide-output"},
}


class HtmlPage:
    """Renders one notebook into a file, in a thread of its own.

    nbconvert is loaded while the kernel boots, for it takes as long, and the page is rendered while the kernel ends.
    """

    def __init__(self, title: str, path: Path) -> None:
        self.path = path
        self._title = title
        self._notebook: Any = None
        self._done = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="html", daemon=True)
        self._thread.start()

    def begin(self, notebook: Any) -> None:
        """The notebook is done, and changes no more in what a page shows; the first call counts."""
        if not self._done.is_set():
            self._notebook = notebook
            self._done.set()

    def finish(self, notebook: Any) -> Path:
        """The page's file, of the notebook that `begin` was given, else of this one.

        Raises:
            Exception: whatever nbconvert stumbles over, or the disk's; the caller decides what a page is worth.
        """
        self.begin(notebook)
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self.path

    def _work(self) -> None:
        try:
            exporter = _exporter()
            self._done.wait()
            with self.path.open("w", encoding="utf-8", errors="backslashreplace") as file:
                for part in _rendered(exporter, self._notebook, self._title):
                    file.write(part)
        except Exception as error:  # noqa: BLE001 - it is raised where the page is wanted
            self._error = error


def _exporter() -> Any:
    from nbconvert.exporters.html import HTMLExporter
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
    from traitlets.config import Config

    config = Config({"TagRemovePreprocessor": {"enabled": True, **_HIDDEN}})
    exporter = HTMLExporter(config=config, raw_template=_PAGE)
    # Rendering something now compiles the templates while the kernel still boots.
    for _ in _rendered(exporter, new_notebook(cells=[new_code_cell("1"), new_markdown_cell("a")]), ""):
        pass
    return exporter


def _rendered(exporter: Any, notebook: Any, title: str) -> Iterator[str]:
    """The page in parts.

    What `HTMLExporter.from_notebook_node` does, but for its last step: that reads the whole page again, which takes
    longer than to make it, and holds it several times.
    """
    from nbconvert.exporters.exporter import Exporter
    from nbconvert.filters.highlight import Highlight2HTML
    from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter

    language = notebook.metadata.get("language_info", {})
    lexer = language.get("pygments_lexer", language.get("name"))
    resources = exporter._init_resources({"metadata": {"name": title}})
    shown, resources = Exporter.from_notebook_node(exporter, notebook, resources)
    exporter.register_filter("highlight_code", Highlight2HTML(pygments_lexer=lexer, parent=exporter))
    widgets = WidgetsDataTypeFilter(notebook_metadata=shown.metadata, parent=exporter, resources=resources)
    exporter.register_filter("filter_data_type", widgets)
    content = ("code", "markdown", "raw", "unknown", "input", "output", "output_stdin", "input_prompt", "output_prompt")
    resources["global_content_filter"] = {**{f"include_{each}": True for each in content}, "no_prompt": False}
    resources["raw_mimetypes"] = exporter.raw_mimetypes
    resources["output_mimetype"] = exporter.output_mimetype
    yield from exporter.template.generate(nb=shown, resources=resources)
