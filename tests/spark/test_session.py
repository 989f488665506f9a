"""Sessions as notebooks get them, on a real server: whose they are, what is known of them, and how they end."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid

import pytest

from spark.conftest import KEY, events_of, free_port, python, started

PRELUDE = """
import os, signal, threading
from daybook.notebook import get_spark_session
"""


def of_kind(kind, events):
    return [each for each in events_of(events) if each["kind"] == kind]


def is_closed(server, session_id, user="anna"):
    """Whether the server says of a session that it was closed."""
    code = f"""
from daybook.spark.connect import KeyedChannelBuilder
from pyspark.sql.connect.session import SparkSession
session = SparkSession(KeyedChannelBuilder("{server.remote}/;session_id={session_id}", "{KEY}", "{user}"))
try:
    print("open", session.version)
except Exception as error:
    print("SESSION_CLOSED" in str(error), str(error)[:200])
"""
    ended = python(code)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.startswith("True")


def until(condition, seconds=200):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_operations_of_all_threads_are_tagged_and_told(server, tmp_path):
    events = tmp_path / "events"
    name = f"n{uuid.uuid4().hex[:8]}"
    code = f"""{PRELUDE}
spark = get_spark_session("{name}")
assert spark.range(5).toPandas().shape == (5, 1)
thread = threading.Thread(target=lambda: spark.range(1000).selectExpr("sum(id)").collect())
thread.start()
thread.join()
spark.addTag("mine")
try:
    spark.sql("select raise_error('no')").collect()
except Exception as error:
    print(type(error).__name__)
"""
    ended = python(code, **server.environment(events))
    assert ended.returncode == 0, ended.stderr
    told = of_kind("spark_operation", events)
    assert [(each["state"], each["rows"]) for each in told][:2] == [("succeeded", 5), ("succeeded", 1)]
    assert (told[-1]["state"], told[-1]["tags"]) == ("failed", ["mine"])
    assert all(each["result_bytes"] > 0 for each in told[:2])
    ours = [job for job in server.jobs() if any(tag.endswith(f"Tag_{name}") for tag in job["jobTags"])]
    assert len(ours) >= 2
    for job in ours:
        for tag in ("r1", "flights", "anna", name):
            assert any(each.endswith(f"_Tag_{tag}") for each in job["jobTags"])


def test_a_session_is_ones_own_and_ends_with_its_process(server, tmp_path):
    code = f"""{PRELUDE}
spark = get_spark_session()
spark.range(1).createOrReplaceTempView("seen")
print(spark.session_id, sorted(row.tableName for row in spark.sql("show tables").collect()))
"""
    said = []
    for name in "ab":
        events = tmp_path / name
        ended = python(code, **server.environment(events))
        assert ended.returncode == 0, ended.stderr
        session_id, views = ended.stdout.split(" ", 1)
        [begun] = of_kind("spark_session", events)
        assert (begun["session_id"], begun["user_id"]) == (session_id, "anna")
        assert of_kind("spark_session_ended", events) == [{"kind": "spark_session_ended", "session_id": session_id}]
        assert views.strip() == "['seen']"
        assert is_closed(server, session_id)
        said.append(session_id)
    assert len(set(said)) == 2


def test_sessions_made_of_it_are_the_notebooks_too_and_end_with_it(server, tmp_path):
    events = tmp_path / "events"
    code = f"""{PRELUDE}
spark = get_spark_session()
spark.range(1).createOrReplaceTempView("seen")
for other in (spark.newSession(), spark.cloneSession()):
    print(other.session_id, len(other.sql("show tables").collect()))
"""
    ended = python(code, **server.environment(events))
    assert ended.returncode == 0, ended.stderr
    said = [line.split() for line in ended.stdout.splitlines()]
    assert [views for _, views in said] == ["0", "1"]
    told = [each["session_id"] for each in of_kind("spark_session", events)]
    assert told[1:] == [session_id for session_id, _ in said]
    assert [each["session_id"] for each in of_kind("spark_session_ended", events)] == told
    assert all(is_closed(server, each) for each in told)
    assert [each["rows"] for each in of_kind("spark_operation", events)][-2:] == [0, 1]


def test_threads_that_ask_at_the_same_time_get_one_session(server, tmp_path):
    code = f"""{PRELUDE}
ready, got = threading.Barrier(3), []
def ask():
    ready.wait()
    got.append(get_spark_session())
