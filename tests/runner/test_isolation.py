"""Nothing of a notebook runs in a pod that the network has not closed, where its workspace wants that."""

import os
import re
import socket
import threading

import pytest

from daybook.contract.errors import ExitCode, NotIsolated
from daybook.contract.manifest import Reason, State
from daybook.runner import isolation
from daybook.runner.isolation import isolating

REQUIRED = {"DAYBOOK_NETWORK_POLICIES": "required"}


@pytest.fixture
def api():
    """Something that answers where Kubernetes' API would, until it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def found_at(server):
    host, port = server.getsockname()
    return {**REQUIRED, "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port)}


def test_a_network_that_closes_late_is_waited_for(api, monkeypatch):
    looked = threading.Event()
    monkeypatch.setattr(
        isolation, "_answers", lambda *where, answers=isolation._answers: answers(*where) or looked.set()
    )
    with isolating(found_at(api), 60) as require_isolated:
        api.close()
        require_isolated()
        assert looked.is_set()


@pytest.mark.parametrize(
    ("variables", "why"),
    [(None, "enforce policies?"), ({}, "KUBERNETES_SERVICE_HOST"), ({"KUBERNETES_SERVICE_HOST": "h"}, "no telling")],
)
def test_an_open_network_or_none_that_could_be_asked_is_told(api, variables, why):
    given = found_at(api) if variables is None else REQUIRED | variables
    with isolating(given, 0) as require_isolated, pytest.raises(NotIsolated, match=re.escape(why)):
        require_isolated()


def test_a_run_that_ends_for_another_reason_does_not_wait_for_the_network(api):
    with isolating(found_at(api), 3600):
        pass


def test_nobody_looks_where_nobody_wants_to_know(monkeypatch):
    monkeypatch.setattr(isolation, "_answers", lambda *_: pytest.fail("looked"))
    with isolating({"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}, 0) as require_isolated:
        require_isolated()


def test_no_cell_is_executed_in_an_open_network(run, api):
    done = run(
        "from pathlib import Path\nPath(r'%s').touch()" % (run.root / "touched"), environment=os.environ | found_at(api)
    )
    assert (done.exit_code, done.manifest.state) == (ExitCode.INFRASTRUCTURE_FAILED, State.FAILED)
    assert done.manifest.reason is Reason.POD_FAILED
    assert "network policies must deny" in done.manifest.message
    assert not (run.root / "touched").exists()


def test_a_run_in_a_closed_network_goes_its_way(run, api):
    api.close()
    variables = {**REQUIRED, "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "9"}
    assert run("1", environment=os.environ | variables).exit_code == ExitCode.SUCCEEDED
