"""Two hundred runs at once through localpods, beside as many of the plain KubernetesPodOperator, both deferrable,
each in a stack of its own, one after the other.

The pods wait in a shell for a lock on a file, so that all of them wait at the same time: then the worker slots that
are taken are counted, and the triggerer is weighed. Then they are let go, and the drain is timed. The notebooks are
trivial, but each is a runner and a kernel, while a plain pod is a shell that ends: what the drain of runs costs more is
mostly theirs. Two hundred kernels do not fit into one machine at once, so a few work at a time.

`many_runs.py 50` takes fewer runs.
"""

import contextlib
import fcntl
import json
import shutil
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path

import httpx
import psutil
import yaml
from latency import a_stack
from measure import keep

RUNS = 200
WARM_UP = 3
LOOK_SECONDS = 0.5
OK = 200
SETTLE_SECONDS = 10
ROOM = 1000
"""More than are ever asked for."""
PLAIN = '''
"""As many plain pods, which wait for the same file."""
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG

with DAG("plain", schedule=None, is_paused_upon_creation=False, max_active_runs=1000, max_active_tasks=1000):
    KubernetesPodOperator(
        task_id="run", name="plain", image="daybook/gated:latest", cmds=["/bin/sh", "-c"],
        arguments=["{wait}"],
        deferrable=True, poll_interval=1.0, logging_interval=None, do_xcom_push=False, log_events_on_startup=False,
        startup_timeout_seconds=3600, schedule_timeout_seconds=3600,
    )
'''
AT_ONCE = 4
"""How many notebooks work at once when they are let go."""

WAIT = "flock --shared {gate} true"
IN_TURN = f'; exec flock {{gate}}-$(($$ % {AT_ONCE})) "$0" "$@"'


class Gated:
    """One of the two kinds of runs.

    Args:
        root: the stack's project.
        client: signed in.
        dag: whose runs.
        gate: the file that the pods wait for: as long as it is locked.
    """

    def __init__(self, root: Path, client: httpx.Client, dag: str, gate: Path) -> None:
        self.root = root
        self.client = client
        self.dag = dag
        self.gate = gate

    def measure(self, count: int) -> dict[str, float]:
        """Triggers, waits until all wait, weighs, lets go, waits until all have ended."""
        locked = self.gate.open("w")
        fcntl.flock(locked, fcntl.LOCK_EX)
        self.until(lambda: self.client.get(f"/api/v2/dags/{self.dag}").status_code == OK)
        done = self.tasks("success") + self.tasks("failed")
        triggerer = psutil.Process(pid_of(self.root, "airflow-triggerer"))
        before = weight(triggerer)
        began = time.monotonic()
        for _ in range(count):
            body = {"logical_date": None, "conf": {}}
            self.client.post(f"/api/v2/dags/{self.dag}/dagRuns", json=body).raise_for_status()
        self.until(lambda: self.tasks("deferred") == count)
        all_wait = time.monotonic() - began
        time.sleep(SETTLE_SECONDS)  # not readiness: the triggerer shall have taken up all of them
        slots = statistics.mean(self.running_slots() for _ in range(10))
        after = weight(triggerer)
        freed = time.time()
        locked.close()
        self.until(lambda: self.tasks("success") + self.tasks("failed") == done + count)
        last = max(datetime.fromisoformat(each["end_date"]).timestamp() for each in self.listed())
        failed = self.tasks("failed")
        return {
            "seconds until all wait": all_wait,
            "worker slots held while all wait": slots,
            "triggerer KB per waiting run": (after - before) / count / 1e3,
            "seconds to drain": last - freed,
            "failed": failed,
        }

    def tasks(self, state: str) -> int:
        """How many task instances are in a state."""
        where = f"/api/v2/dags/{self.dag}/dagRuns/~/taskInstances"
        return self.client.get(where, params={"state": state, "limit": 1}).raise_for_status().json()["total_entries"]

    def running_slots(self) -> int:
        """How many worker slots are taken now, by whatever."""
        time.sleep(LOOK_SECONDS)
        where = "/api/v2/dags/~/dagRuns/~/taskInstances"
        found = [
            self.client.get(where, params={"state": state, "limit": 1}).raise_for_status().json()["total_entries"]
            for state in ("running", "queued")
        ]
        return sum(found)

    def listed(self) -> list[dict]:
        """All task instances, page by page."""
        found: list[dict] = []
        where = f"/api/v2/dags/{self.dag}/dagRuns/~/taskInstances"
        while True:
            page = self.client.get(where, params={"limit": 100, "offset": len(found)}).raise_for_status().json()
            found += page["task_instances"]
            if len(found) >= page["total_entries"]:
                return found

    def until(self, probe) -> None:
        """Waits, however long it takes."""
        while not probe():
            time.sleep(LOOK_SECONDS)


def pid_of(root: Path, component: str) -> int:
    """The process of a component of the stack."""
    return json.loads((root / ".daybook" / "run" / f"{component}.json").read_text())["pid"]


def weight(process: psutil.Process) -> int:
    """Proportional set size of a process and its children, in bytes."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += each.memory_full_info().pss
    return total


def gated_notebook(root: Path) -> None:
    """The trivial notebook again, in an image that waits."""
    notebooks = root / "include" / "notebooks"
    shutil.copytree(notebooks / "one_cell", notebooks / "gated")
    run = {"spark": False, "image": "daybook/gated:latest"}
    (notebooks / "gated" / "spec.yaml").write_text(json.dumps({"max_active_runs": 1000, "run": run}))


def gated_image(root: Path, gate: Path) -> None:
    """An image whose entrypoint waits for the gate; localpods reads the file at each look."""
    path = root / ".daybook" / "images.json"
    images = json.loads(path.read_text())
    (usual,) = images.values()
    entrypoint = ["/bin/sh", "-c", (WAIT + IN_TURN).format(gate=gate), *usual["entrypoint"]]
    path.write_text(json.dumps({**images, "daybook/gated": {**usual, "entrypoint": entrypoint}}))


def roomy_workspace(root: Path) -> None:
    """The stack's workspace with room for all runs at once; it is read again without a restart."""
    path = root / ".daybook" / "workspaces.yaml"
    document = yaml.safe_load(path.read_text())
    for each in document["workspaces"]:
        each["runs_at_once"] = ROOM
    path.write_text(yaml.safe_dump(document))


def main() -> None:
    """Measures, prints, keeps."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    gates: dict[str, Path] = {}

    def prepare(root: Path) -> None:
        gates.update({name: root / f"gate-{name}" for name in ("gated", "plain")})
        gated_notebook(root)
        (root / "dags" / "plain.py").write_text(PLAIN.format(wait=WAIT.format(gate=gates["plain"])))

    found = {}
    for name in ("plain", "gated"):
        # Each in a stack of its own: a triggerer does not give back what it once had, and lends it to the next.
        with a_stack(prepare) as (root, client):
            gated_image(root, gates["gated"])
            roomy_workspace(root)
            kind = Gated(root, client, name, gates[name])
            kind.measure(WARM_UP)  # what the triggerer loads once belongs to no run
            found[name] = kind.measure(count)
    print(f"\n{count} runs at once: plain KubernetesPodOperator, Daybook, ratio")
    for what, plain in found["plain"].items():
        ours = found["gated"][what]
        ratio = f"x{ours / plain:.2f}" if plain else ""
        print(f"  {what:36} {plain:10.1f} {ours:10.1f}  {ratio}")
    keep("many_runs", {"runs": count, **found})


if __name__ == "__main__":
    main()
