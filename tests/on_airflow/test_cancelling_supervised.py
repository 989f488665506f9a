"""Airflow's own supervisor ends a task: what the task, in the middle of its signal handler, learns about the reason."""

import json
import os
import subprocess
import sys

import pytest

CASES = {
    "failed": ("conflict", "failed", "cancelled"),
    "cleared": ("conflict", "restarting", "cancelled"),
    "given_up": ("conflict", "up_for_retry", "terminated"),
    "worker_ends": ("worker", "running", "terminated"),
    "nobody_answers": ("worker", None, "terminated"),
    "in_a_request": ("request", "failed", "terminated"),
}
"""How each task is ended, its state, and what it is to learn.

Its heartbeat is refused, or its worker gets SIGTERM, or it gets that itself while it waits for another answer.
"""

DAG = """
import os
import time
from pathlib import Path

from airflow.sdk import DAG, BaseOperator

from daybook.on_airflow.cancelling import Question


class WaitsForItsEnd(BaseOperator):
    why = run_id = None

    def execute(self, context):
        self.run_id = context["run_id"]
        Path(f"begun-{self.run_id}").write_text(str(os.getpid()))
        if self.run_id == "in_a_request":
            context["ti"].xcom_pull(task_ids="another")
        while self.why is None:
            time.sleep(0.05)

    def on_kill(self):
        self.why = Question().ending().reason
        Path(f"why-{self.run_id}").write_text(self.why)


with DAG("ended", schedule=None):
    WaitsForItsEnd(task_id="waits")
"""
SUPERVISOR = """
import json
import os
import signal
import sys
import uuid
from pathlib import Path

import httpx
from airflow.executors.workloads import BundleInfo, TaskInstanceDTO
from airflow.sdk.api.client import Client
from airflow.sdk.execution_time.supervisor import supervise_task

MOMENT = "2026-11-26T00:00:00Z"
DAG_RUN = {
    "dag_id": "ended", "logical_date": None, "data_interval_start": None, "data_interval_end": None,
    "start_date": MOMENT, "end_date": None, "run_after": MOMENT, "run_type": "manual", "state": "running",
    "partition_key": None, "consumed_asset_events": [],
}


def answers(case, how, state):
    def answer(request):
        path = request.url.path
        if path.endswith("/run"):
            context = {"dag_run": {**DAG_RUN, "run_id": case}, "max_tries": 0, "should_retry": False}
            return httpx.Response(200, json=context)
        if path.endswith("/states"):
            told = httpx.Response(200, json={"task_states": {case: {"waits": state}}})
            return told if state else httpx.Response(404, json={"detail": "nowhere"})
        if path.startswith("/xcoms/"):
            os.kill(int(Path(f"begun-{case}").read_text()), signal.SIGTERM)
            return httpx.Response(404, json={"detail": "none"})
        if path.endswith("/heartbeat") and how != "request" and Path(f"begun-{case}").exists():
            if how == "conflict":
                return httpx.Response(409, json={"detail": {"reason": "not_running", "message": "no longer"}})
            os.kill(os.getpid(), signal.SIGTERM)
        return httpx.Response(204)

    return httpx.MockTransport(answer)


for case, (how, state, _) in json.loads(sys.argv[1]).items():
    supervise_task(
        ti=TaskInstanceDTO(
            id=uuid.uuid4(), dag_version_id=uuid.uuid4(), task_id="waits", dag_id="ended", run_id=case, try_number=1,
            map_index=-1, pool_slots=1, queue="default", priority_weight=1,
        ),
        bundle_info=BundleInfo(name="here"),
        dag_rel_path="ended.py",
        token="",
        client=Client(base_url=None, dry_run=True, token="", transport=answers(case, how, state)),
    )
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The folder in which each task, and so its supervisor, has ended; and what was said."""
    home = tmp_path_factory.mktemp("supervised")
    (home / "ended.py").write_text(DAG)
    (home / "supervisor.py").write_text(SUPERVISOR)
    bundle = {
        "name": "here",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(home)},
    }
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    }
    done = subprocess.run(
        [sys.executable, "supervisor.py", json.dumps(CASES)],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    return home, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES)
def test_a_task_that_is_ended_knows_whether_somebody_cancelled_it(ended, case):
    home, said = ended
    why = home / f"why-{case}"
    assert why.exists(), said
    assert why.read_text() == CASES[case][2]
