import json

import pytest

from daybook.cli.settings import Settings
from daybook.contract.errors import InfrastructureFailed, InvalidSettings


@pytest.fixture
def local(project):
    (project.stack_file).write_text(json.dumps({"api_url": "http://127.0.0.1:18080"}))
    project.admin_password.write_text("secret\n")
    return project


def test_the_local_stack_is_the_default(local):
    access = Settings({}, local).api()
    assert (access.url, access.user, access.password, access.local) == (
        "http://127.0.0.1:18080",
        "admin",
        "secret",
        True,
    )
    assert Settings({}, local).public_url() == "http://127.0.0.1:18080"


def test_a_stack_that_was_never_up_is_said(project):
    with pytest.raises(InfrastructureFailed, match="daybook up"):
        Settings({}, project).api()
    with pytest.raises(InvalidSettings, match="daybook up"):
        Settings({}, project).load_workspaces()


def test_another_airflow_is_never_offered_the_local_password(local):
    with pytest.raises(InvalidSettings, match="DAYBOOK_API_TOKEN"):
        Settings({"DAYBOOK_API_URL": "https://airflow.example"}, local).api()


def test_another_airflow_is_reached_as_the_environment_says(local):
    environment = {"DAYBOOK_API_URL": "https://airflow.example/", "DAYBOOK_API_TOKEN": "t"}
    access = Settings(environment, local).api()
    assert (access.url, access.token, access.user, access.local) == ("https://airflow.example", "t", None, False)
    assert Settings(environment, local).public_url() == "https://airflow.example"


def test_another_user_of_the_local_stack_can_ask(local):
    access = Settings({"DAYBOOK_API_USER": "alice", "DAYBOOK_API_PASSWORD": "hers"}, local).api()
    assert (access.user, access.password) == ("alice", "hers")


def test_an_address_that_is_none_is_named(local):
    with pytest.raises(InvalidSettings, match="DAYBOOK_API_URL"):
        Settings({"DAYBOOK_API_URL": "airflow.example", "DAYBOOK_API_TOKEN": "t"}, local).api()


def test_no_project_is_needed_where_the_environment_says_enough(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidSettings):
        Settings.find(None)
    monkeypatch.setenv("DAYBOOK_CATALOGUE", str(tmp_path))
    monkeypatch.setenv("DAYBOOK_WORKSPACES", str(tmp_path / "workspaces.yaml"))
    assert Settings.find(None).project is None
    with pytest.raises(InvalidSettings):
        Settings.find(tmp_path)
