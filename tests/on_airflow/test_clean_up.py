"""The DAG `clean_up`: what it asks of Airflow, and when it does everything."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from daybook.contract.errors import InfrastructureFailed
from daybook.contract.request import AirflowCoordinates
from daybook.on_airflow.clean_up import WHOLE_HOUR, clean_up_dag, is_whole, under_way


def coordinates(run_id="one", dag_id="nb", **changes):
    return AirflowCoordinates(dag_id=dag_id, run_id=run_id, task_id="run", **changes)


class Airflow:
    """What Airflow answers, as `RuntimeTaskInstance.get_task_states` gives it."""

    def __init__(self, states):
        self.states = states
        self.asked = []

    def get_task_states(self, dag_id, task_ids, run_ids):
        self.asked.append((dag_id, len(run_ids)))
        return {run_id: self.states[run_id] for run_id in run_ids if run_id in self.states}


@pytest.mark.parametrize("state", [None, "scheduled", "queued", "running", "deferred", "restarting", "up_for_retry"])
def test_a_task_that_has_not_ended_is_under_way(state):
    assert under_way(Airflow({"one": {"run": state}}), [coordinates()]) == {coordinates()}


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "upstream_failed", "removed"])
def test_a_task_that_has_ended_is_not(state):
    assert under_way(Airflow({"one": {"run": state}}), [coordinates()]) == set()


def test_a_task_that_airflow_does_not_know_is_not():
    assert under_way(Airflow({}), [coordinates()]) == set()


def test_mapped_tasks_are_told_apart():
    airflow = Airflow({"one": {"run_0": "success", "run_1": "running"}})
    first, second = coordinates(map_index=0), coordinates(map_index=1)
    assert under_way(airflow, [first, second]) == {second}


def test_many_runs_are_asked_for_in_few_questions():
    airflow = Airflow({str(number): {"run": "running"} for number in range(120)})
    wanted = [coordinates(str(number)) for number in range(120)] + [coordinates("1", dag_id="other")]
    assert under_way(airflow, wanted) == set(wanted)
    assert airflow.asked == [("nb", 50), ("nb", 50), ("nb", 20), ("other", 1)]


def test_an_airflow_that_does_not_tell_is_a_failure_and_no_answer():
    def refuse(**_):
        raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR))

    with pytest.raises(InfrastructureFailed, match="does not tell"):
        under_way(SimpleNamespace(get_task_states=refuse), [coordinates()])


@pytest.mark.parametrize(
    ("run_type", "hour", "whole"),
    [("scheduled", WHOLE_HOUR, True), ("scheduled", WHOLE_HOUR + 1, False), ("manual", 12, True)],
)
def test_once_a_day_and_for_a_person_everything_is_done(run_type, hour, whole):
    run = SimpleNamespace(run_type=run_type, run_after=datetime(2026, 11, 26, hour, 17, tzinfo=UTC))
    assert is_whole(run) is whole


def test_one_sweep_at_a_time_with_a_task_for_each_workspace():
    dag = clean_up_dag()
    assert (dag.dag_id, dag.max_active_runs, dag.catchup) == ("clean_up", 1, False)
    assert dag.task_dict["sweep"].is_mapped
    assert dag.task_dict["sweep"].upstream_task_ids == {"workspaces"}
    assert {name: dag.params[name] for name in dag.params} == {"dry_run": False, "workspace": None}
