"""The pod's side of the operator: which pod is an attempt's own, what an earlier try left, and that none stays."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException, TaskDeferred
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException

from builders import a_notebook_json
from daybook.catalogue import Notebook
from daybook.contract.errors import InfrastructureFailed
from daybook.contract.keys import AttemptKeys, pod_name
from daybook.contract.manifest import Manifest, Reason, State
from daybook.on_airflow import operator as operator_module
from daybook.on_airflow.cancelling import ENDED
from daybook.on_airflow.credentials.of_pod import PodCredentials
from daybook.on_airflow.errors import RunFailed, RunFailedForGood
from daybook.on_airflow.giving_up import end_given_up
from daybook.on_airflow.operator import NotebookOperator
from daybook.on_airflow.pod_api import QuotaExceeded
from daybook.on_airflow.trigger import NotebookTrigger, RoomTrigger
from daybook.pods import CONTAINER
from daybook.storage.credentials import CredentialsRefused, CredentialsUnavailable

ANOTHER = "20260101T000000Z-another-0123456789"
OOM = k8s.V1ContainerState(terminated=k8s.V1ContainerStateTerminated(exit_code=137, reason="OOMKilled"))


def a_context(try_number=1, max_tries=0):
    ti = SimpleNamespace(
        dag_id="nb",
        task_id="run",
        map_index=-1,
        try_number=try_number,
        max_tries=max_tries,
        start_date=datetime.now(UTC),
        xcom_push=lambda **_: None,
    )
    dag_run = SimpleNamespace(
        run_id="manual__1",
        run_type="manual",
        run_after=datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC),
        logical_date=None,
        data_interval_start=None,
        data_interval_end=None,
        triggering_user_name="ada",
    )
    return {"ti": ti, "dag_run": dag_run, "run_id": "manual__1", "dag": SimpleNamespace(), "outlet_events": {}}


class Pods:
    """The pods of a namespace, as `PodApi` gives them."""

    def __init__(self):
        self.here = {}
        self.made = []
        self.deleted = []
        self.refusal = None

    def create(self, pod):
        if self.refusal is not None:
            raise self.refusal
        pod.metadata.uid = f"uid-{len(self.made) + 1}"
        pod.status = k8s.V1PodStatus(phase="Running")
        self.made.append(pod)
        self.here[pod.metadata.name] = pod
        return pod

    def read(self, name, namespace):
        return self.here.get(name)

    def delete(self, pod):
        found = self.here.get(pod.metadata.name)
        if found is not None and found.metadata.uid == pod.metadata.uid:
            self.deleted.append(self.here.pop(pod.metadata.name).metadata.uid)

    def wait_until_gone(self, pod, seconds=0):
        return True

    def log_lines(self, pod, container):
        return iter(())

    def end(self, phase="Failed", state=None, **status):
        """The newest pod ends."""
        containers = [
            k8s.V1ContainerStatus(name=CONTAINER, image="i", image_id="", ready=False, restart_count=0, state=state)
        ]
        self.made[-1].status = k8s.V1PodStatus(phase=phase, container_statuses=containers, **status)


class House:
    """One task instance's tries in one workspace."""

    def __init__(self, folder, pods, workspace=""):
        self.path = folder / "nb.ipynb"
        self.path.write_text(a_notebook_json())
        self.pods = pods
        text = f"workspaces:\n  - {{name: local, members: ['*'], bucket: {folder / 'bucket'}{workspace}}}\n"
        (folder / "workspaces.yaml").write_text(text)

    def operator(self, run=None, **options):
        notebook = Notebook(id="nb", source=str(self.path), run=run or {})
        return NotebookOperator(task_id="run", notebook=notebook, **options)

    def deferred(self, context, run=None, **options):
        """A try that has made its pod and waits in the triggerer: its operator, and what it deferred to."""
        operator = self.operator(run, **options)
        with pytest.raises(TaskDeferred) as caught:
            operator.execute(context)
        return operator, caught.value.trigger

    def back(self, trigger, context, status="failed", **options):
        """The task after the triggerer: what it raises."""
        operator = self.operator(**options)
        _, arguments = trigger.serialize()
        event = {
            "status": status,
            "name": arguments["pod_name"],
            "namespace": arguments["pod_namespace"],
            "message": "",
            **trigger.trigger_kwargs,
        }
        with pytest.raises(RunFailed) as caught:
            operator.trigger_reentry(context, event)
        return caught.value


