"""A classic Spark session inside this process's machine, for a notebook that was given no Connect server."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daybook.contract.errors import Fault, InfrastructureFailed, InvalidRequest
from daybook.contract.spark_server import SparkBucket, SparkCredentials, SparkServerRequest
from daybook.contract.spark_settings import Layer
from daybook.contract.variables import RUN_VARIABLE, WORKSPACE_VARIABLE
from daybook.spark.asked import (
    LOCAL_WORKSPACE,
    POOL_SETTING,
    Asked,
    call_settings,
    hide_server,
    layers_of,
    tags_of,
)
from daybook.spark.configuration import server_configuration
from daybook.spark.jars import Installed, installed, s3a_faults
from daybook.spark.java import find_java
from daybook.spark.process import (
    COMMON_SETTINGS,
    DEFAULT_MEMORY,
    checked_memory,
    java_command,
    java_environment,
    spark_home,
    write_properties,
)
from daybook.spark.s3a import bucket_of

START_LIMIT_SECONDS = 120.0
"""How long Java may take to come up; 3 s is usual, a loaded machine needs longer."""
_LOOK_EVERY_SECONDS = 0.05
_LOG_TAIL_CHARACTERS = 600
MEMORY_SETTING = "spark.driver.memory"
_GATEWAY = ("PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET")
_GROUP_PROPERTY = "spark.jobGroup.id"
_SETTINGS = "daybook_settings"
"""Of pyspark's gateway to Java: what the context before was started with."""


def start_local(asked: Asked, environment: MutableMapping[str, str], say: Callable[[str], None]) -> Any:
    """A classic session on `local[*]`, bound to loopback, without pages; its Java ends with this process.

    Args:
        asked: the call; its settings may be static ones too, since Java has not started yet.
        environment: this process's own; pyspark reads it, so what would make it attach elsewhere is taken out.
        say: told what this Spark cannot do.

    Raises:
        InvalidSettings: what the workspace or the notebook says cannot be.
        UnusableJava: no Java of this machine will do.
        InfrastructureFailed: Java or Spark did not start; the message has the end of its log.
    """
    configured = local_configuration(asked, environment, installed(spark_home()), say)
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    hide_server(environment)
    environment.pop("SPARK_CONNECT_MODE_ENABLED", None)
    full = {**configured, "spark.app.name": asked.name(environment)}
    before = getattr(SparkContext._gateway, _SETTINGS, {})
    _require_memory(full, before)
    full["spark.local.dir"] = before.get("spark.local.dir") or _state()
    if SparkContext._gateway is not None:
        _set_in_java(SparkContext._jvm.java.lang.System, full, before)
        session = SparkSession.builder.getOrCreate()
    else:
        process, port, secret = _start_java(full, Path(full["spark.local.dir"]), environment)
        with _gateway(environment, port, secret):
            session = SparkSession.builder.getOrCreate()
        # The open pipe is what keeps Java alive; it ends when this process does.
        SparkContext._gateway.proc = process  # type: ignore[attr-defined]  # made by getOrCreate
    setattr(SparkContext._gateway, _SETTINGS, full)
    mark(session, asked, environment)
    return session


def _state() -> str:
    state, process = tempfile.mkdtemp(prefix="daybook-spark-"), os.getpid()

    def remove() -> None:
        if os.getpid() == process:  # a fork of the notebook's process that ends leaves it to the notebook
            shutil.rmtree(state, ignore_errors=True)

    atexit.register(remove)
    return state


def _require_memory(settings: Mapping[str, str], before: Mapping[str, str]) -> None:
    """A session that was stopped leaves its Java to the next one, as pyspark's do; only the heap is as it was."""
    wanted, there = (checked_memory(each.get(MEMORY_SETTING, DEFAULT_MEMORY)) for each in (settings, before))
    if before and MEMORY_SETTING in settings and wanted != there:
        fault = Fault(MEMORY_SETTING, f"is {there} since this notebook first started Spark; restart its kernel")
        raise InvalidRequest("this Spark session cannot be had", [fault])


