"""Runs whose notebooks use a real Spark server: what their records say, and what is left running of them."""

import os
import threading
import time

import pytest

from daybook.contract.manifest import Reason, State
from daybook.contract.request import Limits
from runner.runs import Runner
from spark.conftest import KEY

BEGIN = "from daybook.notebook import get_spark_session\nspark = get_spark_session()"
ENDLESS = 'spark.range(0, 10**13, 1, 1).selectExpr("sum(sqrt(id))").collect()'
RELEASED = "Spark: what the notebook left running on its server is ended"


@pytest.fixture
def run(server, tmp_path):
    assert is_quiet(server)
    runner = Runner(tmp_path)
    given = {**os.environ, "SPARK_REMOTE": server.remote, "SPARK_CONNECT_AUTHENTICATE_TOKEN": KEY}
    return lambda *cells, **request: runner(*cells, environment=given, **request)


def is_quiet(server, seconds=200):
    deadline = time.monotonic() + seconds
    while server.jobs("running"):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def test_a_record_has_the_operations_and_a_slow_cell_one_line_of_its_bar(run, server):
    done = run(
        BEGIN,
        # Slower than a second on any machine.
        "import time\nfrom pyspark.sql import functions as F\n"
        "nap = F.udf(lambda number: time.sleep(1.5) or number, 'long')\n"
        "slow = spark.range(1).select(nap('id')).collect()",
        "spark.range(7).toPandas()",
    )
    assert done.manifest.state is State.SUCCEEDED, done.said
    spark = done.manifest.spark
    assert (spark.application_id, spark.remote) == (server.found["application_id"], server.remote)
    assert (spark.operation_count, spark.progress) == (2, None)
    assert [each.rows for each in spark.operations] == [1, 7]
    assert spark.operations[0].seconds > 0
    [output] = done.notebook["cells"][1]["outputs"]
    assert output["data"].keys() == {"text/plain"}
    assert "".join(output["data"]["text/plain"]).startswith("Spark: ")
    assert RELEASED not in done.said


def test_a_kernel_that_is_killed_leaves_nothing_running(run, server):
    killed = f"import os, threading\nthreading.Timer(3, lambda: os.kill(os.getpid(), 9)).start()\n{ENDLESS}"
    done = run(BEGIN, killed)
    assert done.manifest.reason is Reason.KERNEL_DIED
    assert RELEASED in done.said
    assert is_quiet(server)
    assert [each.state for each in done.manifest.spark.operations] == ["failed"]


def test_a_cell_whose_time_is_up_leaves_nothing_running(run, server):
    done = run(BEGIN, f"# at least so long\n{ENDLESS}", limits=Limits(timeout_seconds=None, cell_timeout_seconds=30))
    assert done.manifest.reason is Reason.CELL_TIMEOUT, done.said
    assert is_quiet(server)
    [operation] = done.manifest.spark.operations
    assert operation.state == "failed"
    assert operation.tasks > 0
    last = done.notebook["cells"][1]["outputs"]
    assert not any("progress" in "".join(each.get("data", {}).get("text/html", "")) for each in last)


def test_a_run_that_is_told_to_stop_leaves_nothing_running(run, server):
    def stop():
        while not server.jobs("running"):
            time.sleep(0.2)
        os.kill(os.getpid(), 15)

    told = threading.Thread(target=stop)
    told.start()
    done = run(BEGIN, ENDLESS)
    told.join()
    assert done.manifest.state is State.INTERRUPTED
    assert is_quiet(server)
