"""Which of Spark's settings may be given by whom. Pure tables: what Airflow refuses and what a session refuses is one.

A setting is given in layers, and the later one wins: Daybook's defaults, the workspace, the notebook, the call of
`get_spark_session()`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from daybook.contract.errors import Fault


class Layer(StrEnum):
    """Who gives a setting."""

    WORKSPACE = "workspace"
    NOTEBOOK = "notebook"
    CALL = "call"


MAX_VALUE_CHARACTERS = 8 * 1024
"""Longer than any setting that is not a mistake; all of them travel in one environment variable."""

OURS = (
    *("spark.master", "spark.remote", "spark.api.mode", "spark.submit.", "spark.app.id", "spark.daybook."),
    *("spark.connect.", "spark.local.connect.", "spark.authenticate", "spark.network.crypto.", "spark.io.encryption."),
    *("spark.driver.host", "spark.driver.bindAddress", "spark.driver.port", "spark.blockManager.port"),
    *("spark.port.", "spark.ui.", "spark.acls.", "spark.admin.", "spark.modify.acls", "spark.redaction."),
    *("spark.kubernetes.", "spark.local.dir", "spark.hadoop.fs.s3a.impl.disable.cache"),
)
"""Names, or how they begin, of what Daybook alone decides: where Spark runs, who reaches it, whom it believes."""

SECRET = (
    *("spark.hadoop.fs.s3a.access.key", "spark.hadoop.fs.s3a.secret.key", "spark.hadoop.fs.s3a.session.token"),
    *("spark.hadoop.fs.s3a.encryption.key", "spark.hadoop.fs.s3a.server-side-encryption.key"),
    *("spark.hadoop.fs.azure.account.key.", "spark.hadoop.javax.jdo.option.ConnectionPassword"),
)
"""Values that are secrets. They come by the workspace's kind of credentials and never as a setting."""

WORKSPACES = (
    *("spark.hadoop.", "spark.hive.", "spark.sql.hive.metastore.", "spark.sql.catalogImplementation"),
    *("spark.sql.warehouse.dir", "spark.sql.extensions", "spark.sql.catalog.", "spark.eventLog.", "spark.history."),
    *("spark.plugins", "spark.extraListeners", "spark.sql.queryExecutionListeners", "spark.security."),
)
"""What a workspace alone decides: where its data lies and what its Spark is made of."""

SIZES = (
    *("spark.driver.cores", "spark.driver.memory", "spark.driver.memoryOverhead", "spark.executor.cores"),
    *("spark.executor.memory", "spark.executor.memoryOverhead", "spark.executor.instances", "spark.cores.max"),
    *("spark.dynamicAllocation.minExecutors", "spark.dynamicAllocation.initialExecutors"),
    *("spark.dynamicAllocation.maxExecutors", "spark.dynamicAllocation.enabled", "spark.executor.resource."),
)
"""What a server's profile decides, for its pods are as large. A Spark that a notebook starts for itself has none."""

AT_START_ONLY = (
    *(
        "spark.app.",
        "spark.cores.",
        "spark.driver.",
        "spark.dynamicAllocation.",
        "spark.executor.",
        "spark.executorEnv.",
    ),
    *("spark.jars", "spark.files", "spark.archives", "spark.pyFiles", "spark.pyspark.", "spark.python."),
    *("spark.kryo", "spark.local.", "spark.memory.", "spark.network.", "spark.rpc.", "spark.scheduler."),
    *("spark.serializer", "spark.shuffle.", "spark.task."),
    *(
        "spark.broadcast.",
        "spark.speculation",
        "spark.default.parallelism",
        "spark.locality.",
        "spark.excludeOnFailure.",
    ),
)
"""Settings that a running Spark takes without a word and without effect, beside those above."""

_S3A = "spark.hadoop.fs.s3a."
_S3A_BUCKET = f"{_S3A}bucket."
_NAME = re.compile(r"spark\.[A-Za-z0-9_.\-]{1,200}", re.ASCII)


def setting_faults(settings: Mapping[Any, object], layer: Layer, *, starts_spark: bool) -> list[Fault]:
    """What cannot be set like this by this layer; every fault, none where all is well.

    Args:
        settings: names and values.
        layer: who gives them.
        starts_spark: whether a Spark is started with them; a running one cannot take all.
    """
    return [fault for name, value in settings.items() for fault in _faults_of(name, value, layer, starts_spark)]


def is_one_of(name: str, names: tuple[str, ...]) -> bool:
    """Whether a setting is among those named; an entry that ends in a dot stands for all that begin like it."""
    return any(name == each or name.startswith(each if each.endswith(".") else f"{each}.") for each in names)


def setting_text(value: str | int | float) -> str:
    """A value as Spark takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _faults_of(name: object, value: object, layer: Layer, starts_spark: bool) -> list[Fault]:
    if not isinstance(name, str) or not name.startswith("spark."):
        return [Fault(str(name), "a Spark setting's name begins with 'spark.'")]
    if not _NAME.fullmatch(name):
        return [Fault(name, "a Spark setting's name has letters, digits, dots, '-' and '_' only")]
    forbidden = _forbidden(name, layer)
    if forbidden is not None:
        return [Fault(name, forbidden)]
    return [Fault(name, text) for text in (_too_late(name, starts_spark), _wrong_value(value)) if text]


def _for_all_buckets(name: str) -> str:
    """The setting that this one is for a single bucket, as S3A has it: `…s3a.bucket.NAME.access.key`."""
    if not name.startswith(_S3A_BUCKET):
        return name
    ends = (each.removeprefix(_S3A) for each in (*SECRET, *OURS) if each.startswith(_S3A))
    return next((f"{_S3A}{end}" for end in ends if name.endswith(f".{end}")), name)


def _forbidden(name: str, layer: Layer) -> str | None:
    name = _for_all_buckets(name)
    if is_one_of(name, SECRET):
        return "cannot be set: it is a secret; credentials come by the workspace's `credentials` alone"
    if is_one_of(name, OURS):
        return "cannot be set: Daybook alone decides it"
    if layer is not Layer.WORKSPACE and is_one_of(name, WORKSPACES):
        return f"cannot be set by a {layer}: the workspace alone decides it (`spark` in workspaces.yaml)"
    if layer is not Layer.CALL and is_one_of(name, SIZES):
        return "cannot be set: the server's profile decides it (`profile`)"
    return None


def _too_late(name: str, starts_spark: bool) -> str | None:
    if starts_spark or not is_one_of(name, (*AT_START_ONLY, *WORKSPACES)):
        return None
    return (
        "takes effect only when Spark starts, and this one runs; set it for the workspace's server, or start one with "
        "get_spark_session(local=True)"
    )


def _wrong_value(value: object) -> str | None:
    if not isinstance(value, str | int | float):
        return f"the value must be text, a number or a boolean, not {type(value).__name__}"
    if len(str(value)) > MAX_VALUE_CHARACTERS:
        return f"the value is longer than {MAX_VALUE_CHARACTERS} characters"
    return None
