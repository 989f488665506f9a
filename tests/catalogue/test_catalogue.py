"""The whole catalogue: several places, one namespace, and nothing that fails altogether."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daybook.catalogue import load_catalogue
from daybook.contract.errors import InvalidRequest

Write = Callable[..., Path]


def test_folders_and_lists_make_one_catalogue(root: Path, entry: Write, tmp_path: Path) -> None:
    entry("a")
    listed = tmp_path / "catalogue.json"
    listed.write_text(json.dumps([{"id": "b", "type": "notebook", "file": "notebooks/a/notebook.ipynb"}]))
    assert list(load_catalogue([root, listed]).notebooks) == ["a", "b"]


def test_of_two_entries_with_one_id_the_first_stays_and_both_are_named(
    root: Path, entry: Write, tmp_path: Path
) -> None:
    entry("a", "title: First")
    listed = tmp_path / "catalogue.json"
    listed.write_text('[\n{"id": "a", "type": "notebook", "file": "notebooks/a/notebook.ipynb"}]')
    catalogue = load_catalogue([root, listed])
    assert catalogue.get("a").title == "First"
    (found,) = catalogue.broken
    assert (found.id, found.file, found.line) == ("a", str(listed), 2)
    assert str(root / "a" / "spec.yaml") in found.reason


@pytest.mark.parametrize("name", ["missing", "missing.json"])
def test_a_place_that_is_not_there_is_one_broken_entry(name: str, root: Path, entry: Write, tmp_path: Path) -> None:
    entry("a")
    catalogue = load_catalogue([tmp_path / name, root])
    assert list(catalogue.notebooks) == ["a"]
    assert catalogue.broken[0].id == name
    assert "No such file" in catalogue.broken[0].reason


def test_a_file_that_cannot_be_read_harms_no_other(root: Path, entry: Write) -> None:
    entry("a")
    (entry("b") / "spec.yaml").mkdir()
    (entry("c", notebook=None) / "notebook.ipynb").mkdir()
    catalogue = load_catalogue([root])
    assert list(catalogue.notebooks) == ["a"]
    assert ["Is a directory" in catalogue.broken[0].reason, "is no file" in catalogue.broken[1].reason] == [True, True]


def test_a_catalogue_of_which_nothing_can_be_read_says_so_whatever_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"the catalogue is broken.*No such file"):
        load_catalogue([tmp_path / "missing"]).get("a")


def test_a_broken_notebook_is_still_known_by_its_name(root: Path, entry: Write) -> None:
    entry("a", "titel: x")
    entry("b")
    catalogue = load_catalogue([root])
    assert [name for name in ("a", "b", "c") if catalogue.names(name)] == ["a", "b"]


def test_no_places_make_an_empty_catalogue() -> None:
    with pytest.raises(InvalidRequest, match="There is no notebook 'a' in the catalogue"):
        load_catalogue([]).get("a")


def test_a_mistyped_id_is_met_with_close_ones(root: Path, entry: Write) -> None:
    entry("flights_delays")
    with pytest.raises(InvalidRequest, match="did you mean 'flights_delays'"):
        load_catalogue([root]).get("flight_delays")
    with pytest.raises(InvalidRequest, match="it holds flights_delays"):
        load_catalogue([root]).get("zzz")


def test_a_broken_id_is_met_with_its_reason(root: Path, entry: Write) -> None:
    folder = entry("a", "\ntitel: x")
    with pytest.raises(InvalidRequest, match="is broken") as caught:
        load_catalogue([root]).get("a")
    assert f"{folder / 'spec.yaml'}:2" in str(caught.value)
    assert "did you mean 'title'" in str(caught.value)


def test_a_schedule_waits_only_for_notebooks_that_are_there(root: Path, entry: Write) -> None:
    entry("source_data")
    entry("mended_tomorrow", "titel: x")
    entry("good", "schedule: {assets: [source_data, mended_tomorrow, 's3://bucket/key']}")
    entry("typo", "schedule:\n  assets:\n  - sourcedata")
    entry("own", "schedule: {assets: [own]}")
    catalogue = load_catalogue([root])
    assert list(catalogue.notebooks) == ["good", "source_data"]
    told = {found.id: found for found in catalogue.broken}
    assert "did you mean 'source_data'" in told["typo"].reason
    assert told["typo"].line == 3
    assert "wait for itself" in told["own"].reason


def test_a_hundred_notebooks_load_whole(root: Path, entry: Write, notebook_json: Callable[..., str]) -> None:
    for number in range(50):
        entry(f"spec_{number}", "inputs: {month: {type: integer, minimum: 1, default: 1}}\nschedule: '@daily'")
        entry(f"plain_{number}", notebook=notebook_json("month = 1\nbbox = [0, 50, 1, 52]"))
    catalogue = load_catalogue([root])
    assert len(catalogue.notebooks) == 100
    assert catalogue.broken == ()


def test_loading_imports_nothing_heavy(root: Path, entry: Write, notebook_json: Callable[..., str]) -> None:
    entry("a", "inputs: {month: {type: integer, default: 1}, x: {type: schema, default: null}}")
    entry("b", notebook=notebook_json("x = 1\ny = None"))
    code = (
        "import sys, pathlib; from daybook.catalogue import load_catalogue;"
        "assert len(load_catalogue([pathlib.Path(sys.argv[1])]).notebooks) == 2;"
        "print(sorted({'nbformat', 'papermill', 'pandas', 'pyspark', 'airflow', 'jsonschema'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
