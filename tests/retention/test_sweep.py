"""Abandoned runs are sealed and orphan pods removed; what may still be under way is left alone."""

import sys
from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException

from builders import a_manifest, a_run_id, a_workspace
from daybook.contract import keys
from daybook.contract.errors import InfrastructureFailed
from daybook.contract.manifest import Reason, State, Timings
from daybook.contract.request import AirflowCoordinates
from daybook.retention.abandoned import EVERYTHING, RECENT, UNATTENDED_QUIET, Open, judged
from daybook.retention.cluster import Cluster
from daybook.retention.listing import run_infos
from daybook.retention.orphans import UNSAVED_STAYS
from daybook.retention.report import Report
from daybook.retention.sweep import Place, sweep
from daybook.storage import open_store, record_of
from daybook.workspaces import Retention
from localpods.really_started import IMAGE, wait_until

TODAY = datetime.now(UTC)
LATER = TODAY + timedelta(hours=2)
RUN = a_run_id("nb", TODAY)
TASK = AirflowCoordinates(dag_id="nb", run_id="manual__1", task_id="run")


@pytest.fixture
def bucket():
    return open_store("memory:///")


def write(bucket, run=RUN, **changes):
    """The manifest of a run that says that it runs."""
    given = {"sealed": False, "sealed_by": None, "state": State.RUNNING, "exit_code": None, "airflow": TASK}
    record_of(bucket, run).write(manifest := a_manifest(run_id=run, **{**given, **changes}))
    return manifest


def read(bucket, run=RUN):
    return record_of(bucket, run).read()


def swept(bucket, *, now=LATER, alive=(), api=None, window=RECENT, retain=False, dry_run=False, **workspace) -> Report:
    made = a_workspace(**workspace)
    cluster = Cluster(lambda: api, made.namespace, made.name) if api is not None else None
    report = Report("local", dry_run)
    sweep(Place(made, bucket, cluster), lambda tasks: set(alive), window, retain, report, now)
    return report


def a_pod(api, run=RUN, attempt=1, code="pass", workspace="local", **spec):
    """A pod as the operator makes it, that runs some Python."""
    labels = {
        "app.kubernetes.io/name": "daybook",
        keys.RUN_LABEL: run,
        keys.ATTEMPT_LABEL: str(attempt),
        keys.WORKSPACE_LABEL: workspace,
    }
    container = {"name": "notebook", "image": IMAGE, "command": [sys.executable, "-c", code]}
    body = {
        "metadata": {"name": keys.pod_name(run, attempt), "labels": labels},
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }
    return api.create_namespaced_pod("default", body).metadata.name


def ended(api, name):
    return wait_until(lambda: api.read_namespaced_pod(name, "default").status.phase in ("Succeeded", "Failed"))


def gone(api, name):
    def is_gone():
        try:
            api.read_namespaced_pod(name, "default")
        except ApiException as error:
            return error.status == 404
        return False

    return wait_until(is_gone)


# -- abandoned runs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_a_run_without_pod_and_task_is_sealed_as_lost(bucket, api, state):
    write(bucket, state=state)
    told = swept(bucket, api=api, dry_run=True)
    assert not read(bucket).sealed
    done = swept(bucket, api=api)
    sealed = read(bucket)
    assert (sealed.state, sealed.reason, sealed.sealed_by, sealed.sealed) == ("lost", "pod_gone", "sweeper", True)
    assert "abandoned" in sealed.message
    assert (told.runs_sealed, done.runs_sealed) == (1, 1)
    assert RUN in done.lines[0]
    assert swept(bucket, api=api).lines == []


def test_a_run_whose_task_is_under_way_is_left_alone(bucket, api):
    write(bucket)
    assert swept(bucket, api=api, alive=[TASK]).lines == []
    assert swept(bucket, api=api, alive=[TASK.model_copy(update={"run_id": "another"})]).runs_sealed == 1


def test_a_run_that_was_heard_of_lately_is_left_alone(bucket, api):
    write(bucket)
    assert swept(bucket, api=api, now=TODAY + timedelta(minutes=50)).lines == []


