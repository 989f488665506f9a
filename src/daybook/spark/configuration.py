"""Spark's settings, out of what Daybook, a workspace, a notebook and a call say; the later wins.

Pure but for the defaults, which are data of this package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from daybook.contract.errors import Fault, InvalidSettings
from daybook.contract.memory import DRIVER_OVERHEAD, EXECUTOR_OVERHEAD, Split, memory_bytes, spark_size, split
from daybook.contract.spark_server import SparkServerRequest, SparkSize
from daybook.contract.spark_settings import Layer, setting_faults, setting_text
from daybook.spark.jars import ICEBERG, Installed, s3a_faults, table_faults, table_settings
from daybook.spark.s3a import is_s3, s3a_settings, s3a_url

__all__ = ["Installed", "defaults", "merged", "plain_configuration", "server_configuration", "settings_of"]

WAREHOUSE = "spark-warehouse"
"""Where tables lie that are given no place, below the workspace's bucket."""
EVENT_LOG = "spark-events"
"""Where Spark's event logs lie, below the workspace's bucket."""
_EVENT_LOG_FILE = "64m"
"""S3 shows a file once it is closed, so a log of many small ones can be looked at while the server runs."""
_SIZES = re.compile(r"(memory|memoryoverhead|size|bytes|threshold|inflight|buffer|buffer\.max)\Z", re.IGNORECASE)
_AMOUNT = re.compile(r"\d+(?:\.\d+)?\s*[kmgtp]i?b?", re.IGNORECASE | re.ASCII)
_SPARKS_OWN = re.compile(r"\d+[kmgtp]b?", re.IGNORECASE | re.ASCII)
_PROCESS = re.compile(r"spark\.(driver|executor)\.memory(Overhead)?\Z")
"""A bare number here is bytes, as everywhere in Daybook; Spark takes it for bytes in one place, for MiB in another."""


@cache
def defaults() -> Mapping[str, Mapping[str, str]]:
    """`defaults.yaml`: settings by where they count."""
    import yaml

    found = yaml.safe_load(Path(__file__).with_name("defaults.yaml").read_text(encoding="utf-8"))
    return {part: settings_of(settings) for part, settings in found.items()}


def settings_of(given: Mapping[str, str | int | float]) -> dict[str, str]:
    """Settings as Spark takes them; amounts of memory it cannot read (`1.5GiB`, `2 GB`) in its own form, exactly."""
    return {name: _spark_amount(name, setting_text(value)) for name, value in given.items()}


def merged(*layers: Mapping[str, str]) -> dict[str, str]:
    """The layers as one; the later wins."""
    return {name: value for layer in layers for name, value in layer.items()}


def plain_configuration(place: str) -> dict[str, str]:
    """Daybook's own settings for a Spark that it starts, `local` or on `kubernetes`, below what anybody else says."""
    found = defaults()
    pools = {"spark.scheduler.allocation.file": Path(__file__).with_name("fair-scheduler.xml").as_uri()}
    return merged(found["session"], found["start"], found[place], found["server"], pools)


def server_configuration(request: SparkServerRequest, installed: Installed) -> dict[str, str]:
    """All of Spark's settings for a server, but for its ports, folders, key and, on Kubernetes, its executors' pods.

    Raises:
        InvalidSettings: something cannot be as it is asked for; every fault is named.
    """
    faults = list(_faults(request, installed))
    if faults:
        raise InvalidSettings(f"the Spark of workspace {request.workspace!r} cannot be as it is configured", faults)
    return merged(
        plain_configuration(request.place),
        _size(request),
        s3a_settings(request.bucket, installed.jars),
        _data(request),
        settings_of(request.settings),
        settings_of(request.notebook_settings),
    )


def _faults(request: SparkServerRequest, installed: Installed) -> Iterator[Fault]:
    for layer, settings in ((Layer.WORKSPACE, request.settings), (Layer.NOTEBOOK, request.notebook_settings)):
        for fault in setting_faults(settings, layer, starts_spark=True):
            yield Fault(f"{layer}: {fault.where}", fault.message)
    if is_s3(request.bucket.url):
        yield from s3a_faults(installed)
    for name in request.tables:
        yield from table_faults(name, installed)
    size = request.size
    for process, amount in (("driver_memory", size.driver_memory), ("executor_memory", size.executor_memory)):
        try:
            _split_of(process, amount)
        except ValueError as error:
            yield Fault(process, f"{amount} {error}")
    if request.place == "kubernetes" and not size.maximum_executors:
        yield Fault("maximum_executors", "must be 1 at least where executors do the work")
    if size.minimum_executors > size.maximum_executors:
        yield Fault("minimum_executors", f"{size.minimum_executors} is more than the {size.maximum_executors} at most")
    if request.metastore is not None and not re.fullmatch(
        r"thrift://[^\s,/]+:\d+(,thrift://[^\s,/]+:\d+)*", request.metastore
    ):
        yield Fault("metastore", "must be thrift://host:port, or several separated by commas")


def _size(request: SparkServerRequest) -> dict[str, str]:
    size: SparkSize = request.size
    driver = _split_of("driver_memory", size.driver_memory)
    if request.place == "local":
        return {"spark.driver.memory": spark_size(driver.heap_bytes)}
    executor = _split_of("executor_memory", size.executor_memory)
    return {
        "spark.driver.cores": str(size.driver_cores),
        "spark.driver.memory": spark_size(driver.heap_bytes),
        "spark.driver.memoryOverhead": spark_size(driver.overhead_bytes),
        "spark.executor.cores": str(size.executor_cores),
        "spark.executor.memory": spark_size(executor.heap_bytes),
        "spark.executor.memoryOverhead": spark_size(executor.overhead_bytes),
        "spark.dynamicAllocation.minExecutors": str(size.minimum_executors),
        "spark.dynamicAllocation.initialExecutors": str(size.minimum_executors),
        "spark.dynamicAllocation.maxExecutors": str(size.maximum_executors),
    }


def _split_of(process: str, amount: str | int) -> Split:
    return split(memory_bytes(amount), DRIVER_OVERHEAD if process == "driver_memory" else EXECUTOR_OVERHEAD)


def _data(request: SparkServerRequest) -> dict[str, str]:
    """Where tables and event logs lie."""
    bucket = s3a_url(request.bucket.url).rstrip("/")
    warehouse = f"{bucket}/{WAREHOUSE}"
    found = {"spark.sql.warehouse.dir": warehouse} if is_s3(bucket) or request.metastore else {}
    if request.metastore:
        found["spark.sql.catalogImplementation"] = "hive"
        found["spark.hadoop.hive.metastore.uris"] = request.metastore
    if request.event_log:
        found |= {
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": f"{bucket}/{EVENT_LOG}",
            "spark.eventLog.compress": "true",
            "spark.eventLog.rolling.enabled": "true",
            "spark.eventLog.rolling.maxFileSize": _EVENT_LOG_FILE,
        }
    tables = table_settings(request.tables, f"{bucket}/{WAREHOUSE}/{ICEBERG}", request.metastore)
    return {**found, **tables}


def _spark_amount(name: str, value: str) -> str:
    text = value.strip()
    if _PROCESS.match(name) and text.isdecimal() and int(text):
        return spark_size(int(text))
    if _SIZES.search(name) and _AMOUNT.fullmatch(text) and not _SPARKS_OWN.fullmatch(text):
        return spark_size(memory_bytes(text))
    return value
