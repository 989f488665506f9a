"""The README's five lines, pasted into a shell; Airflow is a server that ends each run at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from builders import a_manifest
from cli.serving import serving
from daybook.contract import keys
from daybook.contract.manifest import NotebookRecord
from daybook.storage import open_store, record_of

CHECKOUT = Path(__file__).parents[2]
ASKED = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
RUN = keys.airflow_run_id("my_analysis", ASKED, "my_analysis", "r")


def five_lines() -> str:
    """The first block below the heading."""
    return (CHECKOUT / "README.md").read_text().split("## Your own notebook, in five lines")[1].split("```")[1]


@pytest.fixture
def airflow(tmp_path):
    """Airflow with the one DAG that the five lines make."""

    async def trigger(request: Request) -> JSONResponse:
        name = NotebookRecord(id="my_analysis", source="file:///x.ipynb")
        record_of(open_store((tmp_path / "bucket").as_uri()), RUN).write(a_manifest(run_id=RUN, notebook=name))
        run = {"dag_id": "my_analysis", "dag_run_id": "r", "state": "success", "run_after": ASKED.isoformat()}
        return JSONResponse(run)

    dag = "/api/v2/dags/my_analysis"
    routes = [
        Route(dag, lambda _: JSONResponse({"is_paused": False})),
        Route(f"{dag}/dagRuns", trigger, methods=["POST"]),
        Route(f"{dag}/dagRuns/r", lambda _: JSONResponse({"detail": "gone"}, 500)),
    ]
    with serving(Starlette(routes=routes)) as url:
        yield url


def test_the_five_lines_work_as_they_stand(tmp_path, airflow):
    project = tmp_path / "project"
    shutil.copytree(CHECKOUT / "include" / "notebooks", project / "include" / "notebooks")
    (tmp_path / "workspaces.yaml").write_text(
        f"workspaces:\n  - {{name: local, members: ['*'], bucket: '{(tmp_path / 'bucket').as_uri()}'}}\n"
    )
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DAYBOOK_CATALOGUE": str(project / "include" / "notebooks"),
        "DAYBOOK_WORKSPACES": str(tmp_path / "workspaces.yaml"),
        "DAYBOOK_API_URL": airflow,
        "DAYBOOK_API_TOKEN": "t",
    }
    lines = five_lines()
    assert len(lines.strip().splitlines()) == 5
    done = subprocess.run(
        ["sh", "-e", "-c", lines], cwd=project, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "my_analysis can run in local" in done.stdout
    assert "my_analysis succeeded" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"{RUN}  succeeded")  # the list of runs
