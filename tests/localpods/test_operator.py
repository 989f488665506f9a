"""The unmodified KubernetesPodOperator, sync and deferrable, run by the real Airflow through the kubeconfig."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from localpods.really_started import TOKEN, Localpods

LINES = 400
DAG = f"""
import sys
from airflow.sdk import DAG
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client import V1ResourceRequirements

COMMON = dict(
    image="registry.example/daybook/test:1", cmds=[sys.executable, "-u", "-c"], do_xcom_push=False,
    startup_check_interval_seconds=0.1, poll_interval=0.2, base_container_status_polling_interval=0.1,
    termination_message_policy="FallbackToLogsOnError", log_pod_spec_on_failure=False, active_deadline_seconds=60,
    container_resources=V1ResourceRequirements(limits={{"memory": "500Mi"}}), env_vars={{"GREETING": "hello"}},
)
GOOD = (
    "import os, time; [print('line', i, time.sleep(0.002) or '') for i in range({LINES})]; "
    "print(os.environ['GREETING'])"
)
BAD = "print('the reason'); raise SystemExit(3)"
with DAG("operators", schedule=None) as dag:
    for kind, deferrable in (("sync", False), ("deferred", True)):
        for how, code, keep in (("good", GOOD, "delete_pod"), ("bad", BAD, "keep_pod")):
            KubernetesPodOperator(
                task_id=f"{{kind}}_{{how}}", name=f"{{kind}}-{{how}}", arguments=[code], deferrable=deferrable,
                on_finish_action=keep, labels={{"test": kind}}, **COMMON
            )
    KubernetesPodOperator(task_id="no_image", name="no-image", **{{**COMMON, "image": "daybook/none"}})
"""
RUN = """
import json, sys
from airflow.utils.db import initdb
initdb()
from operators_of_the_test import dag
run = dag.test()
print("STATES " + json.dumps({one.task_id: str(one.state) for one in run.get_task_instances()}))
"""


@pytest.fixture(scope="module")
def airflow_run(localpods: Localpods, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What Airflow said while it ran a DAG of five tasks: one start of Airflow serves all tests below."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    (home / "dags" / "operators_of_the_test.py").write_text(DAG)
    extra = {"kube_config_path": str(localpods.kubeconfig), "in_cluster": False, "namespace": "default"}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "PYTHONPATH": str(home / "dags"),
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps({"conn_type": "kubernetes", "extra": extra}),
    }
    script = home / "run.py"
    script.write_text(RUN)
    done = _run([sys.executable, str(script)], environment, home)
    assert "STATES " in done, done[-4000:]
    return done


def _run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 200, "check": False}
    return str(subprocess.run(command, env=environment, cwd=folder, **options).stdout)  # type: ignore[call-overload]


def test_the_operator_ends_as_its_pod_does(airflow_run: str) -> None:
    states = json.loads(airflow_run.rpartition("STATES ")[2].splitlines()[0])
    assert states == {
        "sync_good": "success",
        "deferred_good": "success",
        "sync_bad": "failed",
        "deferred_bad": "failed",
        "no_image": "failed",
    }


@pytest.mark.parametrize("prefix", ["[base] ", "[base] logs: "])
def test_every_line_of_the_log_comes_once(airflow_run: str, prefix: str) -> None:
    for number in range(LINES):
        assert airflow_run.count(f"{prefix}line {number} ") == 1, (prefix, number)
    assert f"{prefix}hello" in airflow_run


def test_a_failed_pod_gives_its_reason(airflow_run: str) -> None:
    for kind in ("sync", "deferred"):
        assert f"Pod {kind}-bad-" in airflow_run
    assert airflow_run.count("returned a failure.\nthe reason") >= 2


def test_an_unknown_image_fails_at_once_and_says_what_there_is(airflow_run: str) -> None:
    assert "images that exist: daybook/test" in airflow_run


def test_pods_are_removed_or_marked_as_the_operator_wants(airflow_run: str, localpods: Localpods) -> None:
    with localpods.http() as http:
        query = {"labelSelector": "kubernetes_pod_operator=True,dag_id=operators"}
        kept = http.get("/api/v1/namespaces/default/pods", params=query).json()["items"]
    found = {one["metadata"]["labels"]["task_id"]: one["metadata"]["labels"].get("already_checked") for one in kept}
    assert {name: found.get(name) for name in ("sync_bad", "deferred_bad")} == {
        "sync_bad": "True",
        "deferred_bad": "True",
    }
    assert "sync_good" not in found
    assert "deferred_good" not in found


def test_the_token_stays_out_of_the_log(airflow_run: str) -> None:
    assert TOKEN not in airflow_run
