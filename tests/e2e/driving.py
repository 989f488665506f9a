"""Driving the running stack, as a program and as a person."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from e2e_notebooks import write_notebooks
from kubernetes.client import CoreV1Api
from kubernetes.config import new_client_from_config

CHECKOUT = Path(__file__).parents[2]
DAYBOOK = CHECKOUT / ".venv" / "bin" / "daybook"
OWN_DAG = '''
"""Somebody's own DAG with Daybook's operator."""
from datetime import timedelta

from airflow.sdk import DAG, task

from daybook.on_airflow.operator import NotebookOperator

with DAG("own", schedule=None, is_paused_upon_creation=False):

    @task
    def words():
        return [{"word": "first"}, {"word": "second", "times": 1}]

    NotebookOperator(task_id="waits_here", notebook="echo", parameters={"word": "{{ run_id }}"}, deferrable=False)
    NotebookOperator.partial(task_id="mapped", notebook="echo", workspace="local").expand(parameters=words())
    NotebookOperator(
        task_id="tried_again", notebook="out_of_reach", retries=1, retry_delay=timedelta(seconds=1)
    )
'''
ENDED_DAG = '''
"""A task that waits until it is ended, and writes down why it thinks that it is."""
import time
from pathlib import Path

from airflow.sdk import DAG, BaseOperator

from daybook.on_airflow.cancelling import Question


class WaitsForItsEnd(BaseOperator):
    why = None

    def execute(self, context):
        ti, folder = context["ti"], Path(context["params"]["folder"])
        (folder / f"begun-{ti.try_number}").touch()
        while ti.try_number == 1 and self.why is None:
            time.sleep(0.1)
        (folder / f"ended-{ti.try_number}").write_text(str(self.why))
        if self.why:
            raise RuntimeError("ended")

    def on_kill(self):
        self.why = Question().ending().reason


with DAG("ended", schedule=None, is_paused_upon_creation=False, params={"folder": ""}):
    WaitsForItsEnd(task_id="waits", retries=1, retry_delay=1)
'''
QUIET = """\
[dag_processor]
refresh_interval = 30
min_file_process_interval = 30
"""
"""Options of Airflow: a parse takes a core for a second, too much each 15 s; changed workspaces wait for one."""
RUN_SECONDS = 150
"""How long a run may take on a busy machine before a test gives up."""


@dataclass
class Stack:
    """The running stack, as a program that uses it sees it."""

    root: Path
    url: str
    client: httpx.Client

    def daybook(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        """A command, as a person types it."""
        return subprocess.run(
            [str(DAYBOOK), *arguments],
            cwd=self.root,
            env=clean_environment(),
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
            **options,
        )

    def json(self, *arguments: str):
        """What a command says with `--json`."""
        done = self.daybook(*arguments, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def trigger(self, dag: str, conf: dict | None = None, **body) -> httpx.Response:
        """POST /api/v2/dags/{dag}/dagRuns."""
        return self.client.post(f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf or {}, **body})

    def dag_run(self, dag: str, run_id: str) -> dict:
        return self.client.get(f"/api/v2/dags/{dag}/dagRuns/{run_id}").raise_for_status().json()

    def ended(self, dag: str, run_id: str) -> dict:
        """The DAG run, once it has ended."""
        return until(lambda: run if (run := self.dag_run(dag, run_id))["state"] in ("success", "failed") else None)

    def xcom(self, dag: str, run_id: str, key: str = "return_value", task: str = "run", map_index: int = -1):
        where = f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/xcomEntries/{key}"
        entry = self.client.get(where, params={"map_index": map_index})
        return entry.raise_for_status().json()["value"]

    def asset_events(self, run_id: str) -> list[dict]:
        """The asset events of a DAG run; Airflow answers 500 while a run that one of them started is not begun."""
        ask = {"source_run_id": run_id}

        def answered():
            response = self.client.get("/api/v2/assets/events", params=ask)
            return response.json()["asset_events"] if response.status_code == 200 else None

        return until(answered, what="the list of asset events")

    def run_folder(self, run_id: str) -> Path:
        """Where a run's record lies in the bucket."""
        return self.root / ".daybook/bucket/runs" / run_id[:4] / run_id[4:6] / run_id[6:8] / run_id

    def manifest(self, run_id: str) -> dict:
        return json.loads((self.run_folder(run_id) / "manifest.json").read_text())

    def manifest_of(self, dag: str, dag_run_id: str) -> dict | None:
        """The manifest of an Airflow run, as soon as there is one."""
        for path in (self.root / ".daybook/bucket/runs").glob("*/*/*/*/manifest.json"):
            found = json.loads(path.read_text())
            here = found["airflow"] or {}
            if (here.get("dag_id"), here.get("run_id")) == (dag, dag_run_id):
                return found
        return None

    def pods(self) -> list[str]:
        """The names of all pods that localpods knows."""
        kubeconfig = str(self.root / ".daybook/kubeconfig")
        with new_client_from_config(config_file=kubeconfig) as client:
            return [pod.metadata.name for pod in CoreV1Api(client).list_pod_for_all_namespaces().items]

    def pods_of(self, run_id: str) -> list[str]:
        """The pods of one run; schedules and assets start others at any time."""
        return [name for name in self.pods() if run_id.rsplit("-", 1)[1] in name]

    def component(self, name: str) -> dict:
        """A component as `daybook status` tells it."""
        return next(
            each for each in json.loads(self.daybook("status", "--json").stdout)["components"] if each["name"] == name
        )


def until(probe, seconds: float = RUN_SECONDS, what: str = "it"):
    """Waits for a probe to give something, and returns that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(0.5)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def clean_environment() -> dict[str, str]:
    """Next to nothing, as on a new machine."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def make_project(root: Path) -> Path:
    """A project folder around the checkout's code, environments and examples, with our notebooks added."""
    for name in ("plugins", ".venv", ".venv-notebook", "src", "pyproject.toml", "scripts"):
        (root / name).symlink_to(CHECKOUT / name)
    shutil.copytree(CHECKOUT / "include", root / "include")
    shutil.copytree(CHECKOUT / "dags", root / "dags")
    (root / "dags" / "own.py").write_text(OWN_DAG)
    (root / "dags" / "ended.py").write_text(ENDED_DAG)
    write_notebooks(root / "include" / "notebooks")
    return root


@contextmanager
def running_stack(root: Path, *options: str, **environment: str) -> Iterator[Stack]:
    """The stack of a project, from `daybook up` with some options and variables to `daybook down`."""
    api, pods, spark, ui = free_ports(4)
    ports = ["--port", str(api), "--pods-port", str(pods), "--spark-port", str(spark), "--spark-ui-port", str(ui)]
    try:
        up = subprocess.run(
            [str(DAYBOOK), "up", *ports, *options],
            cwd=root,
            env=clean_environment() | environment,
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert up.returncode == 0, up.stdout + up.stderr
        url = f"http://127.0.0.1:{api}"
        with httpx.Client(base_url=url, timeout=30) as client:
            password = (root / ".daybook/admin-password").read_text().strip()
            token = client.post("/auth/token", json={"username": "admin", "password": password}).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield Stack(root, url, client)
    finally:
        subprocess.run([str(DAYBOOK), "down"], cwd=root, env=clean_environment(), timeout=300, check=False)


def kill(pid: int) -> None:
    """As hard as it gets."""
    os.kill(pid, signal.SIGKILL)
