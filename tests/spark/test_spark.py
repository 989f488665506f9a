"""A real Spark Connect server, as the local stack starts it, and sessions as notebooks get them."""

import json
import os
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from daybook.contract.errors import InvalidRequest
from daybook.spark.session import checked_settings

KEY = "a-pre-shared-key-of-the-tests"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def check(remote, token_file, timeout=120):
    command = [sys.executable, "-m", "daybook.spark", "check", "--remote", remote, "--timeout", str(timeout)]
    return subprocess.run([*command, "--token-file", str(token_file)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server on the wheel's Java, with pages; gives its address, its process, its key file and what `check` said."""
    folder = tmp_path_factory.mktemp("spark")
    token = folder / "token"
    token.write_text(KEY)
    port = free_port()
    command = [sys.executable, "-m", "daybook.spark", "serve", "--port", str(port), "--token-file", str(token)]
    environment = {**os.environ, "PATH": "/usr/bin:/bin", "JAVA_HOME": ""}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--state", str(folder / "state"), "--ui-port", str(free_port()), "--memory", "512m"],
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    try:
        remote = f"sc://127.0.0.1:{port}"
        checked = check(remote, token)
        assert checked.returncode == 0, checked.stderr + (folder / "log").read_text()
        yield remote, process, token, json.loads(checked.stdout)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_check_tells_the_application(server):
    remote, _, _, found = server
    assert found["remote"] == remote
    assert found["application_id"].startswith("local-")
    assert found["version"].startswith("4.")
    assert found["ui"].startswith("http://127.0.0.1:")


def test_everything_listens_on_loopback_only(server):
    _, process, _, _ = server
    listening = [c for c in psutil.Process(process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert listening
    assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}


def test_the_key_does_not_show_in_the_process_list(server):
    _, process, _, _ = server
    assert KEY not in " ".join(psutil.Process(process.pid).cmdline())


def test_a_wrong_key_is_refused_in_one_line(server, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("another-key-of-the-tests")
    refused = check(server[0], wrong)
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
assert spark.getTags() == {"r1", "flights"}
assert spark.range(3).select(F.udf(lambda x: x + 1, "long")("id").alias("y")).toPandas().y.tolist() == [1, 2, 3]
try:
    get_spark_session(settings={"spark.executor.memory": "9g", "spark.sql.warehouse.dir": "/x"})
except Exception as error:
    print(error)
"""
    events = tmp_path / "events"
    ended = python(
        code,
        SPARK_REMOTE=server[0],
        SPARK_CONNECT_AUTHENTICATE_TOKEN=KEY,
        DAYBOOK_RESULTS=str(events),
        DAYBOOK_RUN="r1",
        DAYBOOK_NOTEBOOK="flights",
    )
    assert ended.returncode == 0, ended.stderr
    assert "spark.executor.memory: takes effect only when Spark starts" in ended.stdout
    assert json.loads(events.read_text()) == {"kind": "spark", **server[3]}
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


def test_sigterm_ends_the_server_cleanly(server):
    _, process, _, _ = server
    process.terminate()
    assert process.wait(30) in (0, 143)
    # Nothing is left of its group.
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_settings_become_text():
    assert checked_settings({"spark.a": True, "spark.b": 4, "spark.c": "x"}) == {
        "spark.a": "true",
        "spark.b": "4",
        "spark.c": "x",
    }


def test_settings_that_cannot_be_taken_are_all_named():
    with pytest.raises(InvalidRequest) as raised:
        checked_settings({"shuffle": 1, "spark.master": "local", "spark.connect.x": 1, "spark.d": [1]})
    assert all(f"- {name}: " in str(raised.value) for name in ("shuffle", "spark.master", "spark.connect.x", "spark.d"))
