"""A classic Spark session inside this process's machine, for a notebook that was given no Connect server."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daybook.contract.errors import InfrastructureFailed
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

START_LIMIT_SECONDS = 60.0
"""How long Java may take to come up; 3 s is usual, a loaded machine needs longer."""
_LOOK_EVERY_SECONDS = 0.05
_LOG_TAIL_CHARACTERS = 600
MEMORY_SETTING = "spark.driver.memory"
_GATEWAY = ("PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET")
_CONNECT = ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED")


def start_local(app_name: str, settings: Mapping[str, str], environment: MutableMapping[str, str]) -> Any:
    """A classic session on `local[*]`, bound to loopback, without pages; its Java ends with this process.

    Args:
        app_name: the application's name.
        settings: Spark's settings, static ones too, since Java has not started yet.
        environment: this process's own; pyspark reads it, so what would make it attach elsewhere is taken out.

    Raises:
        UnusableJava: no Java of this machine will do.
        InfrastructureFailed: Java or Spark did not start; the message has the end of its log.
    """
    for name in _CONNECT:
        environment.pop(name, None)
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    state = Path(tempfile.mkdtemp(prefix="daybook-spark-"))
    atexit.register(shutil.rmtree, state, ignore_errors=True)
    full = {**COMMON_SETTINGS, "spark.ui.enabled": "false", "spark.local.dir": str(state), **settings}
    process, port, secret = _start_java({**full, "spark.app.name": app_name}, state, environment)
    with _gateway(environment, port, secret):
        session = SparkSession.builder.appName(app_name).getOrCreate()
    # The open pipe is what keeps Java alive; it ends when this process does.
    SparkContext._gateway.proc = process
    return session


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
