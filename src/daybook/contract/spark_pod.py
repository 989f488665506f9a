"""What the pod of a Spark server is told: the server itself, and how long it is to live. Without a secret in it."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from daybook.contract.request import Frozen
from daybook.contract.spark_server import SparkServerRequest

SPARK_PORT: Final = 15002
"""Of Spark Connect in a server's pod: Spark's own."""
SPARK_UI_PORT: Final = 4040
SPARK_DRIVER_PORT: Final = 7078
SPARK_BLOCK_PORT: Final = 7079
"""Of driver and executors among each other, fixed so that network policies can name them."""

SPARK_STATE_FOLDER: Final = "/spark"
"""Where a server's pod keeps its files: settings, warehouse, temporary files, the mark of readiness."""
SPARK_READY_FILE: Final = "ready"
"""In that folder while the server answers queries; the pod's readiness probe reads it."""
SPARK_KEY: Final = "token"
"""The one key of the server's Secret, and so its file's name: the pre-shared key of Spark Connect."""
SPARK_EXECUTOR_CONTAINER: Final = "executor"


def in_url(address: str) -> str:
    """A pod's address as the host of a URL: one of version 6 stands in brackets."""
    return f"[{address}]" if ":" in address else address


class SparkExecutors(Frozen):
    """What Spark is to make its executors' pods of."""

    namespace: str
    image: str
    service_account: str
    template: dict[str, Any] = Field(description="a pod, as Kubernetes writes it; Spark adds its own to it")


class SparkPod(Frozen):
    """All that a server's pod is told; its key comes as a file."""

    name: str
    server: SparkServerRequest
    idle_seconds: float = Field(gt=0, description="without clients and jobs it ends after these")
    start_seconds: float = Field(gt=0, description="until it has answered a query; else it ends, and says why")
    executors: SparkExecutors | None = Field(default=None, description="None: the server does the work itself")
