"""What is read of the catalogue inside Airflow's processes, and how often."""

from types import SimpleNamespace

import pytest

from builders import a_notebook_json
from daybook.catalogue import cached
from daybook.contract.variables import CATALOGUE_VARIABLE, STATE_VARIABLE, WORKSPACES_VARIABLE
from daybook.on_airflow import policy
from daybook.on_airflow.settings import Settings

_PLACE = "{{name: {0}, bucket: /{0}, members: ['*'], namespace: {0}}}"
WORKSPACES = f"workspaces: [{_PLACE.format('a')}, {_PLACE.format('b')}]\n"


def write(folder, title="First"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "notebook.ipynb").write_text(a_notebook_json())
    (folder / "spec.yaml").write_text(f"title: {title}\nworkspaces: [b]\n")


@pytest.fixture
def environment(tmp_path):
    write(tmp_path / "notebooks" / "nb")
    (tmp_path / "workspaces.yaml").write_text(WORKSPACES)
    return {
        CATALOGUE_VARIABLE: str(tmp_path / "notebooks"),
        WORKSPACES_VARIABLE: str(tmp_path / "workspaces.yaml"),
        STATE_VARIABLE: str(tmp_path / "state"),
    }


def counted(monkeypatch, name) -> list:
    made, work = [], getattr(cached, name)
    monkeypatch.setattr(cached, name, lambda paths: made.append(paths) or work(paths))
    return made


def test_a_process_that_parsed_the_dag_file_does_not_read_the_catalogue_again(environment, monkeypatch):
    readings = counted(monkeypatch, "load_catalogue")
    first = Settings.from_environment(environment).load_catalogue()
    assert Settings.from_environment(environment).load_catalogue() is first
    assert len(readings) == 1


def test_what_has_changed_is_seen_at_once(environment, tmp_path):
    settings = Settings.from_environment(environment)
    assert settings.load_catalogue().notebooks["nb"].title == "First"
    write(tmp_path / "notebooks" / "nb", "Other")
    assert settings.load_catalogue().notebooks["nb"].title == "Other"


def test_many_task_instances_cost_the_scheduler_one_look_at_the_catalogue(environment, monkeypatch):
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(cached, "LOOK_EVERY_SECONDS", 3600)
    looks = counted(monkeypatch, "_signature")
    task = SimpleNamespace(dag_id="nb", task_id="run", parameters_from="form", notebook="nb")
    found = [policy._workspace_of(task, SimpleNamespace(conf={})) for _ in range(3)]
    assert [each.name for each in found] == ["b", "b", "b"]
    assert len(looks) == 1
