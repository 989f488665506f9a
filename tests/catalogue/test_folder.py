"""A folder per notebook: what is read, what is ignored, what is broken and how that is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from daybook.catalogue import BrokenEntry, Notebook, digest_of, load_catalogue

Write = Callable[..., Path]

FULL = """\
title: Flight delays
description: How late flights left New York in 2013.
markdown: |
  # Flight delays
collections: [flights]
tags: [spark, example]
owner: ada
workspaces: [science]
max_active_runs: 4
inputs:
  origin:
    type: enum
    choices:
      - EWR
      - {value: JFK, label: Kennedy}
    default: JFK
    description: Where the flights left from.
  month: {type: integer, minimum: 1, maximum: 12}
  day: date
  area: {type: bbox, required: false}
run:
  spark: true
  cpu: 2
  memory: 2Gi
  timeout_seconds: 600
  retries: 2
schedule:
  cron: 0 6 * * *
  timezone: Europe/London
  start_date: 2013-01-01
  catch_up: true
  workspace: science
  parameters:
    month: 3
    day: "{{ data_interval_start | ds }}"
"""


def only(root: Path) -> Notebook:
    catalogue = load_catalogue([root])
    assert catalogue.broken == ()
    (notebook,) = catalogue.notebooks.values()
    return notebook


def only_broken(root: Path) -> BrokenEntry:
    catalogue = load_catalogue([root])
    assert not catalogue.notebooks
    (entry,) = catalogue.broken
    return entry


def test_a_full_spec_is_read(root: Path, entry: Write) -> None:
    folder = entry("flights_delays", FULL)
    notebook = only(root)
    assert notebook.id == "flights_delays"
    assert notebook.source == str(folder / "notebook.ipynb")
    assert notebook.defined_in == str(folder / "spec.yaml")
    assert [item.name for item in notebook.inputs] == ["origin", "month", "day", "area"]
    assert not notebook.inputs_inferred
    assert notebook.inputs[0].choices is not None
    assert [(choice.value, choice.label) for choice in notebook.inputs[0].choices] == [
        ("EWR", None),
        ("JFK", "Kennedy"),
    ]
    assert (notebook.run.cpu, notebook.run.memory, notebook.run.spark) == ("2", "2Gi", True)
    assert notebook.schedule is not None
    assert (notebook.schedule.start_date, notebook.schedule.catch_up) == ("2013-01-01", True)
    assert notebook.markdown == "# Flight delays\n"
    assert notebook.workspaces == ("science",)
    assert notebook.resolve({"month": 1, "day": "2013-01-01"})["origin"] == "JFK"


def test_a_notebook_without_a_spec_has_its_inputs_inferred(
    root: Path, entry: Write, notebook_json: Callable[..., str]
) -> None:
    entry("plain", notebook=notebook_json("month = 1  # of 2013\norigin: str = 'JFK'"))
    notebook = only(root)
    assert notebook.inputs_inferred
    assert not notebook.open_inputs
    assert notebook.resolve({"month": 2}) == {"month": 2, "origin": "JFK"}


def test_a_spec_without_inputs_leaves_them_to_be_inferred_and_an_empty_one_does_not(
    root: Path, entry: Write, notebook_json: Callable[..., str]
) -> None:
    entry("a", "title: A", notebook_json("x = 1"))
    entry("b", "inputs: {}", notebook_json("x = 1"))
    notebooks = load_catalogue([root]).notebooks
    assert [item.name for item in notebooks["a"].inputs] == ["x"]
    assert notebooks["b"].inputs == ()


def test_a_notebook_without_parameters_cell_takes_none(root: Path, entry: Write) -> None:
    entry("plain")
    assert only(root).inputs == ()
    assert not only(root).open_inputs


@pytest.mark.parametrize("language", ["R", "julia"])
def test_parameters_of_other_languages_are_any_json(
    language: str, root: Path, entry: Write, notebook_json: Callable[..., str]
) -> None:
    entry("other", notebook=notebook_json("x <- 1", language=language))
    notebook = only(root)
    assert notebook.open_inputs
    assert notebook.resolve({"x": [1]}) == {"x": [1]}


def test_a_source_elsewhere_takes_any_json_unless_its_inputs_are_named(root: Path, entry: Write) -> None:
    entry("a", "source: https://a.example/n.ipynb", notebook=None)
    entry("b", "source: s3://bucket/n.ipynb\ninputs: {x: integer}", notebook=None)
    notebooks = load_catalogue([root]).notebooks
    assert notebooks["a"].open_inputs
    assert not notebooks["b"].open_inputs


def test_a_source_and_a_text_may_lie_elsewhere_in_the_catalogue(
    root: Path, entry: Write, notebook_json: Callable[..., str]
) -> None:
    (root / "shared").mkdir()
    (root / "shared" / "common.ipynb").write_text(notebook_json("x = 1"))
    (root / "shared" / "about.md").write_text("# About", encoding="utf-8")
    entry("a", "source: ../shared/common.ipynb\nmarkdown_file: ../shared/about.md", notebook=None)
    assert only(root).source == str(root / "shared" / "common.ipynb")
    assert only(root).markdown == "# About"


def test_hidden_empty_and_loose_things_are_no_entries(root: Path, entry: Write) -> None:
    entry(".ipynb_checkpoints")
    (root / "data").mkdir()
    (root / "README.md").write_text("hello")
    catalogue = load_catalogue([root])
    assert not catalogue.notebooks
    assert catalogue.broken == ()


BAD_SPECS = [
    ("titel: x", 1, "titel", "did you mean 'title'?"),
    ("title: x\nrun:\n  cpus: 2", 3, "run.cpus", "did you mean 'cpu'?"),
    ("run:\n  memory: 2GB", 2, "run.memory", "an amount of memory such as"),
    ("run:\n  timeout_seconds: soon", 2, "run.timeout_seconds", "must be a whole number"),
    ("schedule:\n  cron: '@dayly'", 2, "schedule.cron", "is no preset"),
    ("schedule: '@daily'\ninputs:\n  a: integer", 1, "schedule.parameters", "must give a"),
    ("inputs: {a: integer}\nschedule:\n  cron: '@daily'\n  parameters:\n    a: x", 5, "schedule.parameters.a", "whole"),
    ("inputs:\n  a:\n    type: integr", 3, "inputs.a.type", "did you mean 'integer'?"),
    ("inputs:\n  a:\n    type: integer\n    min: 3", 4, "inputs.a.min", "is not a known key"),
    ("inputs:\n  a:\n    type: integer\n    maximum: 3\n    default: 5", 5, "inputs.a.default", "at most 3"),
    ("inputs:\n  a:\n    type: enum\n    choices:\n    - x\n    - x", 6, "inputs.a.choices.1", "twice"),
    ("inputs:\n  a:\n    type: enum\n    choices:\n    - {vlaue: x}", 5, "inputs.a.choices.0.vlaue", "'value'"),
    ("inputs:\n  a:\n    type: list\n    items:\n      typ: x", 4, "inputs.a.items.typ", "did you mean 'type'"),
    ("inputs:\n  class: integer", 2, "inputs.class", "word of Python"),
    ("inputs:\n  a: 5", 2, "inputs.a", "must be a mapping"),
    ("inputs: [a]", 1, "inputs", "must be a mapping"),
    ("title: 5", 1, "title", "must be a text"),
    ("- a", 1, "", "must be a mapping"),
    ("title: [", 2, "", "not YAML"),
    ("title: a\ntitle: b", 2, "", "'title' twice"),
    ("digest: sha256:abc", 1, "digest", "64 hex digits"),
    ("tags: [1]", 1, "tags", "list of texts"),
    ("workspaces: [a b]", 1, "workspaces.0", "a name of letters"),
    ("source: ../../outside.ipynb", 1, "source", "cannot be read"),
    ("source: /etc/passwd", 1, "source", "relative"),
    ("source: ftp://a.example/n.ipynb", 1, "source", "http://"),
    ("source: other.ipynb", 1, "source", "No such file"),
    ("markdown: a\nmarkdown_file: b.md", 2, "markdown_file", "beside markdown"),
]


@pytest.mark.parametrize(("spec", "line", "where", "part"), BAD_SPECS, ids=lambda value: None)
def test_a_fault_is_named_with_file_line_key_and_reason(
    spec: str, line: int, where: str, part: str, root: Path, entry: Write
) -> None:
    folder = entry("broken", spec)
    found = only_broken(root)
    assert (found.id, found.file, found.line) == ("broken", str(folder / "spec.yaml"), line)
    assert any(part in fault.message and fault.where.startswith(where) for fault in found.faults), found
    assert f"spec.yaml:{line}" in str(found)


def test_all_faults_of_a_spec_are_named(root: Path, entry: Write) -> None:
    entry("broken", "titel: x\ninputs:\n  a: integr\n  _b: string\nrun: {cpu: x}\n")
    found = only_broken(root)
    assert {fault.where for fault in found.faults} == {
        "titel (line 1)",
        "inputs.a.type (line 3)",
        "inputs._b (line 4)",
        "run.cpu (line 5)",
    }


def test_one_broken_entry_harms_no_other(root: Path, entry: Write) -> None:
    entry("a")
    entry("b", "titel: x")
    entry("c", notebook="no notebook")
    entry("d")
    catalogue = load_catalogue([root])
    assert list(catalogue.notebooks) == ["a", "d"]
    assert [found.id for found in catalogue.broken] == ["b", "c"]


@pytest.mark.parametrize("spec", [None, "inputs: {}"])
@pytest.mark.parametrize("content", ["<html>", " ", '{"cells": [', "[]"])
def test_a_file_that_is_no_notebook_is_broken(spec: str | None, content: str, root: Path, entry: Write) -> None:
    folder = entry("a", spec, content)
    found = only_broken(root)
    assert found.file == str(folder / "notebook.ipynb")
    assert "is not a notebook" in found.reason


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ('{\n"cells": [}', "not JSON"),
        ('{"nbformat": 3, "worksheets": []}', "its nbformat is 3"),
        ('{"nbformat": 4}', "no list of cells"),
        ('{"nbformat": 4, "cells": [1]}', "no list of cells"),
        ("{}", "its nbformat is null"),
    ],
)
def test_a_notebook_whose_inputs_are_inferred_is_read_whole(content: str, part: str, root: Path, entry: Write) -> None:
    entry("a", notebook=content)
    assert part in only_broken(root).reason


def test_a_parameters_cell_that_is_not_python_names_its_line_in_the_file(
    root: Path, entry: Write, notebook_json: Callable[..., str]
) -> None:
    folder = entry("a", notebook=notebook_json("x = 1\ny = = 2\n"))
    found = only_broken(root)
    assert found.line is not None
    assert "y = = 2" in (folder / "notebook.ipynb").read_text().split("\n")[found.line - 1]
    assert "line 2 of the cell" in found.reason


def test_a_spec_without_a_notebook_is_broken(root: Path, entry: Write) -> None:
    entry("a", "title: A", notebook=None)
    assert "there is no notebook.ipynb" in only_broken(root).reason


def test_a_spec_of_another_name_is_told_not_passed_over(root: Path, entry: Write) -> None:
    (entry("a") / "spec.yml").write_text("title: A")
    assert "must be named spec.yaml" in only_broken(root).reason


@pytest.mark.parametrize("name", ["run_notebook", "a b", "a..b"])
def test_a_folder_whose_name_is_no_id_is_broken(name: str, root: Path, entry: Write) -> None:
    entry(name)
    assert "the folder's name is the notebook's id" in only_broken(root).reason


def test_a_digest_is_held_to(root: Path, entry: Write, notebook_json: Callable[..., str]) -> None:
    content = notebook_json()
    digest = digest_of(content.encode())
    entry("good", f"digest: {digest}\ninputs: {{}}", content)
    entry("changed", f"digest: {digest}\ninputs: {{}}", content + " ")
    catalogue = load_catalogue([root])
    assert catalogue.notebooks["good"].digest == digest
    assert "has not the digest" in catalogue.broken[0].reason


def test_links_that_leave_the_catalogue_are_refused(
    tmp_path: Path, root: Path, entry: Write, notebook_json: Callable[..., str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "notebook.ipynb").write_text(notebook_json())
    (outside / "spec.yaml").write_text("title: A")
    (root / "whole").symlink_to(outside)
    entry("file", notebook=None)
    (root / "file" / "notebook.ipynb").symlink_to(outside / "notebook.ipynb")
    (entry("spec") / "spec.yaml").symlink_to(outside / "spec.yaml")
    entry("dots", "source: ../../outside/notebook.ipynb", notebook=None)
    entry("text", "markdown_file: ../../outside/spec.yaml")
    entry("loop", notebook=None)
    (root / "loop" / "notebook.ipynb").symlink_to(root / "loop" / "notebook.ipynb")
    catalogue = load_catalogue([root])
    assert not catalogue.notebooks
    reasons = {found.id: found.reason for found in catalogue.broken}
    assert set(reasons) == {"whole", "file", "spec", "dots", "text", "loop"}
    assert all("out of the catalogue" in reasons[name] for name in ("whole", "file", "spec", "dots", "text"))


def test_a_file_of_a_config_map_has_one_name_for_good(tmp_path: Path, root: Path, entry: Write) -> None:
    """The kubelet puts the files into a folder of a new name at each change, and swaps the link to it."""
    mount = entry("hello")
    source = load_catalogue([root]).notebooks["hello"].source
    for version in ("..2026_11_26_12_00_00.1", "..2026_11_26_12_05_00.2"):
        (mount / version).mkdir()
        (mount / version / "notebook.ipynb").write_bytes((mount / "notebook.ipynb").read_bytes())
        (mount / "..new").symlink_to(version)
        (mount / "..new").rename(mount / "..data")
        (mount / "notebook.ipynb").unlink()
        (mount / "notebook.ipynb").symlink_to(Path("..data") / "notebook.ipynb")
        assert load_catalogue([root]).notebooks["hello"].source == source == str(mount / "notebook.ipynb")


def test_links_within_the_catalogue_and_to_it_are_followed(tmp_path: Path, root: Path, entry: Write) -> None:
    entry("real")
    (root / "alias").symlink_to(root / "real")
    (tmp_path / "current").symlink_to(root)
    catalogue = load_catalogue([tmp_path / "current"])
    assert list(catalogue.notebooks) == ["alias", "real"]
    assert catalogue.broken == ()