@pytest.fixture
def pods():
    return Pods()


@pytest.fixture
def house(tmp_path, monkeypatch, pods):
    monkeypatch.setenv("DAYBOOK_CATALOGUE", str(tmp_path))
    monkeypatch.setenv("DAYBOOK_WORKSPACES", str(tmp_path / "workspaces.yaml"))
    monkeypatch.setattr(NotebookOperator, "_pods", pods)
    monkeypatch.setattr(NotebookOperator, "client", None)
    hook = SimpleNamespace(get_pod=lambda name, namespace: pods.here[name])
    monkeypatch.setattr(NotebookOperator, "hook", hook)
    monkeypatch.setattr(
        "airflow.providers.cncf.kubernetes.operators.pod.BaseHook.get_connection",
        lambda _: SimpleNamespace(extra_dejson={}),
    )
    return House(tmp_path, pods)


def test_the_pods_uid_is_noted_and_travels_to_the_triggerer(house):
    operator, trigger = house.deferred(a_context())
    assert isinstance(trigger, NotebookTrigger)
    assert trigger.run_reference["pod_uid"] == operator._record.read().pod_uid == "uid-1"


def test_a_task_that_died_goes_on_with_its_pod(house, pods):
    house.deferred(a_context())
    operator, trigger = house.deferred(a_context(try_number=2, max_tries=1), retries=1)
    assert len(pods.made) == 1
    assert trigger.run_reference["pod_uid"] == "uid-1"
    assert operator._record.read().attempt == 1


@pytest.mark.parametrize("noted", ["another", None])
def test_a_pod_that_is_not_known_by_its_uid_is_ended_and_never_taken_up(house, pods, noted):
    operator, _ = house.deferred(a_context())
    manifest = operator._record.read().model_copy(update={"pod_uid": noted})
    operator._record.store.write("manifest.json", manifest.to_json().encode(), "application/json")
    operator, _ = house.deferred(a_context(try_number=2, max_tries=1), retries=1)
    assert (pods.deleted, operator._record.read().attempt) == (["uid-1"], 2)
    first = Manifest.from_json(operator._record.store.read(AttemptKeys(1).manifest))
    assert (first.state, first.sealed) == (State.INTERRUPTED, True)


def put(operator, **changes):
    """What a notebook can write into its run's record."""
    manifest = operator._record.read().model_copy(update=changes)
    operator._record.store.write("manifest.json", manifest.to_json().encode(), "application/json")


def test_a_record_that_claims_to_be_another_runs_ends_no_pod_of_that(house, pods):
    operator, _ = house.deferred(a_context())
    other = k8s.V1Pod(metadata=k8s.V1ObjectMeta(name=pod_name(ANOTHER, 1), uid="uid-of-another"))
    pods.here[other.metadata.name] = other
    put(operator, run_id=ANOTHER, workspace="another", pod_uid=None)
    operator, _ = house.deferred(a_context(try_number=2, max_tries=1), retries=1)
    assert (pods.deleted, operator._record.read().attempt) == (["uid-1"], 2)


def test_a_pointer_names_the_run_whatever_its_record_says(house, pods):
    operator, trigger = house.deferred(a_context())
    run_id = operator._reference.run_id
    put(operator, run_id=ANOTHER, workspace="another", state=State.FAILED, reason=Reason.CELL_ERROR, sealed=True)
    pods.end()
    context, pushed = a_context(), {}
    context["ti"].xcom_push = lambda key, value: pushed.update({key: value})
    house.back(trigger, context)
    assert (pushed["return_value"]["run_id"], pushed["return_value"]["workspace"]) == (run_id, "local")


def test_a_record_that_lay_there_before_the_first_try_is_not_believed(house, pods):
    operator, _ = house.deferred(a_context())
    put(operator, state=State.SUCCEEDED, sealed=True, sealed_by="runner")
    operator, _ = house.deferred(a_context())
    assert (len(pods.made), operator._record.read().attempt) == (2, 2)


