"""Which arguments `NotebookOperator` takes beyond its own: how to reach Kubernetes, and what every operator takes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

CONNECTION_ARGUMENTS = frozenset({"kubernetes_conn_id", "in_cluster", "cluster_context", "config_file"})
_OURS = frozenset({"self", "kwargs", "do_xcom_push"})


def refuse_unknown(arguments: Mapping[str, Any]) -> None:
    """Refuses what `KubernetesPodOperator` takes but workspace and catalogue decide here; nothing is silently ignored.

    Raises:
        TypeError: names every such argument.
    """
    of_every_operator = frozenset(inspect.signature(BaseOperator.__init__).parameters) - _OURS
    refused = sorted(set(arguments) - CONNECTION_ARGUMENTS - of_every_operator - {"default_args"})
    if refused:
        names = ", ".join(refused)
        raise TypeError(f"NotebookOperator takes no {names}: workspace and catalogue entry say how its pod is made")
