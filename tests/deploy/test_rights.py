"""The operator works with just the rights that the manifests give, and uses each of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builders import RUN_ID, a_manifest, a_notebook_json
from daybook.contract.manifest import State
from daybook.pods import CONTAINER
from daybook.storage import open_store, record_of
from deploy.rendered import KUBERNETES, OVERLAYS, render
from deploy.rights import Door, Right, door, rights_of
from localpods.really_started import TOKEN, Localpods

NAMESPACE = "daybook-climate"
"""A workspace of kind `sts`, whose namespace grants Airflow all that any does."""

README_OVERLAY = "dev"

WORKER, TRIGGERER = "airflow-worker", "airflow-triggerer"

NOT_USED_HERE = {
    Right("list", "pods"): "the sweeper: pods that outlived their run",
    Right("create", "secrets"): "credentials of the kind sts: each pod's Secret",
    Right("patch", "secrets"): "credentials of the kind sts: renewed while the run goes on",
    Right("list", "secrets"): "the sweeper: Secrets whose pod is gone",
    Right("delete", "secrets"): "the sweeper: the same",
    Right("create", "services"): "Spark servers: the Service of each",
}
"""Rights that the runs below may have no need of, and who has."""

DAGS = """
from airflow.sdk import DAG
from daybook.on_airflow.operator import NotebookOperator

with DAG("rights", schedule=None) as dag:
    for conn, deferrable in (("worker", False), ("both", True)):
        for notebook in ("hello", "bad"):
            NotebookOperator(
                task_id=f"{conn}_{notebook}", notebook=notebook, deferrable=deferrable, kubernetes_conn_id=conn
            )
"""
RUN = """
import json
from airflow.utils.db import initdb
initdb()
from rights_of_the_test import dag
run = dag.test()
print("STATES " + json.dumps({one.task_id: str(one.state) for one in run.get_task_instances()}))
"""
WATCH_AND_CANCEL = """
import asyncio, datetime, json, os, sys
from daybook.on_airflow.trigger import NotebookTrigger

def trigger(pod, run_id):
    return NotebookTrigger(
        run={"workspace": "climate", "run_id": run_id, "attempt": 1}, pod_name=pod, pod_namespace="daybook-climate",
        trigger_start_time=datetime.datetime.now(datetime.UTC), base_container_name="notebook",
        kubernetes_conn_id="triggerer", poll_interval=0.2, log_events_on_startup=False,
    )

async def main():
    ends, stays, run_id = sys.argv[1:]
    print("EVENT", json.dumps((await anext(trigger(ends, run_id).run())).payload["status"]))
    await trigger(stays, run_id).on_kill()

asyncio.run(main())
"""


@dataclass
class Stack:
    """Airflow's side, and the doors its connections lead through."""

    home: Path
    localpods: Localpods
    doors: dict[str, Door]

    def airflow(self, script: str, *arguments: str) -> str:
        path = self.home / "script.py"
        path.write_text(script)
        done = subprocess.run(
            [sys.executable, str(path), *arguments],
            env=self._environment(),
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=250,
            check=False,
        )
        return done.stdout

    def pod(self, code: str) -> str:
        """Makes a pod past the doors, as a worker did before; gives its name."""
        container = {"name": CONTAINER, "image": "daybook/notebook", "command": [sys.executable, "-c", code]}
        pod = {"metadata": {"generateName": "test-"}, "spec": {"containers": [container]}}
        with self.localpods.http() as http:
            answer = http.post(f"/api/v1/namespaces/{NAMESPACE}/pods", json=pod)
        return str(answer.json()["metadata"]["name"])

    def pods(self) -> set[str]:
        with self.localpods.http() as http:
            answer = http.get(f"/api/v1/namespaces/{NAMESPACE}/pods")
        return {each["metadata"]["name"] for each in answer.json()["items"]}

    def _environment(self) -> dict[str, str]:
        connections = {
            f"AIRFLOW_CONN_{name.upper()}": json.dumps({"conn_type": "kubernetes", "extra": self._extra(name)})
            for name in self.doors
        }
        return connections | {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "dags"),
            "PYTHONPATH": str(self.home / "dags"),
            "DAYBOOK_CATALOGUE": f"{KUBERNETES / 'catalogue' / 'catalogue.json'}:{self.home / 'notebooks'}",
            "DAYBOOK_WORKSPACES": str(self.home / "workspaces.yaml"),
        }

    def _extra(self, name: str) -> dict[str, Any]:
        path = self.doors[name].write_kubeconfig(self.home / f"{name}.kubeconfig", TOKEN)
        return {"kube_config_path": str(path), "in_cluster": False, "namespace": NAMESPACE}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("rights")
    running = Localpods(tmp_path_factory.mktemp("localpods"))
    image = {"prefix": sys.prefix, "entrypoint": [str(Path(sys.executable).with_name("daybook"))]}
    running.images.write_text(json.dumps({"daybook/notebook": image}))
    running.start()
    (home / "dags").mkdir()
    (home / "dags" / "rights_of_the_test.py").write_text(DAGS)
    (home / "notebooks" / "bad").mkdir(parents=True)
    (home / "notebooks" / "bad" / "notebook.ipynb").write_text(a_notebook_json(["raise RuntimeError('not fine')"]))
    (home / "notebooks" / "bad" / "spec.yaml").write_text("title: Bad\n")
    (home / "workspaces.yaml").write_text(
        f"workspaces:\n  - {{name: climate, bucket: '{(home / 'bucket').as_uri()}', members: ['*'], "
        f"namespace: {NAMESPACE}}}\n"
    )
    prod = render("prod")
    accounts = {"worker": [WORKER], "triggerer": [TRIGGERER], "both": [WORKER, TRIGGERER]}
    rights = {name: rights_of(prod, NAMESPACE, *those) for name, those in accounts.items()}
    with (
        door(running.port, NAMESPACE, rights["worker"]) as worker,
        door(running.port, NAMESPACE, rights["triggerer"]) as triggerer,
        door(running.port, NAMESPACE, rights["both"]) as both,
    ):
        yield Stack(home, running, {"worker": worker, "triggerer": triggerer, "both": both})
    running.close()