def test_a_pod_that_is_being_deleted_is_waited_for_and_not_taken_up(house, pods):
    house.deferred(a_context())
    pods.made[0].metadata.deletion_timestamp = datetime.now(UTC)
    operator, _ = house.deferred(a_context(try_number=2, max_tries=1), retries=1)
    assert operator._record.read().attempt == 2


def test_another_pod_of_the_same_name_is_not_believed_when_the_task_comes_back(house, pods):
    _, trigger = house.deferred(a_context())
    pods.made[0].metadata.uid = "forged"
    pods.end(state=OOM)
    error = house.back(trigger, a_context())
    assert (error.reason, pods.deleted) == (Reason.POD_GONE, [])


def test_what_kubernetes_said_before_the_pod_was_gone_is_not_forgotten(house, pods):
    _, trigger = house.deferred(a_context())
    pods.here.clear()
    trigger.trigger_kwargs["daybook"]["disruption"] = ["lost", "node_lost", "the node is gone"]
    error = house.back(trigger, a_context(), "error")
    assert error.reason is Reason.NODE_LOST
    assert "the node is gone" in str(error)


def test_a_pod_that_ended_badly_is_sealed_typed_and_deleted(house, pods):
    _, trigger = house.deferred(a_context())
    pods.end(state=OOM)
    error = house.back(trigger, a_context())
    assert isinstance(error, RunFailedForGood)
    assert (error.reason, pods.deleted) == (Reason.OUT_OF_MEMORY, ["uid-1"])


def test_a_pod_that_still_runs_when_its_task_is_out_of_time_is_ended(house, pods):
    _, trigger = house.deferred(a_context())
    error = house.back(trigger, a_context(), "timeout")
    assert (error.manifest.state, error.reason, pods.deleted) == (State.INTERRUPTED, Reason.TERMINATED, ["uid-1"])


def test_a_pod_on_a_node_that_does_not_answer_is_not_waited_for(house, pods):
    _, trigger = house.deferred(a_context())
    pods.made[0].metadata.deletion_timestamp = datetime.now(UTC) - timedelta(hours=1)
    error = house.back(trigger, a_context())
    assert error.reason is Reason.NODE_LOST


def test_a_success_is_not_undone_by_a_pod_that_cannot_be_deleted(house, pods, monkeypatch):
    operator, trigger = house.deferred(a_context())
    sealed = {"state": State.FAILED, "reason": Reason.CELL_ERROR, "sealed": True, "sealed_by": "runner"}
    operator._record.write(operator._record.read().model_copy(update=sealed))
    pods.end(state=k8s.V1ContainerState(terminated=k8s.V1ContainerStateTerminated(exit_code=1)))

    def refuses(pod):
        raise InfrastructureFailed("forbidden")

    monkeypatch.setattr(pods, "delete", refuses)
    assert house.back(trigger, a_context()).reason is Reason.CELL_ERROR


def test_a_try_that_repeats_a_killed_one_believes_what_that_one_could_not_say(house, pods):
    operator, _ = house.deferred(a_context())
    sealed = {"state": State.SUCCEEDED, "sealed": True, "sealed_by": "runner"}
    operator._record.write(operator._record.read().model_copy(update=sealed))
    pointer = house.operator(retries=1, outlets=[]).execute(
        {**a_context(try_number=2, max_tries=1), "outlet_events": Events()}
    )
    assert (pointer["state"], len(pods.made), pods.here) == ("succeeded", 1, {})


def test_a_cleared_task_is_a_new_attempt(house, pods):
    operator, _ = house.deferred(a_context())
    sealed = {"state": State.SUCCEEDED, "sealed": True, "sealed_by": "runner"}
    operator._record.write(operator._record.read().model_copy(update=sealed))
    house.deferred(a_context(try_number=2, max_tries=2), retries=1)
    assert len(pods.made) == 2


def test_a_running_task_that_was_cleared_is_tried_again(house, pods, airflow_says):
    """Airflow ends it, which seals its attempt as cancelled, and tries again without raising `max_tries`."""
    operator, _ = house.deferred(a_context())
    airflow_says("restarting")
    operator.on_kill()
    assert operator._record.read().reason is Reason.CANCELLED
    airflow_says("running")
    house.deferred(a_context(try_number=2))
    assert len(pods.made) == 2