threads = [threading.Thread(target=ask) for _ in range(3)]
[each.start() for each in threads], [each.join() for each in threads]
print(len(got), len(set(map(id, got))))
"""
    ended = python(code, **server.environment(tmp_path / "events"))
    assert ended.stdout == "3 1\n", ended.stderr
    assert len(of_kind("spark_session", tmp_path / "events")) == 1


def test_a_fork_that_ends_leaves_the_notebook_its_session(server, tmp_path):
    code = f"""{PRELUDE}
spark = get_spark_session()
if os.fork() == 0:
    raise SystemExit
os.wait()
print(spark.range(4).count())
"""
    events = tmp_path / "events"
    ended = python(code, **server.environment(events))
    assert ended.stdout == "4\n", ended.stderr
    assert len(of_kind("spark_session_ended", events)) == 1


def test_a_killed_kernels_session_is_released_by_whoever_knows_it(server, tmp_path):
    events = tmp_path / "events"
    code = f"""{PRELUDE}
spark = get_spark_session()
threading.Timer(3, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
spark.range(0, 10**12, 1, 1).selectExpr("sum(sqrt(id))").collect()
"""
    environment = server.environment(events)
    ended = python(code, **environment)
    assert ended.returncode == -signal.SIGKILL
    [begun] = of_kind("spark_session", events)
    assert of_kind("spark_session_ended", events) == []
    until(lambda: server.jobs("running"))
    told = json.dumps({"session_id": begun["session_id"], "user_id": begun["user_id"]})
    released = subprocess.run(
        [sys.executable, "-m", "daybook.spark", "release"],
        input=told,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert released.stdout.strip() == "what the notebook left running on its server is ended", released.stderr
    until(lambda: not server.jobs("running"))
    assert is_closed(server, begun["session_id"])


def test_what_cannot_be_had_on_a_server_is_all_named(server, tmp_path):
    code = f"""{PRELUDE}
try:
    get_spark_session(workspace="other", scheduler_pool="fast", settings={{"spark.master": "x", "spark.jars": "y"}})
except Exception as error:
    print(error)
"""
    ended = python(code, **server.environment(tmp_path / "events", DAYBOOK_WORKSPACE="team-a"))
    assert "- spark.master: cannot be set: Daybook alone decides it" in ended.stdout
    assert "- spark.jars: takes effect only when Spark starts" in ended.stdout
    assert "- workspace: this run is in workspace 'team-a' and has its Spark alone" in ended.stdout
    assert "- scheduler_pool: Spark Connect has no scheduler pools" in ended.stdout
    assert of_kind("spark_session", tmp_path / "events") == []


def test_a_setting_that_spark_refuses_is_named_and_leaves_no_session(server, tmp_path):
    code = f"""{PRELUDE}
try:
    get_spark_session(settings={{"spark.sql.shuffle.partitions": "many", "spark.sql.ansi.enabled": False}})
except Exception as error:
    print(type(error).__name__, error)
try:
    get_spark_session(settings={{"spark.sql.shufle.partitions": 7, "spark.sql.ansi.enable": True}})
except Exception as error:
    print("; ".join(str(error).splitlines()))
spark = get_spark_session(settings={{"spark.sql.shuffle.partitions": 7, "spark.sql.iceberg.merge-schema": True}})
print(spark.conf.get("spark.sql.shuffle.partitions"))
"""
    ended = python(code, **server.environment(tmp_path / "events"))
    first, mistyped, second = ended.stdout.splitlines()
    assert "spark.sql.shufle.partitions: Spark has no such setting; did you mean spark.sql.shuffle.part" in mistyped
    assert "spark.sql.ansi.enable: Spark has no such setting; did you mean spark.sql.ansi.enabled?" in mistyped
    assert first.startswith(
        "InvalidRequest Spark settings that a session cannot change: spark.sql.shuffle.partitions: "
    )
    assert second == "7"


def test_the_later_layer_wins_and_what_counts_at_start_is_left_to_the_server(server, tmp_path):
    layers = {
        "workspace": {"spark.sql.shuffle.partitions": 11, "spark.sql.autoBroadcastJoinThreshold": "1.5MiB"},
        "notebook": {"spark.sql.shuffle.partitions": 12, "spark.sql.session.timeZone": "CET", "spark.jars": "/x"},
    }
    code = f"""{PRELUDE}
spark = get_spark_session(settings={{"spark.sql.shuffle.partitions": 13}})
names = ("shuffle.partitions", "autoBroadcastJoinThreshold", "session.timeZone", "adaptive.enabled")
print(*(spark.conf.get(f"spark.sql.{{name}}") for name in names))
"""
    given = server.environment(tmp_path / "events", DAYBOOK_SPARK_SETTINGS=json.dumps(layers))
    ended = python(code, **given)
    assert ended.stdout.split() == ["13", "1536k", "CET", "true"], ended.stderr


def test_another_server_gets_no_key_of_the_run(server, tmp_path):
    code = f"""{PRELUDE}
for address in ("{server.remote}", "sc://localhost:{server.port}/;token={KEY}"):
    try:
        print(get_spark_session(remote=address).range(3).count())
    except Exception as error:
        print(type(error).__name__, error)
"""
    given = {**server.environment(tmp_path / "events"), "SPARK_REMOTE": "sc://127.0.0.1:9"}
    first, second = python(code, **given).stdout.splitlines()
    assert first.startswith("SparkUnavailable")
    assert "refuses the key" in first
    assert second == "3"
    assert of_kind("spark_session", tmp_path / "events") == []
    assert KEY not in (tmp_path / "events").read_text()


def an_attached(code, server, folder):
    """A notebook that says when it is attached, and then waits for a line."""
    notebook = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **server.environment(folder / "events")},
    )
    assert notebook.stdout.readline() == "attached\n"
    return notebook


def test_a_session_that_is_lost_is_an_error_until_it_is_stopped(tmp_path):
    port = free_port()
    code = f"""{PRELUDE}
spark = get_spark_session()
spark.range(3).createOrReplaceTempView("seen")
print("attached", flush=True)
input()
for attempt in (lambda: spark.table("seen").count(), get_spark_session, lambda: spark.range(1).count()):
    try:
        print("silently went on:", attempt())
    except Exception as error:
        print(type(error).__name__, str(error).splitlines()[0])
spark.stop()
print(get_spark_session().range(4).count())
"""
    with started(tmp_path / "one", port) as server:
        notebook = an_attached(code, server, tmp_path)
    with started(tmp_path / "two", port):
        said, _ = notebook.communicate("\n", timeout=200)
    first, second, third, last = said.splitlines()
    assert "SESSION" in first
    assert second.startswith("SparkSessionLost the Spark session of this notebook is lost")
    assert not third.startswith("silently")
    assert last == "4"


def test_a_server_that_is_gone_or_has_another_key_is_named_with_the_reason(tmp_path):
    port = free_port()
    code = f"""{PRELUDE}
spark = get_spark_session()
print("attached", flush=True)
for _ in range(2):
    input()
    try:
        print("silently went on:", get_spark_session())
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    if _ == 0:
        print(len(spark.client.get_retry_policies()), flush=True)
spark.stop()
"""
    with started(tmp_path / "one", port) as server:
        notebook = an_attached(code, server, tmp_path)
    notebook.stdin.write("\n")
    notebook.stdin.flush()
    gone, tries = notebook.stdout.readline(), notebook.stdout.readline()
    assert gone.startswith("SparkUnavailable the Spark Connect server at sc://127.0.0.1")
    assert "onnect" in gone.partition("no usable answer: ")[2]
    assert "RPC that terminated" not in gone
    assert tries == "0\n"
    with started(tmp_path / "two", port, "a-rotated-key-of-the-tests"):
        said, _ = notebook.communicate("\n", timeout=200)
    assert "refuses the key of this run" in said


def test_a_session_that_the_server_closed_is_lost_too(server, tmp_path):
    code = f"""{PRELUDE}
from daybook.spark.lifetime import release
spark = get_spark_session()
builder = spark.client._builder
with builder.toChannel() as channel:
    assert release(channel, builder.metadata(), spark.session_id, "anna")
for attempt in (lambda: spark.range(1).count(), get_spark_session):
    try:
        print("silently went on:", attempt())
    except Exception as error:
        print(type(error).__name__, str(error).splitlines()[0])
"""
    first, second = python(code, **server.environment(tmp_path / "events")).stdout.splitlines()
    assert "INVALID_HANDLE.SESSION_CLOSED" in first
    assert second.startswith("SparkSessionLost")
    assert "SESSION_CLOSED" in second


def test_sessions_get_a_sign_of_life(server, tmp_path):
    code = f"""{PRELUDE}
from daybook.spark.lifetime import keep
spark = get_spark_session()
asked = threading.Semaphore(0)
get = spark.client.get_configs
spark.client.get_configs = lambda *names: (get(*names), asked.release())
keep(spark, 0.1)
assert asked.acquire(timeout=30) and asked.acquire(timeout=30)
print("twice")
"""
    ended = python(code, **server.environment(tmp_path / "events"))
    assert ended.stdout == "twice\n", ended.stderr


@pytest.mark.parametrize(
    ("listening", "reason"), [(False, "nothing listens there yet"), (True, "it is no Spark Connect server")]
)
def test_the_reason_for_waiting_is_shown(tmp_path, listening, reason):
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        if listening:
            other.listen()
        code = f"{PRELUDE}\nget_spark_session(ready_seconds=2.5)"
        ended = python(code, SPARK_REMOTE=f"sc://127.0.0.1:{port}", DAYBOOK_RESULTS=str(tmp_path / "events"))
    assert f"Waiting up to 2 s for the Spark Connect server at sc://127.0.0.1:{port}: " in ended.stdout
    assert reason in ended.stdout
    assert reason in ended.stderr.splitlines()[-1]


def test_a_host_that_is_not_there_yet_is_named(tmp_path):
    code = f"{PRELUDE}\nget_spark_session(ready_seconds=2.5)"
    ended = python(code, SPARK_REMOTE="sc://nowhere.invalid:15002", DAYBOOK_RESULTS=str(tmp_path / "events"))
    assert "there is no nowhere.invalid yet" in ended.stdout


def test_a_classic_session_has_the_same_settings_a_job_group_and_pools(tmp_path):
    layers = {"workspace": {"spark.sql.shuffle.partitions": 11}, "notebook": {"spark.sql.ansi.enabled": False}}
    code = f"""{PRELUDE}
spark = get_spark_session(local=True, scheduler_pool="fast", settings={{"spark.driver.memory": "0.5GiB"}})
context = spark.sparkContext
print(*(spark.conf.get(f"spark.sql.{{name}}") for name in ("shuffle.partitions", "ansi.enabled", "session.timeZone")))
print(context.getLocalProperty("spark.scheduler.pool"), context.getLocalProperty("spark.jobGroup.id"))
conf = context.getConf()
print(conf.get("spark.driver.memory"), conf.get("spark.scheduler.mode"), sorted(spark.getTags()))
print(get_spark_session(scheduler_pool="slow") is spark, context.getLocalProperty("spark.scheduler.pool"))
try:
    get_spark_session(settings={{"spark.executor.memory": "2g"}})
except Exception as error:
    print(error)
"""
    ended = python(
        code,
        TMPDIR=str(tmp_path),
        DAYBOOK_RUN="r1",
        DAYBOOK_NOTEBOOK="flights",
        DAYBOOK_SPARK_SETTINGS=json.dumps(layers),
        SPARK_REMOTE="sc://127.0.0.1:9",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
    )
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.splitlines()
    assert said[0] == "This image's Spark has no jars for S3: it cannot read s3:// and s3a:// addresses"
    assert said[1] == "11 false UTC"
    assert said[2] == "fast r1"
    assert said[3] == "512m FAIR ['flights', 'r1']"
    assert said[4] == "True slow"
    assert "spark.executor.memory: takes effect only when Spark starts" in said[5]


def test_a_classic_session_is_the_process_and_the_next_one_has_its_own_settings(server, tmp_path):
    code = f"""{PRELUDE}
def show(spark):
    conf, context = spark.conf, spark.sparkContext
    names = ("spark.sql.shuffle.partitions", "spark.task.maxFailures")
    print(*(conf.get(name, "none") for name in names), context.getLocalProperty("spark.jobGroup.id"), flush=True)
first = get_spark_session(local=True, settings={{"spark.sql.shuffle.partitions": 3, "spark.task.maxFailures": 7}})
show(first)
def ask():
    other = get_spark_session(local=True)
    print(other is first)
    show(other)
thread = threading.Thread(target=ask)
thread.start()
thread.join()
if os.fork() == 0:
    raise SystemExit
os.wait()
print(first.range(4).count())
first.stop()
try:
    get_spark_session(local=True, settings={{"spark.driver.memory": "1.5g"}})
except Exception as error:
    print(error)
second = get_spark_session(local=True, settings={{"spark.sql.shuffle.partitions": 5, "spark.driver.memory": "1024 MB"}})
show(second)
second.stop()
print(get_spark_session().range(6).count(), os.environ["SPARK_REMOTE"])
"""
    events = tmp_path / "events"
    ended = python(code, **server.environment(events, TMPDIR=str(tmp_path)))
    assert ended.returncode == 0, ended.stderr
    first, is_same, in_thread, after_fork, refused, second, last = ended.stdout.splitlines()
    assert (first, is_same, in_thread, after_fork, second) == ("3 7 r1", "True", "3 7 r1", "4", "5 none r1")
    assert "spark.driver.memory: is 1g since this notebook first started Spark" in refused
    assert last == f"6 {server.remote}"
    assert [each["remote"] for each in of_kind("spark", events)] == [None, None, server.remote]
