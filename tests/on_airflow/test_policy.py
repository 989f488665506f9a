"""Each run is counted in its workspace's pool: tried on Airflow's own scheduler code and a database, in a process."""

import json
import os
import subprocess
import sys

import pytest
from sqlalchemy.dialects import mysql, postgresql, sqlite

from builders import a_notebook_json
from daybook.on_airflow import policy
from daybook.on_airflow.operator import NotebookOperator

SCENE = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path

from airflow.utils.db import initdb
from airflow.utils.session import create_session
from sqlalchemy import select

initdb()

from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagbundle import DagBundleModel
from airflow.models.pool import Pool
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from airflow.utils.state import DagRunState, TaskInstanceState

from daybook.on_airflow.dags import catalogue_dags
from daybook.on_airflow.operator import NotebookOperator
from daybook.on_airflow.policy import is_in_force
from daybook.on_airflow.worker import WorkerNotebookOperator

class Ours(NotebookOperator):
    template_fields = (*NotebookOperator.template_fields, "more")
    operator_extra_links = ()

    def __init__(self, more="", **arguments):
        super().__init__(**arguments)
        self.more = more

class OursInWorker(WorkerNotebookOperator):
    custom_operator_name = "@ours"

told = {"in_force": is_in_force()}
with DAG("own") as own:
    NotebookOperator(task_id="here", notebook="nb", workspace="b")
    WorkerNotebookOperator(task_id="worker", notebook="nb", workspace="b")
    NotebookOperator(task_id="template", notebook="nb", workspace="{{ params.x }}")
    NotebookOperator(task_id="gone", notebook="nb", workspace="nowhere")
    NotebookOperator.partial(task_id="many", notebook="nb", workspace="b").expand(parameters=[{}, {}])
    NotebookOperator(task_id="ours", notebook="nb", pool="default_pool")
    Ours(task_id="subclass", notebook="nb", workspace="b")
    Ours.partial(task_id="many_of_subclass", notebook="nb", workspace="b").expand(parameters=[{}, {}])
    OursInWorker(task_id="subclass_in_worker", notebook="nb", workspace="b")
    EmptyOperator(task_id="other")
dags = {**catalogue_dags(), "own": own}
with create_session() as session:
    session.add(DagBundleModel(name="b"))
    session.commit()
    lazy = [LazyDeserializedDAG.from_dag(dag) for dag in dags.values()]
    SerializedDAG.bulk_write_to_db("b", None, lazy, session=session)
    for dag in lazy:
        SerializedDagModel.write_dag(dag, bundle_name="b", session=session)
    session.commit()

def start(dag_id, run, conf):
    with create_session() as session:
        dag = SerializedDagModel.get_dag(dag_id, session=session)
        dag_run = dag.create_dagrun(
            run_id=run, run_type=DagRunType.MANUAL, triggered_by=DagRunTriggeredByType.REST_API, conf=conf,
            run_after=datetime(2026, 11, 23, tzinfo=UTC), logical_date=None, state=DagRunState.RUNNING, session=session,
        )
        session.flush()
        return {ti.task_id: ti.pool for ti in dag_run.get_task_instances(session=session)}

def pools():
    with create_session() as session:
        found = session.scalars(select(Pool).where(Pool.pool != "default_pool"))
        return {pool.pool: [pool.slots, pool.include_deferred] for pool in found}

told["first"] = start("nb", "1", {"workspace": "b"})
told["pools"] = pools()
told["default"] = start("nb", "2", {})
told["bound"] = start("bound", "1", {})
told["request"] = start("run_notebook", "1", {"notebook": "nb", "parameters": {}, "workspace": "b"})
told["request_bound"] = start("run_notebook", "2", {"notebook": "bound", "parameters": {}})
told["own"] = start("own", "1", {"workspace": "a"})

with create_session() as session:
    ti = session.scalar(select(TaskInstance).where(TaskInstance.dag_id == "nb", TaskInstance.run_id == "1"))
    ti.state, ti.pool = TaskInstanceState.FAILED, "elsewhere"
    session.flush()
    clear_task_instances([ti], session)
with create_session() as session:
    told["cleared"] = session.scalar(
        select(TaskInstance.pool).where(TaskInstance.dag_id == "nb", TaskInstance.run_id == "1")
    )

path = Path(sys.argv[1])
path.write_text(path.read_text().replace("runs_at_once: 2", "runs_at_once: 1"))
told["again"] = start("nb", "5", {"workspace": "b"})
told["pools_again"] = pools()

def states(*wanted):
    these = (TaskInstance.dag_id == "nb", TaskInstance.run_id.in_(wanted))
    return session.scalars(select(TaskInstance).where(*these)).all()

