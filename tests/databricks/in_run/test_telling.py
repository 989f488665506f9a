"""What the kernel tells of its cluster is what the runner reads."""

import pytest

from daybook.contract.errors import InvalidSettings
from daybook.contract.manifest import Reason
from daybook.contract.variables import RESULTS_VARIABLE
from daybook.databricks.errors import (
    ClusterUnavailable,
    CommandTimedOut,
    ContextLost,
    DatabricksFailed,
    DatabricksRefused,
    HandoverUnsure,
)
from daybook.databricks.in_run.telling import Telling
from daybook.runner.events import events_of


@pytest.fixture
def told(tmp_path):
    """Has something told, and gives what the runner reads of it."""

    def told(*tell):
        telling = Telling({RESULTS_VARIABLE: str(tmp_path / "events")})
        for each in tell:
            each(telling)
        return events_of(tmp_path / "events")

    return told


def test_the_cluster_and_its_commands(told):
    found = told(
        lambda t: t.cluster("https://x", "c-1"),
        lambda t: t.cluster("https://x", "c-1", context_id="ctx", runtime_version="15.4.x", spark_version=None),
        lambda t: t.command(3, "cmd"),
        lambda t: t.lost("output a"),
    )
    assert (found.databricks.context_id, found.databricks.runtime_version) == ("ctx", "15.4.x")
    assert found.databricks.driver_log == "https://x/#setting/sparkui/c-1/driver-logs"
    assert (found.commands, found.lost) == ({3: "cmd"}, ["output a"])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ClusterUnavailable("x"), Reason.CLUSTER_UNAVAILABLE),
        (DatabricksFailed("x"), Reason.CLUSTER_UNAVAILABLE),
        (DatabricksRefused("x"), Reason.CREDENTIALS_REFUSED),
        (ContextLost("x"), Reason.CONTEXT_LOST),
        (InvalidSettings("x"), Reason.INVALID_REQUEST),
        (CommandTimedOut("x"), None),
        (HandoverUnsure("x"), None),
        (ValueError("x"), None),
    ],
)
def test_a_failure_has_the_reason_of_its_kind(told, error, reason):
    assert told(lambda t: t.failure(7, error)).failures == ({7: reason} if reason else {})


def test_without_a_run_nobody_is_told():
    telling = Telling({})
    telling.lost("x")
    assert not telling.is_heard
