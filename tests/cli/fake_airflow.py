"""An Airflow with one DAG and one run that answers over HTTP, and records as its operator and pods leave them."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from builders import a_manifest
from daybook.contract import keys
from daybook.contract.manifest import Manifest, NotebookRecord, State
from daybook.contract.request import AirflowCoordinates
from daybook.storage import record_of

ASKED = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
DAG_RUN = "manual__2026-11-23T01:02:03+00:00"
RUN = keys.airflow_run_id("echo", ASKED, "echo", DAG_RUN)
WHERE = AirflowCoordinates(dag_id="echo", run_id=DAG_RUN, task_id="run")


class Airflow:
    """One DAG with one run; `meanwhile` is what the operator and the pod do, called at each look at the run."""

    def __init__(self) -> None:
        self.state = "queued"
        self.conf: dict[str, object] | None = None
        self.patched: list[tuple[str, object]] = []
        self.looks = 0
        self.meanwhile = lambda look: None
        self.log: list[dict[str, object]] = []
        self.dag_id = "echo"
        self.task_state: str | None = None
        self.triggerers: list[int | None] = []  # of the deferred task at each look; none: it is not deferred
        self.unseen = 0  # how many more times the DAG is asked for before Airflow has seen it
        run = "/api/v2/dags/echo/dagRuns/{run_id}"
        self.app = Starlette(
            routes=[
                Route("/auth/token", lambda _: JSONResponse({"access_token": "t"}, 201), methods=["POST"]),
                Route("/api/v2/dags/echo", self.dag),
                Route("/api/v2/dags/echo/dagRuns", self.trigger, methods=["POST"]),
                Route("/api/v2/dags/clean_up", self.dag),
                Route("/api/v2/dags/clean_up/dagRuns", self.trigger, methods=["POST"]),
                Route("/api/v2/dags/spark_servers", self.dag),
                Route("/api/v2/dags/spark_servers/dagRuns", self.trigger, methods=["POST"]),
                Route("/api/v2/dags/~/dagRuns", self.runs),
                Route(run, self.look, methods=["GET"]),
                Route(run, self.patch, methods=["PATCH"]),
                Route(run + "/taskInstances", self.tasks),
                Route(run + "/taskInstances/{task}", self.patch, methods=["PATCH"]),
                Route(run + "/taskInstances/{task}/{index}", self.patch, methods=["PATCH"]),
                Route(run + "/taskInstances/{task}", self.task),
                Route(run + "/taskInstances/{task}/logs/1", lambda _: JSONResponse({"content": self.log})),
            ]
        )

    def document(self) -> dict[str, object]:
        when = ASKED.isoformat()
        return {"dag_id": self.dag_id, "dag_run_id": DAG_RUN, "state": self.state, "run_after": when, "conf": self.conf}

    def run(self) -> JSONResponse:
        return JSONResponse(self.document())

    async def runs(self, request: Request) -> JSONResponse:
        """The run, once somebody has asked for it."""
        wanted, states = request.query_params.get("run_id_pattern", DAG_RUN), request.query_params.getlist("state")
        fits = self.conf is not None and wanted == DAG_RUN and (not states or self.state in states)
        return JSONResponse({"dag_runs": [self.document()] if fits else [], "total_entries": int(fits)})

    async def task(self, _: Request) -> JSONResponse:
        return JSONResponse({"try_number": 1, "state": self.task_state})

    async def tasks(self, _: Request) -> JSONResponse:
        if not self.triggerers:
            return JSONResponse({"task_instances": [{"state": "running", "trigger": None}]})
        trigger = {"id": 1, "triggerer_id": self.triggerers.pop(0)}
        return JSONResponse({"task_instances": [{"state": "deferred", "trigger": trigger}]})

    async def dag(self, _: Request) -> JSONResponse:
        self.unseen -= 1
        return JSONResponse({"detail": "no such DAG"}, 404) if self.unseen >= 0 else JSONResponse({"is_paused": False})

    async def trigger(self, request: Request) -> JSONResponse:
        self.conf = (await request.json())["conf"]
        return self.run()

    async def look(self, _: Request) -> JSONResponse:
        self.looks += 1
        self.meanwhile(self.looks)
        return self.run()

    async def patch(self, request: Request) -> JSONResponse:
        self.patched.append((request.url.path, await request.json()))
        self.meanwhile(0)
        return self.run()


def manifest(**changes) -> Manifest:
    given = {"run_id": RUN, "notebook": NotebookRecord(id="echo", source="file:///x.ipynb"), "airflow": WHERE}
    return a_manifest(**{**given, **changes})


def running(**changes) -> Manifest:
    return manifest(state=State.RUNNING, sealed=False, sealed_by=None, exit_code=None, results={}, **changes)


def write(bucket, found: Manifest) -> None:
    record_of(bucket, found.run_id).write(found)
