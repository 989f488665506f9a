"""From a trigger to the sealed manifest of a one-cell notebook, beside an empty Airflow task in the same stack.

Starts a stack of its own, waits until it is idle, and tells its memory (proportional set size) as well.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import httpx
import psutil
from measure import CHECKOUT, in_turns, keep, medians, table
from peers import a_notebook

DAYBOOK = str(CHECKOUT / ".venv" / "bin" / "daybook")
SETTLE_SECONDS = 20
EMPTY = '''
"""An empty Airflow task, the floor for any run."""
from airflow.sdk import DAG, task

with DAG("empty", schedule=None, is_paused_upon_creation=False):

    @task
    def nothing():
        pass

    nothing()
'''


@contextlib.contextmanager
def a_stack(prepare: Callable[[Path], None] = lambda _: None) -> Iterator[tuple[Path, httpx.Client]]:
    """A running stack in a project folder of its own, with a signed-in client.

    Args:
        prepare: adds to the project before the stack starts.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for each in ("plugins", ".venv", ".venv-notebook", "src", "pyproject.toml"):
            (root / each).symlink_to(CHECKOUT / each)
        shutil.copytree(CHECKOUT / "dags", root / "dags")
        (root / "dags" / "empty.py").write_text(EMPTY)
        (root / "include" / "notebooks" / "one_cell").mkdir(parents=True)
        a_notebook(root / "include" / "notebooks" / "one_cell" / "notebook.ipynb", ["print(1)"])
        prepare(root)
        ports = free_ports(4)
        options = zip(("--port", "--pods-port", "--spark-port", "--spark-ui-port"), map(str, ports), strict=True)
        try:
            subprocess.run([DAYBOOK, "up", *(part for pair in options for part in pair)], cwd=root, check=True)
            with httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", timeout=30) as client:
                sign_in(root, client)
                yield root, client
        finally:
            subprocess.run([DAYBOOK, "down"], cwd=root, check=False)


def free_ports(count: int) -> list[int]:
    """Ports that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def sign_in(root: Path, client: httpx.Client) -> None:
    """As the stack's administrator."""
    password = (root / ".daybook" / "admin-password").read_text().strip()
    token = client.post("/auth/token", json={"username": "admin", "password": password}).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"


def run(client: httpx.Client, dag: str) -> tuple[float, float, dict]:
    """Triggers a DAG; when it was triggered, how many seconds its run took, and the run."""
    triggered = time.time()
    body = {"logical_date": None, "conf": {}}
    run_id = client.post(f"/api/v2/dags/{dag}/dagRuns", json=body).raise_for_status().json()["dag_run_id"]
    while (found := client.get(f"/api/v2/dags/{dag}/dagRuns/{run_id}").json())["state"] not in ("success", "failed"):
        time.sleep(0.1)
    if found["state"] != "success":
        raise RuntimeError(f"{dag} {found['state']}")
    return triggered, datetime.fromisoformat(found["end_date"]).timestamp() - triggered, found


def sealed_after(root: Path, client: httpx.Client) -> float:
    """Seconds from trigger to the sealed manifest."""
    triggered, _, found = run(client, "one_cell")
    for path in (root / ".daybook" / "bucket" / "runs").glob("*/*/*/*/manifest.json"):
        manifest = json.loads(path.read_text())
        if manifest["airflow"]["run_id"] == found["dag_run_id"]:
            return datetime.fromisoformat(manifest["timings"]["finished_at"]).timestamp() - triggered
    raise RuntimeError("no manifest")


def memory(root: Path) -> float:
    """Proportional set size of all processes of the stack, in MB."""
    total = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            belongs = str(root) in " ".join([*process.cmdline(), *process.environ().values()])
            if belongs and process.pid != os.getpid():
                total += process.memory_full_info().pss
    return total / 1e6


def main() -> None:
    """Measures, prints, keeps."""
    with a_stack() as (root, client):
        time.sleep(SETTLE_SECONDS)  # not readiness: the stack shall be idle
        idle = memory(root)
        run(client, "empty"), run(client, "one_cell")
        found = in_turns(
            {
                "empty Airflow task, trigger to success": lambda: run(client, "empty")[1],
                "one-cell notebook, trigger to sealed": lambda: sealed_after(root, client),
                "one-cell notebook, trigger to success": lambda: run(client, "one_cell")[1],
            }
        )
    figures = medians(found)
    table("Through the running stack, median of five", "s", figures, "empty Airflow task, trigger to success")
    print(f"  memory of the idle stack: {idle:.0f} MB")
    keep("latency", {"unit": "s", "all": found, "medians": figures, "idle_stack_mb": round(idle)})


if __name__ == "__main__":
    main()
