"""Spark servers that are over go; those that run are left alone, for they end by themselves."""

import sys
from datetime import UTC, datetime, timedelta

import pytest

from builders import a_manifest, a_run_id, a_workspace
from daybook.contract import keys
from daybook.contract.manifest import State
from daybook.retention.abandoned import RECENT
from daybook.retention.cluster import Cluster
from daybook.retention.report import Report
from daybook.retention.sweep import Place, remove_servers, sweep
from daybook.storage import open_store, record_of
from localpods.really_started import IMAGE, wait_until

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=2)
RUN = a_run_id("nb", NOW)
WAITS = "import time; time.sleep(600)"


@pytest.fixture
def bucket():
    return open_store("memory:///")


def a_server(api, name="server", code="pass", workspace="local", **labels):
    """A pod that is labelled as a Spark server's."""
    given = {
        "app.kubernetes.io/name": "daybook",
        "app.kubernetes.io/component": "spark-server",
        keys.WORKSPACE_LABEL: workspace,
        keys.SPARK_LABEL: name,
        **labels,
    }
    container = {"name": "spark", "image": IMAGE, "command": [sys.executable, "-c", code]}
    body = {"metadata": {"name": name, "labels": given}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    api.create_namespaced_pod("default", body)
    phases = ("Running",) if code == WAITS else ("Succeeded", "Failed")
    wait_until(lambda: api.read_namespaced_pod(name, "default").status.phase in phases)


def swept(api, bucket, *, now=LATER, dry_run=False):
    report = Report("local", dry_run)
    place = Place(a_workspace(), bucket, Cluster(lambda: api, "default", "local"))
    sweep(place, lambda _: set(), RECENT, False, report, now)
    assert not report.failures
    return report


def left(api):
    return [pod.metadata.name for pod in api.list_namespaced_pod("default").items]


@pytest.mark.parametrize("code", ["pass", "raise SystemExit(3)"])
def test_an_ended_server_goes_after_an_hour(api, bucket, code):
    a_server(api, code=code)
    assert swept(api, bucket, now=datetime.now(UTC)).lines == []
    assert "server" in swept(api, bucket, dry_run=True).lines[0]
    assert left(api) == ["server"]
    swept(api, bucket)
    wait_until(lambda: left(api) == [])


def test_a_server_that_runs_and_one_of_another_workspace_stay(api, bucket):
    a_server(api, code=WAITS)
    a_server(api, "another", workspace="another")
    assert swept(api, bucket).lines == []
    assert sorted(left(api)) == ["another", "server"]


@pytest.mark.parametrize(
    ("state", "stays"), [(State.RUNNING, True), (State.SUCCEEDED, False), (State.INTERRUPTED, False), (None, False)]
)
def test_a_server_of_a_runs_own_goes_with_its_run(api, bucket, state, stays):
    if state is not None:
        sealed = state is not State.RUNNING
        exit_code = {State.SUCCEEDED: 0, State.INTERRUPTED: 143}.get(state)
        updated = datetime.now(UTC).isoformat()
        manifest = a_manifest(run_id=RUN, state=state, sealed=sealed, sealed_by="runner", exit_code=exit_code)
        timings = manifest.timings.model_copy(update={"updated_at": updated})
        record_of(bucket, RUN).write(manifest.model_copy(update={"timings": timings}))
    a_server(api, code=WAITS, **{keys.SPARK_OWNER_LABEL: RUN})
    place = Place(a_workspace(), bucket, Cluster(lambda: api, "default", "local"))
    remove_servers(place, place.cluster, Report("local", False), LATER)
    if stays:
        assert left(api) == ["server"]
    else:
        wait_until(lambda: left(api) == [])