def test_a_cleared_task_does_not_take_up_the_pod_that_its_trigger_is_about_to_end(house, pods):
    operator, _ = house.deferred(a_context())
    house.deferred(a_context(try_number=2, max_tries=1))
    assert (pods.deleted, list(pods.here.values())) == (["uid-1"], [pods.made[1]])
    assert operator._record.read().attempt == 2


@pytest.mark.parametrize(("state", "reason"), [("failed", Reason.CANCELLED), ("running", Reason.TERMINATED)])
def test_a_task_that_is_killed_while_its_pod_is_made_leaves_none(house, pods, monkeypatch, airflow_says, state, reason):
    airflow_says(state)
    operator, make = house.operator(), pods.create

    def killed_meanwhile(pod):
        operator.on_kill()
        return make(pod)

    monkeypatch.setattr(pods, "create", killed_meanwhile)
    with pytest.raises(AirflowException, match=str(reason)) as caught:
        operator.execute(a_context())
    assert not isinstance(caught.value, AirflowFailException)  # of a cancelled task Airflow refuses the next try
    assert (pods.deleted, pods.here) == (["uid-1"], {})
    assert operator._record.read().reason is reason


@pytest.mark.parametrize("state", ["failed", "restarting"])
def test_a_task_that_was_cancelled_and_does_not_know_it_yet_leaves_no_pod(house, pods, airflow_says, state):
    airflow_says(state)
    operator = house.operator()
    with pytest.raises(AirflowException, match="cancelled"):
        operator.execute(a_context())
    assert (pods.deleted, pods.here) == (["uid-1"], {})
    assert operator._record.read().reason is Reason.CANCELLED


def test_a_task_that_is_wanted_waits_for_its_pod(house, pods, airflow_says):
    airflow_says("running")
    house.deferred(a_context())
    assert (pods.deleted, len(pods.here)) == ([], 1)


def killed_while_it_waits(house, monkeypatch):
    """A task that is killed while it waits here for its pod: its operator, and what it raises."""
    operator = house.operator(deferrable=False)
    monkeypatch.setattr(operator, "await_pod_start", lambda pod: operator.on_kill())
    monkeypatch.setattr(operator, "await_pod_completion", lambda pod: None)
    with pytest.raises(RunFailed) as caught:
        operator.execute(a_context())
    return operator, caught.value


def test_a_task_whose_process_is_ended_is_tried_again(house, pods, monkeypatch, airflow_says):
    airflow_says("running")
    operator, error = killed_while_it_waits(house, monkeypatch)
    assert not isinstance(error, RunFailedForGood)
    assert (error.manifest.message, pods.deleted) == (ENDED.message, ["uid-1"])
    operator, _ = house.deferred(a_context(try_number=2, max_tries=1), retries=1)
    assert (operator._record.read().attempt, len(pods.made)) == (2, 2)


def test_a_task_that_somebody_failed_is_cancelled_for_good(house, pods, monkeypatch, airflow_says):
    airflow_says("failed")
    _, error = killed_while_it_waits(house, monkeypatch)
    assert isinstance(error, RunFailedForGood)
    assert (error.reason, pods.deleted) == (Reason.CANCELLED, ["uid-1"])


def test_a_second_signal_does_not_begin_anew(house, pods, monkeypatch):
    """A worker that is ended gets SIGTERM together with its task, and hands it on."""
    operator, _ = house.deferred(a_context())
    waits = []

    def signalled_again(pod, seconds=0):
        waits.append(pod)
        if len(waits) < 3:
            operator.on_kill()
        return True

    monkeypatch.setattr(pods, "delete", lambda pod: None)  # it takes its time to go
    monkeypatch.setattr(pods, "wait_until_gone", signalled_again)
    operator.on_kill()
    assert (len(waits), operator._record.read().sealed) == (1, True)


def test_a_task_that_is_killed_before_it_has_an_attempt_makes_no_pod(house, pods, monkeypatch):
    operator, plan = house.operator(), operator_module.plan_run

    def killed_meanwhile(*arguments):
        operator.on_kill()
        return plan(*arguments)

    monkeypatch.setattr(operator_module, "plan_run", killed_meanwhile)
    with pytest.raises(AirflowException, match="ended before its pod was made"):
        operator.execute(a_context())
    assert pods.made == []


