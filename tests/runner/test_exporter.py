"""What the page is made with: loaded without what nobody needs, and harmless to whoever needs it after all."""

import subprocess
import sys

from daybook.runner.exporter import UNUSED

LOAD = """
import sys
from daybook.runner.exporter import UNUSED, html_exporter
exporter = html_exporter()()
parts = {"soupsieve.css_parser", "charset_normalizer.api", "tornado.web", *UNUSED}
assert not parts & set(sys.modules), "loaded all the same"
"""


def run(code: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", LOAD + code], check=True)


def test_what_no_page_needs_is_not_loaded_with_the_exporter():
    run("")


def test_what_was_left_out_can_be_imported_afterwards():
    run("import importlib\nfor name in UNUSED: importlib.import_module(name)")


def test_the_exporter_renders_markdown_and_code():
    run(
        "from nbformat import from_dict\n"
        "cells = [{'cell_type': 'markdown', 'id': 'a', 'metadata': {}, 'source': '*b* <img src=\"c.png\">'}]\n"
        "notebook = from_dict({'nbformat': 4, 'nbformat_minor': 5, 'metadata': {}, 'cells': cells})\n"
        "from daybook.runner.html import _rendered\n"
        "assert '<em>b</em>' in ''.join(_rendered(exporter, notebook, 't'))\n"
    )


def test_each_of_them_is_there_to_be_left_out():
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    subprocess.run([sys.executable, "-c", code, *UNUSED], check=True)
