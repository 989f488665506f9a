"""Making the Kubernetes client's models without its cost.

Left alone, each model copies the client's whole configuration, loggers included, for one flag of it: a tenth of a
millisecond and more each, and a pod is forty of them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from kubernetes.client import Configuration


def new(model: Any, **members: Any) -> Any:
    """A model with these members; they are checked as the client always does."""
    return model(local_vars_configuration=_configuration(), **members)


@cache
def _configuration() -> Configuration:
    """The client's defaults; nothing here talks to a cluster, and nobody changes it."""
    return Configuration()