def test_a_pod_whose_credentials_kubernetes_does_not_take_is_not_left_behind(house, pods, monkeypatch):
    def refuses(self, pod, *, renewing):
        raise CredentialsUnavailable("Kubernetes does not take their Secret: 403 Forbidden")

    monkeypatch.setattr(PodCredentials, "give", refuses)
    with pytest.raises(RunFailed, match=r"can have no credentials.*403 Forbidden"):
        house.operator().execute(a_context())
    assert (pods.deleted, pods.here) == (["uid-1"], {})


def test_a_role_that_is_refused_makes_no_pod_and_is_not_tried_again(house, pods, monkeypatch):
    def refuses(self):
        raise CredentialsRefused("STS does not let Airflow be the role")

    monkeypatch.setattr(PodCredentials, "obtain", refuses)
    operator = house.operator(retries=3)
    with pytest.raises(RunFailedForGood, match="STS does not let Airflow be the role"):
        operator.execute(a_context(max_tries=3))
    sealed = operator._record.read()
    assert (sealed.reason, sealed.sealed, pods.made) == (Reason.CREDENTIALS_REFUSED, True, [])


def test_credentials_are_as_new_as_the_pod_that_had_to_wait_for_room(house, pods, monkeypatch):
    done, make = [], pods.create

    def makes(pod):
        done.append("create")
        if done.count("create") == 1:
            raise QuotaExceeded("exceeded quota: team")
        pod = make(pod)
        pod.status = k8s.V1PodStatus(phase="Succeeded")
        return pod

    monkeypatch.setattr(pods, "create", makes)
    monkeypatch.setattr(PodCredentials, "obtain", lambda self: done.append("obtain"))
    monkeypatch.setattr("daybook.on_airflow.pod_task.ROOM_SECONDS", 0)
    with pytest.raises(RunFailed):
        house.operator(deferrable=False).execute(a_context())
    assert done == ["obtain", "create", "obtain", "create"]


def test_without_room_the_run_stays_queued_and_the_same_attempt_is_tried_again(house, pods):
    pods.refusal = QuotaExceeded("exceeded quota: team")
    operator, trigger = house.deferred(a_context())
    waiting = operator._record.read()
    assert isinstance(trigger, RoomTrigger)
    assert (waiting.state, waiting.sealed, waiting.attempt) == (State.QUEUED, False, 1)
    assert "exceeded quota: team" in waiting.message
    pods.refusal = None
    again = house.operator()
    with pytest.raises(TaskDeferred):
        again.try_again(a_context(), {"daybook": trigger.run_reference})
    assert (len(pods.made), again._record.read().attempt) == (1, 1)


@pytest.mark.parametrize("there", [True, False], ids=["there", "not there"])
def test_what_the_workers_connection_says_goes_to_the_triggerer(house, pods, monkeypatch, there):
    def get_connection(name):
        if not there:
            raise AirflowNotFoundException(name)
        return SimpleNamespace(extra_dejson={"namespace": "research"})

    monkeypatch.setattr("airflow.sdk.bases.hook.BaseHook.get_connection", get_connection)
    pods.refusal = QuotaExceeded("exceeded quota: team")
    _, trigger = house.deferred(a_context(), kubernetes_conn_id="k8s")
    assert trigger.connection["kubernetes_conn_id"] == "k8s"
    assert trigger.connection["connection_extras"] == ({"namespace": "research"} if there else None)


def test_a_run_that_is_refused_after_it_waited_for_room_says_by_what(house, pods, tmp_path):
    pods.refusal = QuotaExceeded("exceeded quota: team")
    waiting, trigger = house.deferred(a_context())
    workspaces = tmp_path / "workspaces.yaml"
    workspaces.write_text(workspaces.read_text().replace("'*'", "grace"))
    again = house.operator()
    with pytest.raises(AirflowFailException, match="'ada' is not a member"):
        again.try_again(a_context(), {"daybook": trigger.run_reference})
    again.give_up(a_context())  # Airflow's callback
    sealed = waiting._record.read()
    assert (sealed.state, sealed.reason, sealed.sealed) == (State.FAILED, Reason.INVALID_REQUEST, True)
    assert "'ada' is not a member" in sealed.message


