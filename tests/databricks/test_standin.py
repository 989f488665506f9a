"""The stand-in itself, asked by the SDK that Daybook uses."""

import threading

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError, Unauthenticated
from databricks.sdk.service.compute import Language

from databricks.standin.cutting import WARNING

CLUSTER = "0123-456789-abcdefgh"


@pytest.fixture
def client(standin):
    return WorkspaceClient(host=standin.host, token="dapi-stand-in-token")


def run(client, context_id, code, language=Language.PYTHON):
    started = client.command_execution.execute(
        cluster_id=CLUSTER, context_id=context_id, command=code, language=language
    )
    while True:
        told = client.command_execution.command_status(CLUSTER, context_id, started.command_id)
        if told.status.value in ("Finished", "Error", "Cancelled"):
            return told


@pytest.fixture
def context_id(client):
    return client.command_execution.create(cluster_id=CLUSTER, language=Language.PYTHON).context_id


def test_variables_live_from_one_command_to_the_next(client, context_id):
    run(client, context_id, "x = 41")
    assert run(client, context_id, "x + 1").results.data == "42"


def test_a_raised_error_is_an_error_result(client, context_id):
    results = run(client, context_id, "1 / 0").results
    assert results.result_type.value == "error"
    assert "ZeroDivisionError" in results.summary
    assert "Traceback" in results.cause


def test_rows_are_a_table_and_sql_too(client, context_id):
    results = run(client, context_id, "display([{'a': 1, 'b': None}])").results
    assert (results.result_type.value, results.data, results.schema[0]["name"]) == ("table", [[1, None]], "a")
    sql = client.command_execution.create(cluster_id=CLUSTER, language=Language.SQL).context_id
    assert run(client, sql, "SELECT 1 AS one", Language.SQL).results.data == [[1]]


def test_a_cancelled_command_ends_and_its_context_lives_on(client, standin, context_id):
    run(client, context_id, "kept = 1")
    started = client.command_execution.execute(
        cluster_id=CLUSTER, context_id=context_id, command="import time; time.sleep(60)", language=Language.PYTHON
    )
    while client.command_execution.command_status(CLUSTER, context_id, started.command_id).status.value != "Running":
        pass
    client.command_execution.cancel(cluster_id=CLUSTER, context_id=context_id, command_id=started.command_id)
    done = threading.Event()
    while not done.is_set():
        told = client.command_execution.command_status(CLUSTER, context_id, started.command_id)
        if told.status.value == "Finished":
            done.set()
    assert told.results.result_type.value == "error"
    assert run(client, context_id, "kept").results.data == "1"


def test_a_process_that_dies_loses_its_variables(client, context_id):
    run(client, context_id, "x = 1")
    assert run(client, context_id, "import os; os._exit(3)").results.result_type.value == "error"
    assert "NameError" in run(client, context_id, "x").results.summary


def test_a_restarted_python_ends_its_command_well_and_loses_its_variables(client, context_id):
    run(client, context_id, "x = 1")
    ended = run(client, context_id, "print('so far')\ndbutils.library.restartPython()\nprint('never')")
    assert (ended.status.value, ended.results.data) == ("Finished", "so far")
    assert "NameError" in run(client, context_id, "x").results.summary


def test_the_middle_of_a_long_text_is_cut_out(client, context_id):
    results = run(client, context_id, "print('a' * 40_000 + 'z' * 40_000)").results
    assert results.truncated
    assert results.data == "a" * 25_000 + WARNING + "z" * 25_000


def test_a_terminated_cluster_loses_its_contexts(client, standin, context_id):
    standin.clusters.terminate(CLUSTER)
    with pytest.raises(DatabricksError):
        run(client, context_id, "1")


def test_a_wrong_token_is_refused(standin):
    with pytest.raises(Unauthenticated):
        WorkspaceClient(host=standin.host, token="wrong").current_user.me()
