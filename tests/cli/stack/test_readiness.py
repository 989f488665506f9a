import sys
from datetime import UTC, datetime, timedelta

import httpx
import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from cli.serving import free_ports, serving
from daybook.cli.stack.processes import ProcessRecord
from daybook.cli.stack.readiness import Readiness, asked
from daybook.contract.errors import InfrastructureFailed

START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
BEFORE, AFTER = (START - timedelta(seconds=5)).isoformat(), (START + timedelta(seconds=5)).isoformat()
RECORD = ProcessRecord(component="x", pid=1, created=0.0, started_at=START.isoformat(), command=("x",), log="x.log")


class Airflow:
    """The little of Airflow that is asked."""

    def __init__(self) -> None:
        self.health = {
            "metadatabase": {"status": "healthy"},
            "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": AFTER},
            "triggerer": {"status": "healthy", "latest_triggerer_heartbeat": AFTER},
            "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": AFTER},
        }
        self.parsed: str | None = AFTER
        self.import_errors: list[dict[str, str]] = []
        self.app = Starlette(
            routes=[
                Route("/api/v2/monitor/health", lambda _: JSONResponse(self.health)),
                Route("/auth/token", self.token, methods=["POST"]),
                Route("/api/v2/dags/run_notebook", self.dag),
                Route("/api/v2/importErrors", lambda _: JSONResponse({"import_errors": self.import_errors})),
            ]
        )

    async def token(self, request: Request) -> JSONResponse:
        assert await request.json() == {"username": "admin", "password": "secret"}
        return JSONResponse({"access_token": "token"}, 201)

    async def dag(self, request: Request) -> JSONResponse:
        assert request.headers["authorization"] == "Bearer token"
        return JSONResponse({"last_parsed_time": self.parsed}) if self.parsed else JSONResponse({}, 404)


@pytest.fixture
def server():
    return Airflow()


@pytest.fixture
def probe(server):
    with serving(server.app) as url, httpx.Client(trust_env=False) as client:
        readiness = Readiness(url, lambda: ("admin", "secret"), client)
        yield lambda component: asked(readiness.airflow(component), RECORD)


@pytest.mark.parametrize("component", ["api-server", "scheduler", "triggerer", "dag-processor"])
def test_a_healthy_component_is_ready(probe, component):
    assert probe(component) is None


def test_the_heartbeat_of_a_component_that_was_killed_a_moment_ago_does_not_count(server, probe):
    server.health["scheduler"]["latest_scheduler_heartbeat"] = BEFORE
    assert probe("scheduler") == "no heartbeat yet"
    assert probe("triggerer") is None


def test_a_component_that_never_ran_is_not_ready(server, probe):
    server.health["triggerer"] = {"status": None}
    assert probe("triggerer") == "no heartbeat yet"


def test_the_api_server_needs_its_database(server, probe):
    server.health["metadatabase"]["status"] = "unhealthy"
    assert probe("api-server") == "its database is not healthy"


@pytest.mark.parametrize("parsed", [None, BEFORE])
def test_the_dag_processor_is_ready_once_it_has_parsed_the_dags_itself(server, probe, parsed):
    server.parsed = parsed
    assert probe("dag-processor") == "the DAG run_notebook is not parsed yet"


def test_dags_that_cannot_be_imported_are_named_at_once(server, probe):
    server.parsed = None
    trace = "Traceback\n  File\nValueError: no such thing\n"
    server.import_errors = [{"timestamp": AFTER, "filename": "notebooks.py", "stack_trace": trace}]
    with pytest.raises(InfrastructureFailed, match=r"notebooks\.py: ValueError: no such thing"):
        probe("dag-processor")


@pytest.mark.parametrize(("filename", "timestamp"), [("broken_entries.py", AFTER), ("notebooks.py", BEFORE)])
def test_the_import_error_of_broken_entries_and_old_ones_are_no_reason_to_give_up(server, probe, filename, timestamp):
    server.parsed = None
    server.import_errors = [{"timestamp": timestamp, "filename": filename, "stack_trace": "x"}]
    assert probe("dag-processor") == "the DAG run_notebook is not parsed yet"


def test_nobody_there_is_not_ready():
    with httpx.Client(trust_env=False) as client:
        readiness = Readiness(f"http://127.0.0.1:{free_ports(1)[0]}", lambda: ("", ""), client)
        assert asked(readiness.airflow("api-server"), RECORD) == "no answer yet"
        assert asked(readiness.airflow("scheduler"), RECORD) == "waiting for the API server"


def test_an_answer_that_is_not_airflows_is_not_ready():
    app = Starlette(routes=[Route("/api/v2/monitor/health", lambda _: JSONResponse({"hello": "world"}))])
    with serving(app) as url, httpx.Client(trust_env=False) as client:
        readiness = Readiness(url, lambda: ("", ""), client)
        assert asked(readiness.airflow("api-server"), RECORD) == "its database is not healthy"


def spark(code: str):
    with httpx.Client() as client:
        return Readiness("", lambda: ("", ""), client), (sys.executable, "-c", code)


def until_ready(probe):
    while (missing := asked(probe, RECORD)) is not None:
        assert missing == "no session yet"


def test_spark_is_ready_when_its_check_succeeds(tmp_path):
    done = tmp_path / "done"
    readiness, check = spark(f"import os, time\nwhile not os.path.exists({str(done)!r}): time.sleep(0.01)")
    probe = readiness.spark(check, {})
    assert asked(probe, RECORD) == "no session yet"
    done.touch()
    until_ready(probe)
    readiness.close()


def test_a_check_that_fails_says_why():
    readiness, check = spark("import sys; sys.exit('refuses the key')")
    probe = readiness.spark(check, {})
    with pytest.raises(InfrastructureFailed, match="refuses the key"):
        until_ready(probe)
    readiness.close()


def test_closing_ends_a_check_that_still_waits():
    readiness, check = spark("import time; time.sleep(60)")
    probe = readiness.spark(check, {})
    assert asked(probe, RECORD) == "no session yet"
    children = set(psutil.Process().children())
    readiness.close()
    readiness.close()
    assert len(children - set(psutil.Process().children())) == 1
