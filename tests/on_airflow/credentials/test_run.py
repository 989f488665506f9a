"""A whole run with credentials of kind `sts`: real Airflow, localpods, an API that enforces IAM; no secret anywhere."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from builders import a_notebook_json
from localpods.really_started import IMAGE, Localpods
from on_airflow.credentials.cloud import BUCKET

LOOK_SECONDS = 0.2
"""A Secret is there for seconds before it is renewed, and so is a pod."""
NOTEBOOK_SIDE = Path(__file__).parents[3] / ".venv-notebook"

CELLS = (
    # What a notebook can know: its credentials, before and after they are renewed. It shows them, by accident.
    "import json, os, time\n"
    "read = lambda: json.load(open(os.environ['DAYBOOK_CREDENTIALS_FILE']))\n"
    "first = read(); print(first); print(os.environ); print(open(os.environ['AWS_CONFIG_FILE']).read())",
    "until = time.monotonic() + 60\n"
    "while read()['SecretAccessKey'] == first['SecretAccessKey']:\n"
    "    assert time.monotonic() < until, 'nobody renews'\n"
    "    time.sleep(0.05)\n"
    "print(read()); print('renewed')",
    # And what it can do with them.
    "from daybook.storage import open_store\n"
    f"own, other = open_store('s3://{BUCKET}/a', os.environ), open_store('s3://{BUCKET}/b', os.environ)\n"
    "own.write('by-the-notebook', b'x'); print('own', own.read('theirs'))\n"
    "for attempt in (lambda: other.read('theirs'), lambda: other.write('theirs', b'')):\n"
    "    try:\n        attempt()\n"
    "    except Exception as error:\n        print('DENIED' if 'AccessDenied' in str(error) else error)",
)
DAG = """
from daybook.on_airflow.credentials import handover
handover.RENEWED_AT = 0.999  # after 3.6 s of an hour
from airflow.sdk import DAG
from daybook.on_airflow.operator import NotebookOperator
with DAG("credentials", schedule=None) as dag:
    for deferrable in (True, False):
        NotebookOperator(task_id=f"{'deferred' if deferrable else 'here'}", notebook="shows", deferrable=deferrable)
"""
RUN = """
import json
from airflow.utils.db import initdb
initdb()
from dag_of_the_test import dag
run = dag.test()
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
with create_session() as session:
    print("XCOM " + json.dumps([str(one.value) for one in session.query(XComModel).all()]))
print("STATES " + json.dumps({one.task_id: str(one.state) for one in run.get_task_instances()}))
"""


@dataclass
class Ran:
    """What Airflow said, what the API keeps, and which values nobody may see."""

    said: str
    objects: dict[str, bytes]
    pods: str
    secrets: list[str]
    left: list[str]


@pytest.fixture
def ran(cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if not NOTEBOOK_SIDE.exists():
        pytest.skip("the notebook side's environment is not there")
    localpods = Localpods(tmp_path)
    entry = [str(NOTEBOOK_SIDE / "bin" / "python"), "-m", "daybook.runner"]
    localpods.images.write_text(json.dumps({"daybook/test": {"prefix": str(NOTEBOOK_SIDE), "entrypoint": entry}}))
    localpods.start()
    watched = Watched(localpods)
    try:
        said = _airflow(cloud, localpods, tmp_path, watched)
        left = [one.metadata.name for one in localpods.api().list_secret_for_all_namespaces().items]
        yield Ran(said, _objects(cloud), watched.pods, watched.secrets, left)
    finally:
        localpods.close()


class Watched:
    """Remembers every Secret and pod that was ever there, as often as it is asked to look."""

    def __init__(self, localpods: Localpods) -> None:
        self._localpods = localpods
        self.secrets: list[str] = []
        self.pods = ""

    def look(self) -> None:
        with self._localpods.http() as http:
            self.pods += http.get("/api/v1/pods").text + http.get("/api/v1/events").text
            for one in http.get("/api/v1/secrets").json()["items"]:
                document = json.loads(base64.b64decode(one["data"]["credentials.json"]))
                for name in ("SecretAccessKey", "SessionToken"):
                    if document[name] not in self.secrets:
                        self.secrets.append(document[name])


def _airflow(cloud, localpods: Localpods, home: Path, watched: Watched) -> str:
    (home / "catalogue" / "shows").mkdir(parents=True)
    (home / "catalogue" / "shows" / "notebook.ipynb").write_text(a_notebook_json(CELLS))
    workspace = json.loads(cloud.workspace("a", image=IMAGE).model_dump_json(exclude_defaults=True))
    (home / "workspaces.yaml").write_text(json.dumps({"workspaces": [workspace]}))
    (home / "dags").mkdir()
    (home / "dags" / "dag_of_the_test.py").write_text(DAG)
    (home / "run.py").write_text(RUN)
    extra = {"kube_config_path": str(localpods.kubeconfig), "in_cluster": False, "namespace": "default"}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "PYTHONPATH": str(home / "dags"),
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps({"conn_type": "kubernetes", "extra": extra}),
        "AIRFLOW_CONN_AWS_TEAMS": os.environ["AIRFLOW_CONN_AWS_TEAMS"],
        "DAYBOOK_CATALOGUE": str(home / "catalogue"),
        "DAYBOOK_WORKSPACES": str(home / "workspaces.yaml"),
    }
    with (home / "airflow.log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, str(home / "run.py")], env=environment, cwd=home, stdout=log, stderr=subprocess.STDOUT
        )
        while not _has_ended_within(LOOK_SECONDS, process):
            watched.look()
        return (home / "airflow.log").read_text()


def _has_ended_within(seconds: float, process: subprocess.Popen[bytes]) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.returncode is not None


def _objects(cloud) -> dict[str, bytes]:
    cloud.enforce(False)
    s3 = cloud.client("s3", aws_access_key_id="setup", aws_secret_access_key="setup")
    listed = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    return {one["Key"]: s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in listed}


def test_a_run_has_its_own_bucket_and_leaves_no_secret(ran: Ran) -> None:
    assert "STATES " in ran.said, ran.said[-6000:]
    states = json.loads(ran.said.rpartition("STATES ")[2].splitlines()[0])
    assert states == {"deferred": "success", "here": "success"}, ran.said[-6000:]

    logs = [content.decode() for key, content in ran.objects.items() if key.endswith("log.txt")]
    assert len(logs) == 2
    for log in logs:
        assert "renewed" in log
        assert "own b'of team a'" in log
        assert log.count("DENIED") == 2
    assert ran.objects["b/theirs"] == b"of team b"

    # Each of two pods had at least two sessions, of a secret and a token each.
    assert len(ran.secrets) >= 8
    places = {**ran.objects, "what Airflow said": ran.said.encode(), "pods and events": ran.pods.encode()}
    for value in ran.secrets:
        coded = base64.b64encode(value.encode()).rstrip(b"=")[:-1]
        assert [place for place, content in places.items() if value.encode() in content or coded in content] == []
    assert "credentials.json" in ran.pods, "the pods were looked at"
    assert ran.left == [], "Secrets go with their pods"
