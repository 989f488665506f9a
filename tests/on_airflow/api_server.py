"""An API server of Airflow with our plugin and a catalogue's DAGs, in a process of its own, where a scene is played."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BEGIN = """
import json, os, sys

from airflow.utils.db import initdb
from airflow.utils.session import create_session
from sqlalchemy import select

initdb()

from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from starlette.testclient import TestClient

from daybook.on_airflow.dags import catalogue_dags

with create_session() as session:
    session.add(DagBundleModel(name="b"))
    session.commit()
    lazy = [LazyDeserializedDAG.from_dag(dag) for dag in catalogue_dags().values()]
    SerializedDAG.bulk_write_to_db("b", None, lazy, session=session)
    for dag in lazy:
        SerializedDagModel.write_dag(dag, bundle_name="b", session=session)


def token(name, role):
    return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=role))


given = json.load(sys.stdin)
"""
"""What every scene begins with: the database, the DAGs, users' tokens, and what the test gives to it."""


def played(folder: Path, scene: str, given: Any, **more: str) -> Any:
    """What a scene prints last, as JSON.

    Args:
        folder: holds `notebooks`, `workspaces.yaml` and `key`.
        scene: Python, behind `BEGIN`.
        given: what it finds under that name.
        more: variables of its environment.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(Path(__file__).parents[2] / "plugins"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "j" * 64,
        "DAYBOOK_CATALOGUE": str(folder / "notebooks"),
        "DAYBOOK_WORKSPACES": str(folder / "workspaces.yaml"),
        "DAYBOOK_VOUCHER_KEY_FILE": str(folder / "key"),
        **more,
    }
    (folder / "scene.py").write_text(BEGIN + scene)
    command = [sys.executable, str(folder / "scene.py")]
    done = subprocess.run(
        command, env=environment, input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout.strip().splitlines()[-1])
