import threading

import pytest

from databricks.sessions import CLUSTER, Shown
from databricks.standin import Fault
from databricks.standin.world import USER
from daybook.databricks.cluster import START_TRIES
from daybook.databricks.errors import ClusterUnavailable, DatabricksFailed, DatabricksRefused
from daybook.databricks.interruption import Interrupted


def test_nothing_is_asked_before_the_first_cell(standin, sessions):
    session = sessions.new()
    assert standin.count("/clusters/get") == 0
    session.run("%md nothing runs for this one")
    assert standin.count("/contexts/create") == 0
    session.run("1")
    assert standin.count("/contexts/create") == 1


def test_a_terminated_cluster_is_started_and_waited_for_with_progress(standin, sessions):
    standin.clusters.add("cold", state="TERMINATED", start_seconds=0.2)
    shown = sessions.new(cluster="cold").run("print('up')")
    assert shown.printed() == "up"
    assert "PENDING" in shown.waited_for[-1]
    assert standin.count("/clusters/start") == 1


def test_a_cluster_that_terminates_is_started_once_it_has(standin, sessions):
    cluster = standin.clusters.add("going", state="TERMINATING")

    class Ends(Shown):
        def progress(self, text):
            super().progress(text)
            if cluster.state == "TERMINATING":
                cluster.state = "TERMINATED"

    shown = Ends()
    sessions.new(cluster="going").run("1", shown=shown)
    assert "TERMINATING" in shown.waited_for[0]
    assert standin.count("/clusters/start") == 1


def test_a_cluster_that_somebody_else_starts_is_waited_for(standin, sessions):
    cluster = standin.clusters.add("shared", state="TERMINATED")
    start = cluster.start
    cluster.start_seconds = 0.1
    refused = {"error_code": "INVALID_STATE", "message": "it is pending"}
    standin.faults.add(Fault("/clusters/start", 400, body=refused))
    threading.Timer(0.1, start).start()
    assert sessions.new(cluster="shared").run("print(1)").printed() == "1"


def test_a_cluster_whose_start_is_refused_time_and_again_is_given_up(standin, sessions, monkeypatch):
    monkeypatch.setattr("daybook.databricks.cluster.AGAIN_SECONDS", 0.01)
    standin.clusters.add("barred", state="TERMINATED")
    refused = {"error_code": "INVALID_PARAMETER_VALUE", "message": "its policy is gone"}
    standin.faults.add(Fault("/clusters/start", 400, body=refused, times=100))
    with pytest.raises(DatabricksRefused, match="starting cluster barred: its policy is gone"):
        sessions.new(cluster="barred").run("1")
    assert standin.count("/clusters/start") == START_TRIES


@pytest.mark.parametrize("path", ["/clusters/get", "/clusters/start", "/contexts/status"])
@pytest.mark.parametrize("status", [500, 503])
def test_trouble_of_the_server_ends_no_wait(standin, sessions, monkeypatch, path, status):
    monkeypatch.setattr("daybook.databricks.cluster.AGAIN_SECONDS", 0.01)
    standin.clusters.add("cold", state="TERMINATED")
    standin.faults.add(Fault(path, status, times=2, headers={"Retry-After": "0"}))
    assert sessions.new(cluster="cold").run("print(1)").printed() == "1"
    assert standin.count("/contexts/create") == 1


@pytest.mark.parametrize(
    ("path", "doing"),
    [
        ("/clusters/get", "asking for cluster cold"),
        ("/clusters/start", "starting cluster cold"),
        ("/contexts/status", "making a context on cluster cold"),
    ],
)
def test_trouble_that_stays_ends_the_wait(standin, sessions, monkeypatch, path, doing):
    monkeypatch.setattr("daybook.databricks.cluster.AGAIN_SECONDS", 0.01)
    standin.clusters.add("cold", state="TERMINATED")
    standin.faults.add(Fault(path, 500, times=10_000))
    with pytest.raises(DatabricksFailed, match=f"{doing}: Databricks failed: on purpose"):
        sessions.new(cluster="cold", unreachable=0.1).run("1")