with create_session() as session:
    for ti in states("1", "5"):
        ti.state = TaskInstanceState.SCHEDULED
    session.flush()
    scheduler = SchedulerJobRunner(Job())
    queued = scheduler._executable_task_instances_to_queued(32, session)
    told["queued"] = [ti.run_id for ti in queued]
    for ti in states(*told["queued"]):
        ti.state = TaskInstanceState.DEFERRED
    session.flush()
    told["while_deferred"] = [ti.run_id for ti in scheduler._executable_task_instances_to_queued(32, session)]
    for ti in states(*told["queued"]):
        ti.state = TaskInstanceState.SUCCESS
    session.flush()
    told["afterwards"] = [ti.run_id for ti in scheduler._executable_task_instances_to_queued(32, session)]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What became of runs in an Airflow of its own."""
    folder = tmp_path_factory.mktemp("airflow")
    for name, spec in (("nb", ""), ("bound", "workspaces: [b]")):
        (folder / "notebooks" / name).mkdir(parents=True)
        (folder / "notebooks" / name / "notebook.ipynb").write_text(a_notebook_json())
        (folder / "notebooks" / name / "spec.yaml").write_text(f"title: {name}\n{spec}\n")
    (folder / "home" / "config").mkdir(parents=True)
    (folder / "home" / "config" / "airflow_local_settings.py").write_text(
        "from daybook.on_airflow.policy import task_instance_mutation_hook\n"
    )
    workspaces = folder / "workspaces.yaml"
    workspaces.write_text(
        "workspaces:\n- {name: a, bucket: /data/a, members: ['*']}\n"
        "- {name: b, bucket: /data/b, members: ['*'], runs_at_once: 2}\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "DAYBOOK_CATALOGUE": str(folder / "notebooks"),
        "DAYBOOK_WORKSPACES": str(workspaces),
    }
    scene = folder / "scene.py"  # Airflow keeps the source of a DAG's file
    scene.write_text(SCENE)
    done = subprocess.run(
        [sys.executable, str(scene), str(workspaces)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_the_hook_is_found_in_local_settings(told):
    assert told["in_force"]


@pytest.mark.parametrize(
    ("run", "pool"),
    [
        ("first", "daybook_b"),
        ("default", "daybook_a"),
        ("bound", "daybook_b"),
        ("request", "daybook_b"),
        ("request_bound", "daybook_b"),
    ],
)
def test_a_run_is_counted_where_it_is_to_run(told, run, pool):
    assert told[run] == {"run": pool}


def test_a_dag_of_ones_own_is_counted_too_whatever_its_conf_and_pool_say(told):
    assert (told["own"]["here"], told["own"]["ours"]) == ("daybook_b", "daybook_a")
    assert told["own"]["many"] == told["own"]["worker"] == "daybook_b"


@pytest.mark.parametrize("task", ["subclass", "many_of_subclass", "subclass_in_worker"])
def test_a_subclass_by_another_name_is_counted(told, task):
    assert told["own"][task] == "daybook_b"


def test_a_subclass_that_could_not_be_counted_is_told_when_it_is_defined():
    with pytest.raises(TypeError, match="must hold workspace, parameters_from of NotebookOperator's, too"):
        type("Ours", (NotebookOperator,), {"template_fields": ("notebook", "parameters")})


def test_a_task_that_runs_no_notebook_is_left_alone(told):
    assert told["own"]["other"] == "default_pool"


def test_where_the_workspace_cannot_be_told_the_task_keeps_its_pool_and_starts(told):
    assert (told["own"]["template"], told["own"]["gone"]) == ("default_pool", "default_pool")


def test_a_cleared_task_is_counted_again(told):
    assert told["cleared"] == "daybook_b"


def test_a_pool_is_made_with_the_first_run_and_follows_the_file(told):
    assert told["pools"] == {"daybook_b": [2, True]}
    assert told["pools_again"] == {"daybook_a": [16, True], "daybook_b": [1, True]}


def test_a_run_too_many_waits_until_the_one_before_has_ended_and_waiting_in_the_triggerer_counts(told):
    (first,) = told["queued"]
    assert told["while_deferred"] == []
    assert told["afterwards"] == [{"1": "5", "5": "1"}[first]]


@pytest.mark.parametrize(
    ("dialect", "words"),
    [(postgresql, "ON CONFLICT DO NOTHING"), (sqlite, "ON CONFLICT DO NOTHING"), (mysql, "IGNORE")],
)
def test_two_schedulers_that_make_a_pool_at_once_do_not_fail_one_another(dialect, words):
    spoken = dialect.dialect()
    statement = policy._insert(spoken.name, {"pool": "daybook_a", "slots": 1, "include_deferred": True})
    assert words in str(statement.compile(dialect=spoken))
