"""Which arguments Daybook's operators take beyond their own: how to reach Kubernetes, and what every operator takes."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any

from airflow.sdk import BaseOperator

CONNECTION_ARGUMENTS = frozenset({"kubernetes_conn_id", "in_cluster", "cluster_context", "config_file"})
_OURS = frozenset({"self", "kwargs", "do_xcom_push"})


def refuse_unknown(
    arguments: Mapping[str, Any],
    operator: str = "NotebookOperator",
    also: Collection[str] = CONNECTION_ARGUMENTS,
) -> None:
    """Refuses what the provider's operator takes but workspace and catalogue decide here; nothing is silently ignored.

    Args:
        arguments: those given.
        operator: whose they are.
        also: what it takes beside what every operator does.

    Raises:
        TypeError: names every such argument.
    """
    of_every_operator = frozenset(inspect.signature(BaseOperator.__init__).parameters) - _OURS
    refused = sorted(set(arguments) - set(also) - of_every_operator - {"default_args"})
    if refused:
        names = ", ".join(refused)
        raise TypeError(f"{operator} takes no {names}: workspace and catalogue entry say how its notebook is executed")
