"""From a task instance to a request."""

from datetime import UTC, datetime

import pytest

from daybook.catalogue import Notebook
from daybook.contract.errors import InvalidRequest, NotAllowed
from daybook.contract.request import AirflowCoordinates, Limits
from daybook.on_airflow.plan import TaskInstance, plan_run
from daybook.workspaces import Workspace

HERE = AirflowCoordinates(dag_id="nb", run_id="manual__1", task_id="run", run_type="manual")
AT = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)


def a_notebook(**changes):
    inputs = [
        {"name": "origin", "type": "enum", "choices": ["JFK", "LGA"], "default": "JFK"},
        {"name": "token", "type": "secret", "required": False},
    ]
    return Notebook.model_validate({"id": "nb", "source": "/nb.ipynb", "inputs": inputs, **changes})


def plan(notebook=None, given=None, user="ada", members=("*",), run_type="manual", **workspace):
    task = TaskInstance(HERE.model_copy(update={"run_type": run_type}), AT, user)
    workspace = Workspace(name="local", bucket="memory:///", members=members, **workspace)
    return plan_run(notebook or a_notebook(), given or {}, workspace, task, "memory:///x")


def test_request_names_what_when_and_for_whom():
    request = plan(given={"origin": "LGA"})
    assert request.parameters == {"origin": "LGA"}
    assert (request.user, request.workspace, request.notebook.id) == ("ada", "local", "nb")
    assert request.run_id.startswith("20261123T010203Z-nb-")


def test_every_try_is_the_same_run_and_other_task_instances_are_others():
    again = TaskInstance(HERE.model_copy(update={"try_number": 2}), AT, "ada").run_id("nb")
    mapped = TaskInstance(HERE.model_copy(update={"map_index": 1}), AT, "ada").run_id("nb")
    assert again == plan().run_id != mapped


def test_secret_inputs_are_references_beside_the_parameters():
    request = plan(given={"token": "api-key"})
    assert request.secrets == {"token": "api-key"}
    assert "token" not in request.parameters


def test_every_fault_is_named_at_once():
    with pytest.raises(InvalidRequest) as caught:
        plan(given={"origin": "EWR", "orign": "JFK"})
    assert {fault.where for fault in caught.value.faults} == {"origin", "orign"}


def test_stranger_is_refused():
    with pytest.raises(NotAllowed, match="not a member"):
        plan(user="eve", members=("ada",))


def test_manual_run_of_nobody_is_refused_where_members_are_named():
    with pytest.raises(NotAllowed, match="nobody"):
        plan(user=None, members=("ada",))


@pytest.mark.parametrize("run_type", ["scheduled", "asset_triggered"])
def test_unattended_run_is_its_owners(run_type):
    request = plan(a_notebook(owner="ada", schedule="@daily"), user=None, members=("ada",), run_type=run_type)
    assert request.user == "ada"


def test_notebook_bound_to_workspaces_runs_nowhere_else():
    with pytest.raises(NotAllowed, match="only in: blue"):
        plan(a_notebook(workspaces=["blue"]))


def test_the_request_says_what_the_notebook_may_take_and_hold():
    run = {"timeout_seconds": 60, "cell_timeout_seconds": 7, "cell_output": "1Mi", "output": "2Mi", "memory": "1.5Gi"}
    request = plan(a_notebook(run={**run, "may_end_early": True}))
    assert request.limits == Limits(
        timeout_seconds=60,
        cell_timeout_seconds=7,
        cell_output_bytes=2**20,
        output_bytes=2**21,
        memory_bytes=3 * 2**29,
    )
    assert request.may_end_early


@pytest.mark.parametrize(("memory", "limit"), [("1Gi", 2**30), ("1500m", 2), ("0", None)])
def test_the_memory_limit_is_the_pods(memory, limit):
    assert plan(memory=memory).limits.memory_bytes == limit
    assert not plan().may_end_early


def test_what_the_workspace_does_not_allow_is_refused_before_anything_starts():
    greedy = a_notebook(run={"image": "evil/image:1", "memory": "8Gi", "gpu": 1})
    with pytest.raises(InvalidRequest) as caught:
        plan(greedy, maximum={"memory": "4Gi"})
    assert {fault.where for fault in caught.value.faults} == {"run.image", "run.memory", "run.gpu"}


def test_a_stranger_does_not_learn_what_the_workspace_allows():
    with pytest.raises(NotAllowed, match="not a member") as caught:
        plan(a_notebook(run={"gpu": 1}), user="eve", members=("ada",))
    assert [fault.where for fault in caught.value.faults] == ["workspace"]


def test_an_entry_that_says_nothing_of_time_gets_no_more_than_the_workspaces_maximum():
    assert plan(maximum={"timeout_seconds": 60}).limits.timeout_seconds == 60


def test_settings_chosen_for_a_run_are_what_it_gets():
    chosen = {"image": "team/nb:2", "kernel": "r", "memory": "4Gi", "timeout_seconds": 60}
    request = plan(a_notebook(run={"memory": "1Gi"}).with_settings(chosen), allowed={"images": ["team/*"]})
    assert (request.image, request.notebook.kernel) == ("team/nb:2", "r")
    assert (request.limits.memory_bytes, request.limits.timeout_seconds) == (4 * 2**30, 60)


def test_chosen_settings_are_held_against_what_the_workspace_allows():
    chosen = {"image": "evil/image:1", "memory": "8Gi", "cpu": "9", "timeout_seconds": 7200}
    with pytest.raises(InvalidRequest) as caught:
        plan(a_notebook().with_settings(chosen), maximum={"memory": "4Gi", "cpu": "8", "timeout_seconds": 3600})
    assert {fault.where for fault in caught.value.faults} == {f"run.{name}" for name in chosen}
