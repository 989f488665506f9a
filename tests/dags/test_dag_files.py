"""The DAG files as Airflow's dag-processor reads them: in a process for each time, forked from one that has Airflow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from builders import a_notebook_json

CHECKOUT = Path(__file__).parents[2]
PROCESSOR = """
import json, os, sys
from airflow.dag_processing.dagbag import DagBag

def parse(environment):
    os.environ.update(environment)
    bag = DagBag(dag_folder=sys.argv[1])
    heavy = ("papermill", "pandas", "pyspark", "nbclient", "nbconvert", "pyarrow")
    dags = {dag.dag_id: [type(task).__name__ for task in dag.tasks] for dag in bag.dags.values()}
    found = {"dags": dags, "errors": bag.import_errors, "heavy": [name for name in heavy if name in sys.modules]}
    print("PARSED " + json.dumps(found), flush=True)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        parse(json.loads(line))
        os._exit(0)
    print("ENDED", os.waitpid(child, 0)[1], flush=True)
"""


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    """A process with Airflow in it, which parses with the variables that a line names."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    command = [sys.executable, "-c", PROCESSOR, str(CHECKOUT / "dags")]
    with (
        (home / "errors").open("w") as errors,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        yield process
        process.stdin.close()


@pytest.fixture
def parsed(processor):
    """Parses the DAG files with some variables, in a process of its own."""

    def parsed(variables):
        processor.stdin.write(json.dumps(variables) + "\n")
        processor.stdin.flush()
        found = None
        for line in processor.stdout:
            word, _, rest = line.partition(" ")
            if word == "ENDED":
                assert rest.strip() == "0"
                break
            if word == "PARSED":
                found = json.loads(rest)
        assert found is not None
        return found

    return parsed


@pytest.fixture
def settings(tmp_path):
    """Daybook's environment, with the examples as the catalogue."""
    workspaces = tmp_path / "workspaces.yaml"
    local = {"name": "local", "bucket": (tmp_path / "bucket").as_uri(), "members": ["*"]}
    workspaces.write_text(json.dumps({"workspaces": [local]}))
    include = CHECKOUT / "include"
    return {
        "DAYBOOK_CATALOGUE": f"{include / 'notebooks'}:{include / 'catalogue.json'}",
        "DAYBOOK_WORKSPACES": str(workspaces),
        "DAYBOOK_STATE": str(tmp_path / "state"),
    }


def test_every_example_is_a_dag_of_one_task_and_nothing_heavy_is_imported(settings, parsed):
    found = parsed(settings)
    assert found["errors"] == {}
    assert found["heavy"] == []
    assert set(found["dags"]) >= {
        "flights_delays",
        "daily_flights",
        "ndvi_calculation",
        "band_statistics",
        "run_notebook",
    }
    cleaning = found["dags"].pop("clean_up")
    assert cleaning == ["_PythonDecoratedOperator", "DecoratedMappedOperator"]
    assert all(tasks == ["NotebookOperator"] for tasks in found["dags"].values())


def test_broken_entry_is_an_import_error_of_a_file_without_dags(settings, tmp_path, parsed):
    broken = tmp_path / "more" / "broken"
    broken.mkdir(parents=True)
    (broken / "spec.yaml").write_text("title: x\ninputs:\n  day: {type: dat}\n")
    settings["DAYBOOK_CATALOGUE"] += f":{tmp_path / 'more'}"
    found = parsed(settings)
    assert "flights_delays" in found["dags"]
    [(file, message)] = found["errors"].items()
    assert file.endswith("broken_entries.py")
    assert "broken/spec.yaml" in message


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("schedule: {cron: '@daily', workspace: nowhere}", "nowhere"),
        ("tags: [" + "x" * 101 + "]", "tag cannot be longer than 100"),
        ("schedule: {assets: ['airflow://x']}", "airflow"),
    ],
)
def test_entry_that_airflow_does_not_take_harms_no_other(settings, tmp_path, parsed, spec, named):
    entry = tmp_path / "more" / "refused"
    entry.mkdir(parents=True)
    (entry / "notebook.ipynb").write_text(a_notebook_json(["1 + 1"]))
    (entry / "spec.yaml").write_text(spec)
    settings["DAYBOOK_CATALOGUE"] += f":{tmp_path / 'more'}"
    found = parsed(settings)
    assert "flights_delays" in found["dags"]
    assert "refused" not in found["dags"]
    [(file, message)] = found["errors"].items()
    assert file.endswith("broken_entries.py")
    assert "refused" in message
    assert named in message


def test_settings_that_are_missing_are_named(settings, parsed):
    del settings["DAYBOOK_WORKSPACES"]
    found = parsed(settings)
    assert set(found["dags"]) == {"clean_up"}, "it needs no settings before it runs"
    assert any("DAYBOOK_WORKSPACES" in message for message in found["errors"].values())


def test_faulty_workspaces_are_an_import_error_while_the_last_good_ones_stay_in_force(settings, parsed):
    assert "broken_entries.py" not in str(parsed(settings)["errors"])
    path = Path(settings["DAYBOOK_WORKSPACES"])
    path.write_text("\nworkspaces: [{name: local}]")
    found = parsed(settings)
    assert "run_notebook" in found["dags"]
    ((file, error),) = found["errors"].items()
    assert file.endswith("broken_entries.py")
    assert f"{path}, line 2" in error
    assert "last good workspaces stay in force" in error