@pytest.fixture(scope="module")
def said(stack: Stack) -> str:
    """What Airflow said while it ran `hello` and one that fails, waiting in the worker and in the triggerer."""
    return stack.airflow(RUN)


def test_runs_end_as_they_should_with_just_these_rights(stack: Stack, said: str) -> None:
    assert "STATES " in said, said[-4000:]
    states = json.loads(said.rpartition("STATES ")[2].splitlines()[0])
    expected = {"worker_hello": "success", "worker_bad": "failed", "both_hello": "success", "both_bad": "failed"}
    assert states == expected, said[-6000:]


def test_nothing_else_is_asked_of_kubernetes(stack: Stack, said: str) -> None:
    for name, each in stack.doors.items():
        assert not each.refused, (name, each.refused)


def test_every_right_is_used(stack: Stack, said: str) -> None:
    door_of_both = stack.doors["both"]
    used = door_of_both.used | stack.doors["worker"].used
    assert door_of_both.rights - used <= set(NOT_USED_HERE)


def test_the_triggerer_watches_and_cancels_with_its_own_rights(stack: Stack, said: str) -> None:
    ends, stays = stack.pod("print('done')"), stack.pod("import time; time.sleep(600)")
    record = record_of(open_store((stack.home / "bucket").as_uri()), RUN_ID)
    record.write(a_manifest(workspace="climate", state=State.RUNNING, sealed=False, sealed_by=None))
    told = stack.airflow(WATCH_AND_CANCEL, ends, stays, RUN_ID)
    assert 'EVENT "success"' in told, told[-4000:]
    assert stays not in stack.pods()
    assert (record.read().state, record.read().sealed) == (State.INTERRUPTED, True)
    opened = stack.doors["triggerer"]
    assert not opened.refused
    assert opened.rights - opened.used == {Right("patch", "secrets")}


@pytest.mark.parametrize(
    ("method", "target", "refused"),
    [
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/pods?watch=true", "watch pods"),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/pods/a/exec", "get pods/exec"),
        ("PATCH", f"/api/v1/namespaces/{NAMESPACE}/pods/a", "patch pods"),
        ("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods", "deletecollection pods"),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/a", "get secrets"),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/events", "list events"),
        ("POST", "/api/v1/namespaces/daybook-flights/pods", "create pods in daybook-flights"),
        ("GET", "/api/v1/pods", "cluster-wide"),
    ],
)
def test_what_no_role_allows_is_refused(method: str, target: str, refused: str) -> None:
    closed = Door(0, NAMESPACE, rights_of(render("prod"), NAMESPACE, WORKER, TRIGGERER))
    assert not closed.lets_through(method, target)
    assert refused in closed.refused[0]


def test_secrets_are_not_listed_where_nobody_hands_any_out() -> None:
    assert not [each for each in rights_of(render("prod"), "daybook-flights", WORKER) if each.resource == "secrets"]


def rows_of_the_readme() -> Iterator[tuple[str, str, str, str]]:
    """The table of `kubectl auth can-i`; an empty first cell repeats the one above."""
    text = (KUBERNETES / "README.md").read_text()
    table = text.split("| account | verb and resource | namespace | answer |")[1].split("\n\n")[0]
    account = ""
    for line in table.strip().splitlines()[1:]:
        first, asked, namespaces, answer = (cell.strip() for cell in line.strip("|").split("|"))
        account = first.strip("`") or account
        for namespace in namespaces.split(","):
            yield account, asked.strip("`"), namespace.strip(" `"), answer


@pytest.mark.parametrize(("account", "asked", "namespace", "answer"), [*rows_of_the_readme()])
def test_the_readme_says_who_can_do_what(account: str, asked: str, namespace: str, answer: str) -> None:
    _, _, home, name = account.split(":")
    verb, resource, *subresource = asked.replace("--subresource=", "").split()
    granted = rights_of(render(README_OVERLAY), namespace, name, home=home)
    assert (Right(verb, "/".join([resource, *subresource])) in granted) == (answer == "yes")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_triggerer_makes_no_pods(overlay: str) -> None:
    for workspace in render(overlay).workspaces:
        rights = rights_of(render(overlay), workspace.namespace, TRIGGERER)
        assert Right("create", "pods") not in rights
