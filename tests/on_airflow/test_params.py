"""The Params of a notebook's DAG: the form, and what core itself refuses."""

import pytest
from airflow.sdk import Param
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from builders import a_workspace
from daybook.catalogue import Notebook
from daybook.on_airflow.dags import notebook_dag, run_notebook_dag
from daybook.on_airflow.params import params_of
from daybook.workspaces import Workspaces

EVERY_TYPE = [
    {"name": "a_string", "type": "string", "default": "x", "pattern": "^x"},
    {"name": "an_integer", "type": "integer", "default": 3, "minimum": 1, "maximum": 12},
    {"name": "a_number", "type": "number", "default": 0.5},
    {"name": "a_boolean", "type": "boolean", "default": True},
    {"name": "a_date", "type": "date", "default": "2013-01-31"},
    {"name": "a_datetime", "type": "datetime", "default": "2013-01-31T00:00:00+00:00"},
    {"name": "an_enum", "type": "enum", "choices": [{"value": "JFK", "label": "Kennedy"}, "LGA"], "default": "JFK"},
    {"name": "several", "type": "enum", "choices": ["a", "b"], "multiple": True, "default": ["a"]},
    {"name": "a_url", "type": "url", "default": "https://example.org/x.tif"},
    {"name": "urls", "type": "url_list", "default": ["https://example.org/x.tif"]},
    {"name": "a_bbox", "type": "bbox", "default": [-1.0, 50.0, 1.0, 52.0]},
    {"name": "a_list", "type": "list", "items": "integer", "default": [1, 2]},
    {"name": "an_object", "type": "object", "default": {"a": 1}},
    {"name": "a_schema", "type": "schema", "schema": {"type": "integer"}, "default": 4},
    {"name": "a_secret", "type": "secret", "default": "token"},
    {"name": "optional", "type": "number", "default": None},
    {"name": "left", "type": "integer", "required": False},
]


def a_notebook(inputs, **changes):
    return Notebook.model_validate({"id": "nb", "source": "/nb.ipynb", "inputs": inputs, **changes})


def workspaces(*names):
    return Workspaces(workspaces=tuple(a_workspace(name=name) for name in names or ("local",)))


@pytest.mark.parametrize("item", EVERY_TYPE, ids=lambda item: item["name"])
def test_default_of_every_type_is_valid(item):
    params = ParamsDict(params_of(a_notebook([item]), ["local"]))
    assert params.validate()[item["name"]] == item.get("default")


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("a_string", "y"),
        ("an_integer", "5"),
        ("an_integer", 13),
        ("a_boolean", "true"),
        ("a_date", "31.01.2013"),
        ("an_enum", "EWR"),
        ("several", ["c"]),
        ("a_url", "not a url"),
        ("a_bbox", [1, 2, 3]),
        ("a_list", ["x"]),
        ("an_object", 3),
        ("a_schema", "x"),
        ("optional", "x"),
        ("left", 1.5),
    ],
)
def test_core_refuses_what_json_schema_can_refuse(name, bad):
    item = next(each for each in EVERY_TYPE if each["name"] == name)
    params = ParamsDict(params_of(a_notebook([item]), ["local"]))
    with pytest.raises(ParamValidationError):
        params.update({name: bad})


def test_required_input_has_no_default():
    params = ParamsDict(params_of(a_notebook([{"name": "day", "type": "date"}]), ["local"]))
    with pytest.raises(ParamValidationError):
        params.validate()


def test_schedule_may_fill_a_required_input():
    schedule = {"cron": "@daily", "parameters": {"day": "{{ data_interval_start | ds }}"}}
    params = ParamsDict(params_of(a_notebook([{"name": "day", "type": "date"}], schedule=schedule), ["local"]))
    assert params.validate()["day"] is None


def test_form_shows_labels_titles_and_examples():
    params = params_of(a_notebook([{**EVERY_TYPE[6], "title": "Airport", "example": "LGA"}]), ["local"])
    schema = params["an_enum"].schema
    assert schema["values_display"] == {"JFK": "Kennedy"}
    assert (schema["title"], schema["examples"]) == ("Airport", ["LGA"])


def test_workspace_is_a_choice_of_the_allowed_ones():
    params = params_of(a_notebook([], workspaces=["blue"]), ["red", "blue"])
    assert params["workspace"].schema["enum"] == ["blue"]
    assert params["workspace"].value == "blue"


@pytest.mark.parametrize("schedule", [None, "@daily", {"assets": ["other"]}])
def test_dag_survives_serialization(schedule):
    dag = notebook_dag(a_notebook(EVERY_TYPE, schedule=schedule), workspaces())
    dag.validate()
    again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert again.params["an_integer"] == 3
    assert [task.task_id for task in again.tasks] == ["run"]
    assert not again.catchup


def test_run_notebook_takes_a_request():
    from daybook.catalogue import Catalogue

    dag = run_notebook_dag(Catalogue(notebooks={}, not_runnable={}, broken=()), workspaces())
    assert set(dag.params) == {"notebook", "parameters", "workspace", "run_settings"}
    assert isinstance(dag.params.get_param("parameters"), Param)