def test_a_run_whose_pod_goes_on_is_left_alone(bucket, api):
    write(bucket)
    name = a_pod(api, code="import time; time.sleep(600)")
    wait_until(lambda: api.read_namespaced_pod(name, "default").status.phase == "Running")
    assert swept(bucket, api=api).lines == []


def test_a_run_whose_pod_ended_is_sealed_with_what_kubernetes_says(bucket, api):
    write(bucket)
    ended(api, a_pod(api, code="raise SystemExit(7)"))
    swept(bucket, api=api)
    assert read(bucket).reason == Reason.NEVER_SEALED
    assert "exit code 7" in read(bucket).message


@pytest.mark.parametrize(
    ("spec", "deleted", "phase", "reason"),
    [
        ({}, None, "Pending", Reason.UNSCHEDULABLE),  # no node, so no deadline
        ({"node_name": "n"}, TODAY, "Running", Reason.NODE_LOST),
        ({"node_name": "n"}, None, "Pending", None),
        ({"node_name": "n"}, LATER, "Running", None),
    ],
)
def test_a_pod_that_neither_goes_on_nor_ends_is_no_sign_of_life(bucket, spec, deleted, phase, reason):
    write(bucket)
    scheduled = k8s.V1PodCondition(type="PodScheduled", status=str(bool(spec)), message="0/1 nodes are available")
    pod = k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(name="p", deletion_timestamp=deleted),
        spec=k8s.V1PodSpec(containers=[], **spec),
        status=k8s.V1PodStatus(phase=phase, conditions=[scheduled]),
    )
    found = Open(run_infos(bucket)[0], read(bucket))
    verdict = judged(found, (), {(RUN, 1): pod}, False, LATER)
    assert (verdict and verdict.reason) == reason


def test_the_pod_of_an_earlier_attempt_is_no_sign_of_life(bucket, api):
    write(bucket, attempt=2)
    name = a_pod(api, attempt=1, code="import time; time.sleep(600)")
    assert swept(bucket, api=api).runs_sealed == 1
    assert gone(api, name), "it was overtaken"


def test_a_run_in_a_worker_has_no_pod_to_miss(bucket):
    write(bucket)
    swept(bucket, runs_in="worker")
    assert read(bucket).reason == Reason.NEVER_SEALED
    assert "Kubernetes" not in read(bucket).message


def test_a_run_of_daybook_execute_is_given_the_longest_time_that_a_run_may_take(bucket, api):
    write(bucket, airflow=None)
    assert swept(bucket, api=api, window=EVERYTHING, now=TODAY + UNATTENDED_QUIET - timedelta(hours=1)).lines == []
    swept(bucket, api=api, window=EVERYTHING, now=TODAY + UNATTENDED_QUIET + timedelta(hours=1))
    assert (read(bucket).state, read(bucket).reason) == ("lost", "never_sealed")


def test_a_sealer_that_was_killed_is_followed_by_the_sweeper(bucket, api):
    write(bucket, state=State.FAILED, reason=Reason.EVICTED, sealed_by="operator")
    swept(bucket, api=api)
    assert (read(bucket).sealed, read(bucket).reason, read(bucket).sealed_by) == (True, "evicted", "operator")


def test_the_hourly_look_reads_only_what_has_gone_quiet_lately(bucket, api):
    write(bucket)
    two_days = TODAY + timedelta(days=2)
    assert swept(bucket, api=api, now=two_days, window=RECENT).lines == []
    assert swept(bucket, api=api, now=two_days, window=EVERYTHING).runs_sealed == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        {"timings": Timings(started_at="yesterday")},
        {"timings": Timings(started_at="2026-11-26T00:00:00", updated_at="2026-11-26T00:00:00+00:00")},
    ],
)
def test_a_manifest_that_makes_no_sense_harms_no_other(bucket, api, nonsense):
    odd, garbage = a_run_id("nb", TODAY, "odd"), a_run_id("nb", TODAY, "garbage")
    write(bucket, odd, **nonsense)
    bucket.write(f"{keys.run_prefix(garbage)}/manifest.json", b"[]")
    write(bucket)
    report = swept(bucket, api=api)
    assert report.runs_sealed == 1
    assert read(bucket).sealed
    assert report.failures == []
    assert {odd, garbage} == {run for run in (odd, garbage) if any(run in line for line in report.warnings)}