def test_a_run_that_is_refused_when_its_workspace_is_gone_fails_with_that(house, pods, tmp_path):
    pods.refusal = QuotaExceeded("exceeded quota: team")
    _, trigger = house.deferred(a_context())
    workspaces = tmp_path / "workspaces.yaml"
    workspaces.write_text(workspaces.read_text().replace("name: local", "name: other"))
    with pytest.raises(AirflowFailException, match="no workspace 'local'"):
        house.operator(workspace="local").try_again(a_context(), {"daybook": trigger.run_reference})


def test_a_run_that_is_given_up_while_it_waits_for_room_never_had_a_pod(house, pods):
    pods.refusal = QuotaExceeded("exceeded quota: team")
    operator, _ = house.deferred(a_context())
    house.operator().give_up(a_context())
    sealed = operator._record.read()
    assert (sealed.state, sealed.reason) == (State.INTERRUPTED, Reason.TERMINATED)
    assert "before it had a pod" in sealed.message
    assert "exceeded quota: team" in sealed.message


def test_a_run_whose_pod_could_not_be_asked_for_says_why(house, pods):
    pods.refusal = AirflowException("no way to Kubernetes")
    with pytest.raises(RunFailed, match="the pod was not made: no way to Kubernetes") as caught:
        house.operator().execute(a_context())
    assert caught.value.reason is Reason.POD_FAILED


def test_a_refused_pod_fails_the_run_with_what_kubernetes_says(house, pods):
    pods.refusal = ApiException(status=403, reason="Forbidden")
    pods.refusal.body = '{"message": "violates PodSecurity"}'
    with pytest.raises(RunFailedForGood, match="violates PodSecurity") as caught:
        house.operator().execute(a_context())
    assert caught.value.reason is Reason.POD_REFUSED


def test_memory_is_doubled_up_to_the_workspaces_maximum(house, pods, tmp_path):
    House(tmp_path, pods, ", memory: 1Gi, maximum: {memory: 3Gi}")
    run = {"retry_with_more_memory": True}
    asked = []
    for number in (1, 2, 3):
        context = a_context(try_number=number, max_tries=3)
        _, trigger = house.deferred(context, run, retries=3)
        asked.append(pods.made[-1].spec.containers[0].resources.limits["memory"])
        pods.end(state=OOM)
        error = house.back(trigger, context)
        assert isinstance(error, RunFailedForGood) == (number == 3)
    assert asked == ["1Gi", str(2 * 2**30), str(3 * 2**30)]


def test_what_airflow_gives_up_is_ended_and_sealed(house, pods):
    operator, _ = house.deferred(a_context())
    house.operator().give_up(a_context())
    manifest = operator._record.read()
    assert (manifest.state, manifest.reason, manifest.sealed) == (State.INTERRUPTED, Reason.TERMINATED, True)
    assert pods.deleted == ["uid-1"]
    house.operator().give_up(a_context())
    assert operator._record.read() == manifest


def into_the_worker(tmp_path):
    """The workspace's operator has its runs execute in the worker from now on."""
    workspaces = tmp_path / "workspaces.yaml"
    workspaces.write_text(workspaces.read_text().replace("members:", "runs_in: worker, members:"))


def test_a_pod_at_work_goes_on_when_its_workspaces_runs_go_into_the_worker(house, pods, tmp_path):
    house.deferred(a_context())
    into_the_worker(tmp_path)
    operator, trigger = house.deferred(a_context(try_number=2, max_tries=1), retries=1)
    assert (len(pods.made), pods.deleted, trigger.run_reference["pod_uid"]) == (1, [], "uid-1")
    assert operator._record.read().attempt == 1


def test_a_pod_that_has_ended_is_settled_before_the_next_attempt_is_in_the_worker(house, pods, tmp_path):
    house.deferred(a_context())
    pods.made[0].metadata.deletion_timestamp = datetime.now(UTC)
    pods.end(reason="Evicted", message="the node was low on memory")
    into_the_worker(tmp_path)
    operator = house.operator(retries=1)
    operator._prepare(a_context(try_number=2, max_tries=1))
    assert operator._worker is not None
    assert (operator._record.read().attempt, operator._record.earlier(1).reason) == (2, Reason.EVICTED)
    assert (len(pods.made), pods.here) == (1, {})


