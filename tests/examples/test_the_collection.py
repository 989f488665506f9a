"""The examples as a collection: a catalogue without a fault, and notebooks fit to be read."""

from pathlib import Path

import nbformat
import pytest

from daybook.catalogue import load_catalogue

INCLUDE = Path(__file__).parents[2] / "include"
NOTEBOOKS = sorted(INCLUDE.rglob("*.ipynb"))


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue([INCLUDE / "notebooks", INCLUDE / "catalogue.json"])


def parameters_of(path):
    """The variables that a notebook's parameters cell sets."""
    (cell,) = (c for c in nbformat.read(path, as_version=4).cells if "parameters" in c.metadata.get("tags", []))
    names = {}
    exec(cell.source, {}, names)
    return names


def test_no_entry_is_broken(catalogue):
    assert catalogue.broken == ()
    assert sorted(catalogue.notebooks) == ["band_statistics", "daily_flights", "flights_delays", "ndvi_calculation"]


def test_a_workflow_is_listed_but_not_runnable(catalogue):
    assert sorted(catalogue.not_runnable) == ["land_surface_temperature"]


@pytest.mark.parametrize("notebook", ["daily_flights", "flights_delays", "ndvi_calculation"])
def test_the_parameters_cell_has_the_defaults_of_the_spec(catalogue, notebook):
    entry = catalogue.notebooks[notebook]
    assert not entry.inputs_inferred
    assert parameters_of(entry.source) == entry.resolve({})


def test_the_parameters_cell_of_the_json_entry_names_its_inputs(catalogue):
    entry = catalogue.notebooks["band_statistics"]
    assert list(parameters_of(entry.source)) == [each.name for each in entry.inputs if each.is_required]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_notebooks_are_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.cells[0].source.startswith("# ")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)


def test_the_schedule_moves_its_day_to_2013(catalogue):
    schedule = catalogue.notebooks["daily_flights"].schedule
    assert schedule.cron == "@daily"
    assert not schedule.catch_up
    assert "data_interval_start" in schedule.parameters["day"]