# -- orphans --------------------------------------------------------------------------------------------------------


def sealed(bucket, **changes):
    write(bucket, **{"sealed": True, "sealed_by": "operator", "state": State.FAILED, **changes})


def test_the_pod_of_a_sealed_run_goes_after_a_while(bucket, api):
    sealed(bucket)
    name = a_pod(api)
    ended(api, name)
    assert swept(bucket, api=api, now=TODAY + timedelta(minutes=50)).lines == []
    assert swept(bucket, api=api, dry_run=True).pods_removed == 1
    assert swept(bucket, api=api).pods_removed == 1
    assert gone(api, name)


def test_a_pod_that_holds_what_could_not_be_saved_is_kept_for_days(bucket, api):
    sealed(bucket, reason=Reason.STORE_FAILED)
    name = a_pod(api)
    assert swept(bucket, api=api, now=TODAY + UNSAVED_STAYS - timedelta(hours=1)).lines == []
    report = swept(bucket, api=api, now=TODAY + UNSAVED_STAYS + timedelta(hours=1))
    assert gone(api, name)
    assert any(name in line for line in report.warnings)


def test_so_it_is_when_a_newer_attempt_has_taken_over(bucket, api):
    sealed(bucket, reason=Reason.STORE_FAILED)
    name = a_pod(api)
    write(bucket, attempt=2)  # keeps the manifest of the first
    assert swept(bucket, api=api, now=TODAY + UNSAVED_STAYS - timedelta(hours=1), alive=[TASK]).lines == []
    swept(bucket, api=api, now=TODAY + UNSAVED_STAYS + timedelta(hours=1), alive=[TASK])
    assert gone(api, name)


def test_the_pod_of_a_run_without_a_record_goes(bucket, api):
    name = a_pod(api)
    swept(bucket, api=api)
    assert gone(api, name)


def test_pods_of_others_are_never_touched(bucket, api):
    of_another = a_pod(api, workspace="other")
    nobodys = api.create_namespaced_pod(
        "default",
        {"metadata": {"name": "nobodys"}, "spec": {"containers": [{"name": "x", "image": IMAGE, "command": ["true"]}]}},
    ).metadata.name
    assert swept(bucket, api=api).lines == []
    assert {each.metadata.name for each in api.list_namespaced_pod("default").items} == {of_another, nobodys}


def test_a_pod_that_is_another_by_now_is_not_deleted(api):
    name = a_pod(api, code="import time; time.sleep(600)")
    cluster = Cluster(lambda: api, "default", "local")
    [seen] = cluster.pods()
    api.delete_namespaced_pod(name, "default", grace_period_seconds=0)
    gone(api, name)
    a_pod(api, code="import time; time.sleep(600)")
    assert not cluster.delete_pod(seen)
    assert [each.metadata.deletion_timestamp for each in cluster.pods()] == [None]


# -- one part that fails ---------------------------------------------------------------------------------------------


def test_without_kubernetes_nothing_is_sealed_and_retention_goes_on(bucket):
    write(bucket)
    old = a_run_id("nb", TODAY - timedelta(days=40))
    write(bucket, old, sealed=True, state=State.SUCCEEDED)

    def no_client():
        raise InfrastructureFailed("no cluster here")

    report = Report("local")
    place = Place(a_workspace(retention=Retention(days=30)), bucket, Cluster(no_client, "default", "local"))
    sweep(place, lambda tasks: set(), EVERYTHING, True, report, LATER)
    assert not read(bucket).sealed
    assert read(bucket, old) is None
    assert [line.partition(":")[0] for line in report.failures] == [
        "cannot seal abandoned runs",
        "cannot remove orphan pods",
        "cannot remove ended Spark servers",
    ]


def test_without_airflows_word_nothing_is_sealed(bucket, api):
    write(bucket)

    def silent(tasks):
        raise InfrastructureFailed("Airflow does not tell")

    report = Report("local")
    sweep(Place(a_workspace(), bucket, Cluster(lambda: api, "default", "local")), silent, RECENT, False, report, LATER)
    assert not read(bucket).sealed
    assert report.failures == ["cannot seal abandoned runs: Airflow does not tell"]
