"""What a pod that Spark starts as an executor becomes."""

import subprocess
import sys

import pytest

from daybook.contract.errors import ExitCode, InvalidRequest
from daybook.spark.__main__ import main
from daybook.spark.executor import executor_command
from daybook.spark.java import Java

TOLD = {
    "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@10.1.2.3:7078",
    "SPARK_EXECUTOR_ID": "3",
    "SPARK_EXECUTOR_CORES": "2",
    "SPARK_EXECUTOR_MEMORY": "1792m",
    "SPARK_APPLICATION_ID": "spark-0123",
    "SPARK_EXECUTOR_POD_IP": "10.1.2.4",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_EXECUTOR_POD_NAME": "daybook-exec-3",
}


@pytest.fixture
def command(tmp_path):
    def made(**more):
        return executor_command(Java(tmp_path / "java", 17, "test"), tmp_path, {**TOLD, **more})

    return made


def test_everything_that_spark_tells_reaches_the_executor(command, tmp_path):
    made = command()
    told = made[made.index("org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend") + 1 :]
    assert dict(zip(told[::2], told[1::2], strict=True)) == {
        "--driver-url": "spark://CoarseGrainedScheduler@10.1.2.3:7078",
        "--executor-id": "3",
        "--cores": "2",
        "--app-id": "spark-0123",
        "--hostname": "10.1.2.4",
        "--resourceProfileId": "0",
        "--podName": "daybook-exec-3",
    }
    assert {"-Xms1792m", "-Xmx1792m", "-Dspark.master=k8s://"} < set(made)
    assert made[made.index("-cp") + 1] == f"{tmp_path}/jars/*"


def test_javas_options_keep_their_order_and_their_spaces(command):
    numbered = {f"SPARK_JAVA_OPT_{number}": f"-Dn={number}" for number in range(12)}
    made = command(**numbered, SPARK_JAVA_OPT_12="-Dtext=a b; $(touch /tmp/x) *", SPARK_JAVA_OPT_X="-Dnot=one")
    options = [each for each in made if each.startswith("-D") and each != "-Dspark.master=k8s://"]
    assert options == [*numbered.values(), "-Dtext=a b; $(touch /tmp/x) *"]


def test_configuration_and_extra_classes_come_before_sparks_own(command, tmp_path):
    made = command(SPARK_CONF_DIR="/opt/spark/conf", SPARK_CLASSPATH="/extra/*", HADOOP_CONF_DIR="")
    assert made[made.index("-cp") + 1] == f"/opt/spark/conf:/extra/*:{tmp_path}/jars/*"


def test_whatever_is_missing_is_named_at_once(tmp_path):
    java = Java(tmp_path / "java", 17, "test")
    given = {**TOLD, "SPARK_DRIVER_URL": ""}
    del given["SPARK_EXECUTOR_MEMORY"]
    with pytest.raises(InvalidRequest) as refused:
        executor_command(java, tmp_path, given)
    assert {each.where for each in refused.value.faults} == {"SPARK_DRIVER_URL", "SPARK_EXECUTOR_MEMORY"}


@pytest.fixture
def become(tmp_path):
    """Has an executor started in a process of its own, whose Java tells where it works and ends."""
    java = tmp_path / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\npwd\n")
    java.chmod(0o755)

    def started(state):
        variables = {**TOLD, "PATH": "/usr/bin:/bin", "JAVA_HOME": str(tmp_path / "java"), "DAYBOOK_SPARK_STATE": state}
        command = [sys.executable, "-m", "daybook.spark", "executor"]
        return subprocess.run(command, env=variables, cwd="/", capture_output=True, text=True, check=False)

    return started


def test_an_executor_works_in_a_folder_that_can_be_written_to(become, tmp_path):
    for _ in range(2):  # a container that is started again finds it there
        done = become(str(tmp_path / "state"))
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == str(tmp_path / "state" / "work")


def test_a_folder_that_cannot_be_worked_in_is_named(become, tmp_path):
    (tmp_path / "file").touch()
    done = become(str(tmp_path / "file"))
    assert done.returncode == ExitCode.INVALID_REQUEST
    assert f"{tmp_path}/file/work: Not a directory" in done.stderr


def test_the_command_line_says_so_in_one_message(capsys, tmp_path):
    assert main(["executor"], {"PATH": "/usr/bin:/bin"}) == ExitCode.INVALID_REQUEST
    assert "SPARK_DRIVER_URL" in capsys.readouterr().err