def _set_in_java(system: Any, settings: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Has the next context of a Java that runs begin with these, and with nothing of the one before."""
    for name in before.keys() - settings.keys():
        system.clearProperty(name)
    for name, value in settings.items():
        system.setProperty(name, value)


def local_configuration(
    asked: Asked, environment: Mapping[str, str], there: Installed, say: Callable[[str], None]
) -> dict[str, str]:
    """The settings that a server of the workspace would have, with the call's.

    Raises:
        InvalidSettings: what the workspace or the notebook says cannot be.
    """
    bucket = bucket_of(environment)
    if s3a_faults(there):
        if bucket.endpoint or bucket.credentials is not SparkCredentials.NONE:
            say("This image's Spark has no jars for S3: it cannot read s3:// and s3a:// addresses")
        bucket = SparkBucket(url="file:///")
    layers = layers_of(environment)
    request = SparkServerRequest(
        workspace=environment.get(WORKSPACE_VARIABLE) or LOCAL_WORKSPACE,
        bucket=bucket,
        settings=layers[Layer.WORKSPACE],
        notebook_settings=layers[Layer.NOTEBOOK],
    )
    configured = server_configuration(request, there)
    # Of a server's profile and of its bucket's address, which are not known here.
    for name in {MEMORY_SETTING, "spark.sql.warehouse.dir"} - layers[Layer.WORKSPACE].keys():
        configured.pop(name, None)
    return {**configured, **COMMON_SETTINGS, "spark.ui.enabled": "false", **call_settings(asked)}


def mark(session: Any, asked: Asked, environment: Mapping[str, str]) -> None:
    """Names what the calling thread runs: a job group, unless it has one, tags, and the pool of the scheduler."""
    context = session.sparkContext
    if context.getLocalProperty(_GROUP_PROPERTY) is None:
        run = environment.get(RUN_VARIABLE) or asked.name(environment)
        context.setJobGroup(run, asked.name(environment), interruptOnCancel=True)
    for tag in tags_of(asked, environment):
        session.addTag(tag)
    if asked.scheduler_pool is not None:
        context.setLocalProperty(POOL_SETTING, asked.scheduler_pool)


def _start_java(
    settings: Mapping[str, str], state: Path, environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], int, bytes]:
    home, java = spark_home(), find_java(environment)
    memory = checked_memory(settings.get(MEMORY_SETTING, DEFAULT_MEMORY))
    write_properties(state / "spark.properties", settings)
    arguments = ["--properties-file", str(state / "spark.properties"), "pyspark-shell"]
    answer, log = state / "gateway", state / "java.log"
    variables = {**java_environment(environment, home), "_PYSPARK_DRIVER_CONN_INFO_PATH": str(answer)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            java_command(java, home, memory, state, arguments),
            env=variables,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            # A group of its own: interrupting the kernel must stop the cell, not Java.
            process_group=0,
        )
    _await_gateway(process, answer, log)
    data = answer.read_bytes()
    length = int.from_bytes(data[4:8], "big")
    return process, int.from_bytes(data[:4], "big"), data[8 : 8 + length]


def _await_gateway(process: subprocess.Popen[bytes], answer: Path, log: Path) -> None:
    # Spark offers nothing to wait on but this file, which it moves into place when it is whole.
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while not answer.is_file():
        try:
            process.wait(_LOOK_EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() < deadline:
                continue
            process.kill()
        process.wait()
        tail = log.read_text(errors="replace")[-_LOG_TAIL_CHARACTERS:].strip()
        raise InfrastructureFailed(f"Spark's Java did not start (it ended with {process.returncode}): {tail}")


@contextmanager
def _gateway(environment: MutableMapping[str, str], port: int, secret: bytes) -> Iterator[None]:
    environment.update(zip(_GATEWAY, (str(port), secret.decode()), strict=True))
    try:
        yield
    finally:
        for name in _GATEWAY:
            environment.pop(name, None)
