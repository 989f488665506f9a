"""The way to a workspace: what is missing is told apart from what passes, and nothing keeps whoever interrupts."""

import threading
import time

import pytest

from databricks.sessions import CLUSTER
from databricks.standin import Fault
from daybook.contract.errors import InvalidSettings
from daybook.contract.manifest import Reason
from daybook.contract.variables import RESULTS_VARIABLE
from daybook.databricks import connection
from daybook.databricks.connection import connect
from daybook.databricks.errors import DatabricksFailed
from daybook.databricks.in_run.telling import Telling
from daybook.databricks.interruption import Interrupted, Interruption
from daybook.databricks.settings import Limits, Settings
from daybook.runner.events import events_of

METADATA = "/.well-known/databricks-config"
SIGN_IN = "/oidc/.well-known/oauth-authorization-server"
ALWAYS = 10_000


@pytest.fixture(autouse=True)
def principal(standin, monkeypatch):
    """Signs in with OAuth: the SDK asks the workspace where."""
    standin.parts["identity"].principals["robot"] = "its-secret"
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "robot")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "its-secret")
    monkeypatch.setattr(connection, "RETRY_SECONDS", 1)


@pytest.fixture
def connected(standin):
    """Connects, and signs in."""

    def connected(interruption=None, **limits):
        settings = Settings(cluster_id=CLUSTER, host=standin.host, limits=Limits(**limits))
        found = connect(settings, interruption or Interruption())
        return found.client.current_user.me().user_name

    return connected


def outage_told(connected, tmp_path):
    """What an outage is called, and that it is tried again."""
    with pytest.raises(DatabricksFailed) as raised:
        connected(unreachable=0.1)
    assert raised.value.retry_helps
    events = tmp_path / "events"
    Telling({RESULTS_VARIABLE: str(events)}).failure(1, raised.value)
    assert events_of(events).failures == {1: Reason.CLUSTER_UNAVAILABLE}
    return str(raised.value)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (0, {}, "cannot be reached"),
        (500, {}, "Databricks failed"),
        (502, b"<title>502</title>", "Databricks failed"),
        (503, {}, "Databricks failed"),
    ],
)
def test_an_outage_is_no_matter_of_settings(standin, connected, tmp_path, status, body, said):
    standin.faults.add(Fault(METADATA, status, times=ALWAYS, body=body))
    assert said in outage_told(connected, tmp_path)


@pytest.mark.parametrize("status", [500, 502])
def test_nor_is_one_of_the_place_where_to_sign_in(standin, connected, tmp_path, status):
    standin.faults.add(Fault(SIGN_IN, status, times=ALWAYS, body=b"<title>no</title>"))
    assert "Databricks failed" in outage_told(connected, tmp_path)


@pytest.mark.parametrize("path", [METADATA, SIGN_IN])
@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_an_outage_that_passes_is_sat_out(standin, connected, path, times):
    standin.faults.add(Fault(path, 500, times=times))
    assert connected() == "robot"


def test_a_host_that_answers_and_is_no_workspace_is_a_matter_of_settings(standin, connected):
    standin.faults.add(Fault(METADATA, 404, times=ALWAYS))
    with pytest.raises(InvalidSettings, match="oauth-m2m"):
        connected(unreachable=0.1)


def test_without_credentials_nothing_is_asked_but_by_the_sdk(standin, connected, monkeypatch):
    monkeypatch.delenv("DATABRICKS_CLIENT_ID")
    monkeypatch.delenv("DATABRICKS_CLIENT_SECRET")
    standin.faults.add(Fault(METADATA, 500, times=ALWAYS))
    with pytest.raises(InvalidSettings, match="cannot configure default credentials"):
        connected()
    assert standin.count(METADATA) == 1


def test_who_interrupts_waits_for_no_answer(standin, connected):
    gate, interruption, errors = threading.Event(), Interruption(), []
    silent = Fault(METADATA, None, until=gate)
    standin.faults.add(silent)

    def run():
        try:
            connected(interruption)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while silent.times:
            assert thread.is_alive()
            time.sleep(0.01)
        interruption.ask_for_good()
        thread.join(60)
        assert [type(error) for error in errors] == [Interrupted]
    finally:
        gate.set()
        thread.join()
