"""Becoming an executor of a workspace's server, when Spark's own Kubernetes scheduler starts a pod of the same image.

Spark gives such a pod one argument, `executor`, and tells everything else by environment variables (the names are those
of `org.apache.spark.deploy.k8s.Constants`, Spark 4.3). The script of Spark's own images does what is done here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from daybook.contract.errors import Fault, InvalidRequest, InvalidSettings
from daybook.contract.variables import SPARK_STATE_VARIABLE
from daybook.spark.java import Java, find_java
from daybook.spark.process import spark_home

_MAIN = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
_TOLD = {
    "SPARK_DRIVER_URL": "--driver-url",
    "SPARK_EXECUTOR_ID": "--executor-id",
    "SPARK_EXECUTOR_CORES": "--cores",
    "SPARK_APPLICATION_ID": "--app-id",
    "SPARK_EXECUTOR_POD_IP": "--hostname",
    "SPARK_RESOURCE_PROFILE_ID": "--resourceProfileId",
    "SPARK_EXECUTOR_POD_NAME": "--podName",
}
_ON_KUBERNETES = "-Dspark.master=k8s://"
"""Spark reads its secret from a file on Kubernetes only, and wants it before the server has told an executor where it
runs; what the server tells then takes this one's place."""
_MEMORY = "SPARK_EXECUTOR_MEMORY"
_JAVA_OPTION = re.compile(r"SPARK_JAVA_OPT_(\d+)")
_WORK = "work"
"""Below the pod's folder for state."""
_CLASS_PATHS = ("SPARK_CONF_DIR", "SPARK_CLASSPATH", "HADOOP_CONF_DIR")
"""Before Spark's own jars where they are set; `spark.executor.extraClassPath` comes as the second."""


def become_executor(environment: Mapping[str, str]) -> None:
    """Becomes the executor's Java process; comes back only by raising.

    It works in the pod's folder for state, where it is told of one: Spark puts files that a session sends to its
    executors into the folder that they work in, and the image's own cannot be written to.

    Raises:
        InvalidRequest: Spark has not told what an executor needs; names everything that is missing.
        InvalidSettings: no usable Java or Spark, or the folder cannot be worked in.
    """
    home = spark_home()
    command = executor_command(find_java(environment), home, environment)
    if state := environment.get(SPARK_STATE_VARIABLE):
        _work_in(Path(state) / _WORK)
    os.execve(command[0], command, {**environment, "SPARK_HOME": str(home)})  # noqa: S606 - no shell is wanted


def _work_in(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
    except OSError as error:
        raise InvalidSettings(
            "an executor cannot work in its folder", [Fault(str(folder), str(error.strerror or error))]
        ) from error


def executor_command(java: Java, home: Path, environment: Mapping[str, str]) -> list[str]:
    """The executor's command line.

    Raises:
        InvalidRequest: variables are missing; every one is named.
    """
    missing = [name for name in (_MEMORY, *_TOLD) if not environment.get(name)]
    if missing:
        faults = [Fault(name, "is not set; Spark's Kubernetes scheduler sets it") for name in missing]
        raise InvalidRequest("this is no pod that Spark has started as an executor", faults)
    memory = environment[_MEMORY]
    class_path = [environment[name] for name in _CLASS_PATHS if environment.get(name)]
    told = [part for name, option in _TOLD.items() for part in (option, environment[name])]
    return [
        str(java.executable),
        *_java_options(environment),
        _ON_KUBERNETES,
        f"-Xms{memory}",
        f"-Xmx{memory}",
        "-cp",
        os.pathsep.join([*class_path, str(home.resolve() / "jars" / "*")]),
        _MAIN,
        *told,
    ]


def _java_options(environment: Mapping[str, str]) -> list[str]:
    """Java's options in the order in which Spark has numbered them, each as it is: nothing splits or expands them."""
    found = ((_JAVA_OPTION.fullmatch(name), value) for name, value in environment.items())
    return [value for _, value in sorted((int(match[1]), value) for match, value in found if match)]
