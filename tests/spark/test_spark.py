"""A real Spark Connect server, as the local stack starts it, and sessions as notebooks get them."""

import json
import os

import psutil
import pytest

from spark.conftest import KEY, check, events_of, free_port, python, started


def test_check_tells_the_application(server):
    found = server.found
    assert found["remote"] == server.remote
    assert found["application_id"].startswith("local-")
    assert found["version"].startswith("4.")
    assert found["ui"].startswith("http://127.0.0.1:")


def test_everything_listens_on_loopback_only(server):
    listening = [c for c in psutil.Process(server.process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert listening
    assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}


def test_the_key_does_not_show_in_the_process_list(server):
    assert KEY not in " ".join(psutil.Process(server.process.pid).cmdline())


def test_a_wrong_key_is_refused_in_one_line(server, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("another-key-of-the-tests")
    refused = check(server.remote, wrong)
    assert refused.returncode == 3
    assert refused.stderr.strip().endswith("refuses the key of this run; ask the workspace's operator")
    assert len(refused.stderr.splitlines()) == 1


def test_a_notebook_attaches_and_the_application_is_noted(server, tmp_path):
    code = """
from daybook.notebook import get_spark_session
spark = get_spark_session(settings={"spark.sql.shuffle.partitions": 3})
from pyspark.sql import functions as F
assert spark.range(5).agg(F.sum("id")).collect()[0][0] == 10
assert spark.conf.get("spark.sql.shuffle.partitions") == "3"
assert get_spark_session() is spark
assert spark.getTags() == {"r1", "flights", "anna"}
assert spark.conf.get("spark.app.name") == "flights"
assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
assert spark.range(3).select(F.udf(lambda x: x + 1, "long")("id").alias("y")).toPandas().y.tolist() == [1, 2, 3]
try:
    get_spark_session(settings={"spark.executor.memory": "9g", "spark.sql.warehouse.dir": "/x"})
except Exception as error:
    print(error)
"""
    events = tmp_path / "events"
    ended = python(code, **server.environment(events))
    assert ended.returncode == 0, ended.stderr
    assert "spark.executor.memory: takes effect only when Spark starts" in ended.stdout
    assert "spark.sql.warehouse.dir: cannot be set by a call" in ended.stdout
    assert {"kind": "spark", **server.found} in events_of(events)
    assert KEY not in events.read_text()


def test_without_a_server_a_local_session_starts_and_its_java_ends_with_the_process(tmp_path):
    code = """
import psutil
from daybook.notebook import get_spark_session
spark = get_spark_session("mine", settings={"spark.driver.memory": "512m"}, local=True)
assert spark.range(5).count() == 5
assert spark.sparkContext.appName == "mine"
[java] = [child for child in psutil.Process().children(recursive=True) if "java" in child.name()]
listening = {c.laddr.ip.removeprefix("::ffff:") for c in java.net_connections() if c.status == "LISTEN"}
assert listening == {"127.0.0.1"}, listening
print(java.pid)
"""
    ended = python(
        code, SPARK_REMOTE="sc://127.0.0.1:9", TMPDIR=str(tmp_path), DAYBOOK_RESULTS=str(tmp_path / "events")
    )
    assert ended.returncode == 0, ended.stderr
    with_java = int(ended.stdout.split()[-1])
    if psutil.pid_exists(with_java):
        psutil.Process(with_java).wait(20)
    assert [path.name for path in tmp_path.iterdir()] == ["events"]
    event = json.loads((tmp_path / "events").read_text())
    assert event["application_id"].startswith("local-")
    assert event["remote"] is None


def test_a_server_that_is_not_there_is_waited_for_and_then_named(tmp_path):
    token = tmp_path / "token"
    token.write_text(KEY)
    remote = f"sc://127.0.0.1:{free_port()}"
    ended = check(remote, token, timeout=2.5)
    assert ended.returncode == 3
    assert f"Waiting up to 2 s for the Spark Connect server at {remote}" in ended.stderr
    assert "did not answer within 2 s" in ended.stderr.splitlines()[-1]


def test_sigterm_ends_the_server_cleanly(tmp_path):
    with started(tmp_path) as server:
        server.process.terminate()
        assert server.process.wait(30) in (0, 143)
        # Nothing is left of its group.
        with pytest.raises(ProcessLookupError):
            os.killpg(server.process.pid, 0)
