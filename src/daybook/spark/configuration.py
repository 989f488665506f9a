"""Spark's settings, out of what Daybook, a workspace, a notebook and a call say. Pure: no files, no environment."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from daybook.contract.spark_server import SparkServerRequest


@dataclass(frozen=True)
class Installed:
    """The Spark of an image.

    Attributes:
        version: such as `4.3.0`.
        jars: file names in Spark's jars folder.
    """

    version: str
    jars: Collection[str] = ()


def server_configuration(request: SparkServerRequest, installed: Installed) -> dict[str, str]:
    """All of Spark's settings for a server, but for its ports, folders, key and, on Kubernetes, its executors' pods.

    Raises:
        InvalidSettings: something cannot be as it is asked for; every fault is named.
    """
    raise NotImplementedError
