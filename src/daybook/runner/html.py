"""The executed notebook as one HTML page that loads nothing from elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

# The lab page without require.js, MathJax, Mermaid and the widgets' loader, all of which come from other hosts; and
# with what nbconvert adds to images for people who cannot see them, which takes it a second reading of the whole page.
# Code is shown as the highlighter wrote it: it escapes whatever it finds, and to clean that again took half the time.
_IMAGE = """{{ super() | replace('<img src', '<img alt="Image that this cell shows" src', 1) }}"""
_BEGIN = """\
{%- if TAG in cell.metadata.get('tags', ()) -%}
<details><summary style="cursor: pointer; margin: 4px 0 4px 80px">Show WHAT</summary>
{%- endif -%}"""
_END = """{%- if TAG in cell.metadata.get('tags', ()) -%}</details>{%- endif -%}"""


def _folded(block: str, tag: str, what: str) -> str:
    begin, end = (part.replace("TAG", repr(tag)).replace("WHAT", what) for part in (_BEGIN, _END))
    return f"{{%- block {block} -%}}{begin}{{{{ super() }}}}{end}{{%- endblock -%}}"


_PAGE = f"""\
{{%- extends 'lab/index.html.j2' -%}}
{{%- block html_head_js -%}}{{%- endblock -%}}
{{%- block html_head_js_mathjax -%}}{{%- endblock -%}}
{{%- block html_head_js_mermaidjs -%}}{{%- endblock -%}}
{{%- block jupyter_widgets -%}}{{%- endblock -%}}
{{%- block input -%}}
<div class="jp-CodeMirrorEditor jp-Editor jp-InputArea-editor" data-type="inline"><div class="cm-editor cm-s-jupyter">
{{{{ cell.source | highlight_code(metadata=cell.metadata) }}}}
</div></div>
{{%- endblock -%}}
{{%- block data_png scoped -%}}{_IMAGE}{{%- endblock -%}}
{{%- block data_jpg scoped -%}}{_IMAGE}{{%- endblock -%}}
{_folded("any_cell scoped", "hide-cell", "cell")}
{_folded("input_group", "hide-input", "code")}
{_folded("output_group", "hide-output", "output")}
"""
_SMALL = {
    "metadata": {},
    "cells": [
        {"cell_type": "code", "id": "a", "metadata": {}, "source": "1", "outputs": [], "execution_count": None},
        {"cell_type": "markdown", "id": "b", "metadata": {}, "source": "a"},
    ],
}
_REMOVED = {
    "remove_cell_tags": {"remove-cell"},
    "remove_input_tags": {"remove-input"},
    "remove_all_outputs_tags": {"remove-output"},
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
            # How the run ended is written into the metadata while the page is being made.
            self._notebook = notebook.copy()
            self._notebook.metadata = notebook.metadata.copy()
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
    from nbformat import from_dict
    from traitlets.config import Config

    from daybook.runner.exporter import html_exporter, keep_compiled

    config = Config({"TagRemovePreprocessor": {"enabled": True, **_REMOVED}})
    exporter = html_exporter()(config=config, raw_template=_PAGE)
    keep_compiled(exporter)
    # Else the whole notebook's format is checked after each of a dozen steps; a page can be made of a faulty one too.
    exporter._validate_preprocessor = lambda *_: None
    # Rendering something now loads or compiles the templates while the kernel still boots.
    for _ in _rendered(exporter, from_dict(_SMALL), ""):
        pass
    return exporter


def _rendered(exporter: Any, notebook: Any, title: str) -> Iterator[str]:
    """The page in parts.

    What `HTMLExporter.from_notebook_node` does, but for its last step: that reads the whole page again, which takes
    longer than to make it, and holds it several times.
    """
    from nbconvert.exporters.exporter import Exporter
    from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter

    language = notebook.metadata.get("language_info", {})
    lexer = language.get("pygments_lexer", language.get("name"))
    resources = exporter._init_resources({"metadata": {"name": title}})
    shown, resources = Exporter.from_notebook_node(exporter, notebook, resources)
    exporter.register_filter("highlight_code", _Highlighter(lexer or "ipython3"))
    widgets = WidgetsDataTypeFilter(notebook_metadata=shown.metadata, parent=exporter, resources=resources)
    exporter.register_filter("filter_data_type", widgets)
    content = ("code", "markdown", "raw", "unknown", "input", "output", "output_stdin", "input_prompt", "output_prompt")
    resources["global_content_filter"] = {**{f"include_{each}": True for each in content}, "no_prompt": False}
    resources["raw_mimetypes"] = exporter.raw_mimetypes
    resources["output_mimetype"] = exporter.output_mimetype
    yield from exporter.template.generate(nb=shown, resources=resources)


class _Highlighter:
    """Code in colours; what reads a language, and what writes HTML, takes longer to make than a cell to colour."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._made: dict[str, tuple[Any, Any]] = {}

    def __call__(self, source: str, metadata: Mapping[str, Any]) -> str:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter

        language = self._language
        if language.startswith("ipython"):
            language = metadata.get("magics_language", language)  # nbconvert notes it of a cell like `%%bash`
        if language not in self._made:
            self._made[language] = _lexer(language), HtmlFormatter(cssclass=f" highlight hl-{language}")
        return str(highlight(source or " ", *self._made[language]))


def _lexer(language: str) -> Any:
    from pygments.lexers import TextLexer, get_lexer_by_name
    from pygments.util import ClassNotFound

    if language == "ipython3":
        with suppress(ImportError):  # else by its name, for which every installed package is looked through
            return import_module("ipython_pygments_lexers").IPython3Lexer()
    try:
        return get_lexer_by_name(language)
    except ClassNotFound:
        return TextLexer()