def test_a_cluster_that_does_not_start_tells_why(standin, sessions):
    standin.clusters.add("poor", state="TERMINATED", start_fails="CLOUD_PROVIDER_RESOURCE_STOCKOUT")
    with pytest.raises(
        ClusterUnavailable, match=r"poor did not start: .*TERMINATED \(CLOUD_PROVIDER_RESOURCE_STOCKOUT\)"
    ) as raised:
        sessions.new(cluster="poor").run("1")
    assert raised.value.retry_helps


@pytest.mark.parametrize("state", ["ERROR", "UNKNOWN", "SOMETHING_NEW"])
def test_a_cluster_in_a_state_that_leads_nowhere_is_not_waited_for(standin, sessions, state):
    standin.clusters.add("odd", state=state, state_message="it broke")
    with pytest.raises(ClusterUnavailable, match="it broke"):
        sessions.new(cluster="odd").run("1")


def test_a_cluster_that_the_caller_may_not_start_is_refused(standin, sessions):
    standin.clusters.add("locked", state="TERMINATED", starters=set())
    with pytest.raises(DatabricksRefused, match=r"starting cluster locked: not allowed \(403\).*Can Restart"):
        sessions.new(cluster="locked").run("1")


def test_a_cluster_that_the_caller_may_not_use_is_refused(standin, sessions):
    standin.clusters.add("theirs", users=set())
    with pytest.raises(DatabricksRefused, match=r"not allowed \(403\).*Can Attach To"):
        sessions.new(cluster="theirs").run("1")


def test_an_unknown_cluster_is_named_with_what_an_id_is(sessions):
    with pytest.raises(
        DatabricksRefused, match=r"cluster nowhere is not known.*not its name, a SQL warehouse or serverless"
    ):
        sessions.new(cluster="nowhere").run("1")


def test_a_cluster_of_a_job_is_not_started(standin, sessions):
    standin.clusters.add("job", state="TERMINATED", more={"cluster_source": "JOB"})
    with pytest.raises(ClusterUnavailable, match="belongs to a job"):
        sessions.new(cluster="job").run("1")


def test_a_start_that_takes_too_long_ends_with_the_limits_name(standin, sessions):
    standin.clusters.add("slow", state="TERMINATED", start_seconds=600)
    with pytest.raises(ClusterUnavailable, match=r"still PENDING after .* raise cluster_start_seconds"):
        sessions.new(cluster="slow", cluster_start=0.05).run("1")


def test_waiting_for_a_cluster_can_be_interrupted(standin, sessions):
    standin.clusters.add("slow", state="TERMINATED", start_seconds=600)
    session = sessions.new(cluster="slow")

    class Interrupts(Shown):
        def progress(self, text):
            session.interruption.ask()

    with pytest.raises(Interrupted):
        session.run("1", shown=Interrupts())


def test_a_wrong_token_is_told_as_what_it_is(standin, sessions):
    session = sessions.new()
    standin.tokens.clear()
    with pytest.raises(DatabricksRefused, match=r"does not take the credentials \(401\).*databricks auth login"):
        session.run("1")


def test_a_context_that_does_not_come_up_in_time_is_ended(standin, sessions):
    standin.contexts.pending_polls = 10_000
    with pytest.raises(DatabricksFailed, match=r"a context on cluster .* is not there after .* raise context_seconds"):
        sessions.new(context=0.05).run("1")
    assert standin.contexts.ids == []


def test_a_context_that_takes_its_time_is_waited_for(standin, sessions):
    standin.contexts.pending_polls = 3
    assert sessions.new().run("print(1)").printed() == "1"


def test_a_refused_context_is_told(standin, sessions):
    body = {"error": "too many execution contexts"}
    standin.faults.add(Fault("/contexts/create", 400, body=body))
    with pytest.raises(DatabricksRefused, match=f"making a context on cluster {CLUSTER}: too many execution contexts"):
        sessions.new().run("1")


def test_who_asks_is_the_tokens_user(standin, sessions):
    standin.clusters.add("mine", users={USER})
    assert sessions.new(cluster="mine").run("print(1)").printed() == "1"