def test_a_pod_of_before_the_worker_is_ended_when_its_run_is_given_up(house, pods, tmp_path):
    operator, _ = house.deferred(a_context())
    into_the_worker(tmp_path)
    house.operator().give_up(a_context())
    assert (operator._record.read().reason, pods.deleted) == (Reason.TERMINATED, ["uid-1"])


PULLS = k8s.V1ContainerState(waiting=k8s.V1ContainerStateWaiting(reason="ImagePullBackOff", message="no such image"))
STARTS = k8s.V1ContainerState(waiting=k8s.V1ContainerStateWaiting(reason="ContainerCreating"))


@pytest.mark.parametrize(
    ("phase", "state", "reason"),
    [
        ("Pending", PULLS, Reason.IMAGE_UNAVAILABLE),
        ("Pending", STARTS, Reason.TERMINATED),
        ("Failed", OOM, Reason.OUT_OF_MEMORY),
    ],
)
def test_what_airflow_gives_up_is_sealed_with_what_kubernetes_says(house, pods, phase, state, reason):
    operator, _ = house.deferred(a_context())
    pods.end(phase, state)
    house.operator().give_up(a_context())
    assert (operator._record.read().reason, pods.deleted) == (reason, ["uid-1"])


@pytest.mark.parametrize("again", [False, True])
def test_a_pod_on_a_silent_node_is_sealed_as_lost_by_whoever_comes_to_end_it(house, pods, monkeypatch, again):
    operator, _ = house.deferred(a_context())
    pods.made[0].metadata.deletion_timestamp = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(pods, "wait_until_gone", lambda *_: pytest.fail("it was waited for"))
    if again:
        house.deferred(a_context(try_number=2, max_tries=1), retries=1)
        sealed = operator._record.earlier(1)
    else:
        house.operator().give_up(a_context())
        sealed = operator._record.read()
    assert (sealed.state, sealed.reason) == (State.LOST, Reason.NODE_LOST)


def test_what_airflow_gives_up_keeps_the_pod_that_holds_the_only_copy(house, pods):
    operator, _ = house.deferred(a_context())
    pods.end(state=k8s.V1ContainerState(terminated=k8s.V1ContainerStateTerminated(exit_code=3, reason="Error")))
    house.operator().give_up(a_context())
    manifest = operator._record.read()
    assert (manifest.reason, manifest.sealed, pods.deleted) == (Reason.STORE_FAILED, True, [])


def test_airflows_callback_knows_the_run_from_the_operator_as_the_dag_file_has_it(house, pods, tmp_path):
    """The DAG processor renders no templates, and an operator of `run_notebook` is nothing but templates."""
    entry = tmp_path / "nb"
    entry.mkdir()
    (entry / "notebook.ipynb").write_text(a_notebook_json())
    context = {**a_context(), "params": {"notebook": "nb", "parameters": {}}}
    first = NotebookOperator(task_id="run", notebook="nb")
    with pytest.raises(TaskDeferred):
        first.execute(context)
    later = NotebookOperator(task_id="run", notebook="{{ params.notebook }}", parameters_from="request")
    end_given_up({**context, "task": later})
    assert (first._record.read().reason, pods.deleted) == (Reason.TERMINATED, ["uid-1"])


def test_a_callback_without_a_task_leaves_it_to_the_sweeper():
    end_given_up({"run_id": "manual__1"})


def test_a_late_call_of_an_earlier_try_does_not_touch_a_newer_one(house, pods):
    operator, trigger = house.deferred(a_context())
    pods.end(state=OOM)
    house.back(trigger, a_context())
    house.deferred(a_context(try_number=2, max_tries=2))
    house.operator().give_up(a_context(try_number=1))
    assert (pods.deleted, operator._record.read().sealed) == (["uid-1"], False)


def test_somebodys_own_callback_is_called_too(house):
    def mine(context):
        return None

    assert house.operator(on_failure_callback=mine).on_failure_callback[1:] == [mine]


class Events(dict):
    """Airflow's `outlet_events`."""

    def __missing__(self, outlet):
        return SimpleNamespace(extra={}, add=lambda *_, **__: None)
