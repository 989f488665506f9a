"""What the page is made with: loaded without what nobody needs, and harmless to whoever needs it after all."""

import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import Environment
from nbformat import from_dict

from daybook.runner.exporter import UNUSED, html_exporter, keep_compiled
from daybook.runner.html import _rendered

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


SMALL = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "*b*"}],
}


def page(folder: Path) -> str:
    exporter = html_exporter()()
    keep_compiled(exporter, folder)
    return "".join(_rendered(exporter, from_dict(SMALL), "t"))


def test_templates_are_compiled_by_the_first_run_and_taken_from_there_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    first = page(tmp_path)
    kept = list(tmp_path.iterdir())
    assert kept
    assert {path.suffix for path in kept} == {".jinja"}
    monkeypatch.setattr(Environment, "compile", lambda *_: pytest.fail("compiled again"))
    assert page(tmp_path) == first


def test_a_damaged_compiled_template_is_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    first = page(tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:40])
    assert page(tmp_path) == first


def test_where_nothing_can_be_written_the_page_is_made_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert "<em>b</em>" in page(tmp_path / "not there")
    assert not (tmp_path / "not there").exists()


def test_nothing_is_kept_where_python_keeps_nothing_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert "<em>b</em>" in page(tmp_path)
    assert list(tmp_path.iterdir()) == []
