"""What `kubectl get` shows: the server-side tables of pods, events and namespaces."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from daybook.localpods.api.errors import Json
from daybook.localpods.clock import seconds_of


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its head.
        wide: shown only with `-o wide`.
        kind: the JSON Schema type of its cells.
        format: `name` marks the column with the object's name.
    """

    name: str
    wide: bool = False
    kind: str = "string"
    format: str = ""


@dataclass(frozen=True)
class View:
    """How objects of one kind are shown: columns, and the cells of one object."""

    columns: Sequence[Column]
    cells: Callable[[Json], list[Any]]


def table(view: View, objects: Sequence[Json], version: str, include: str, *, head: bool = True) -> Json:
    """A `meta.k8s.io/v1` Table.

    Args:
        view: of the kind.
        objects: one a row.
        version: the list's resourceVersion.
        include: `None`, `Metadata` or `Object`: what of each object travels with its row.
        head: whether the columns are described; in a watch only the first table does.
    """
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": [_definition(one) for one in view.columns] if head else None,
        "rows": [{"cells": view.cells(one), "object": _included(one, include)} for one in objects],
    }


def _definition(column: Column) -> Json:
    return {
        "name": column.name,
        "type": column.kind,
        "format": column.format,
        "description": column.name,
        "priority": int(column.wide),
    }


def _included(one: Json, include: str) -> Json | None:
    if include == "Object":
        return one
    if include == "None":
        return None
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": one["metadata"]}


def age(timestamp: str | None, now: float | None = None) -> str:
    """How long ago, as kubectl writes it: 5s, 3m20s, 45m, 3h7m, 26h, 5d."""
    if not timestamp:
        return "<unknown>"
    seconds = max(0, int((time.time() if now is None else now) - seconds_of(timestamp)))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{days}d"


def pod_word(pod: Json) -> str:
    """The STATUS column: phase, or the most telling reason of a container."""
    status = pod["status"]
    word = str(status.get("reason") or status["phase"])
    init = status.get("initContainerStatuses") or []
    for at, one in enumerate(init):
        state = one["state"]
        if "terminated" in state and state["terminated"]["exitCode"] == 0:
            continue
        if "terminated" in state:
            return f"Init:{state['terminated']['reason']}"
        waiting = state.get("waiting", {}).get("reason")
        return f"Init:{waiting}" if waiting and waiting != "PodInitializing" else f"Init:{at}/{len(init)}"
    for one in reversed(status.get("containerStatuses") or []):
        state = one["state"].get("waiting") or one["state"].get("terminated")
        if state and not status.get("reason"):
            word = state["reason"]
    return "Terminating" if pod["metadata"].get("deletionTimestamp") else word


def _pod_cells(pod: Json) -> list[Any]:
    metadata, status = pod["metadata"], pod["status"]
    statuses = status.get("containerStatuses") or []
    ready = f"{sum(one['ready'] for one in statuses)}/{len(pod['spec']['containers'])}"
    born = age(metadata["creationTimestamp"])
    address, node = status.get("podIP") or "<none>", pod["spec"].get("nodeName") or "<none>"
    return [metadata["name"], ready, pod_word(pod), "0", born, address, node, "<none>", "<none>"]


def _event_cells(event: Json) -> list[Any]:
    about = event["involvedObject"]
    where = f"{about['kind'].lower()}/{about['name']}"
    last, first = age(event["lastTimestamp"]), age(event["firstTimestamp"])
    path, source = about.get("fieldPath", ""), event["source"]["component"]
    name = event["metadata"]["name"]
    return [last, event["type"], event["reason"], where, path, source, event["message"], first, event["count"], name]


VIEWS: Final[Mapping[str, View]] = {
    "pods": View(
        (
            Column("Name", format="name"),
            Column("Ready"),
            Column("Status"),
            Column("Restarts"),
            Column("Age"),
            Column("IP", wide=True),
            Column("Node", wide=True),
            Column("Nominated Node", wide=True),
            Column("Readiness Gates", wide=True),
        ),
        _pod_cells,
    ),
    "events": View(
        (
            Column("Last Seen"),
            Column("Type"),
            Column("Reason"),
            Column("Object"),
            Column("Subobject", wide=True),
            Column("Source", wide=True),
            Column("Message"),
            Column("First Seen", wide=True),
            Column("Count", wide=True, kind="integer"),
            Column("Name", wide=True, format="name"),
        ),
        _event_cells,
    ),
    "secrets": View(
        (Column("Name", format="name"), Column("Type"), Column("Data", kind="integer"), Column("Age")),
        lambda one: [
            one["metadata"]["name"],
            one["type"],
            len(one["data"]),
            age(one["metadata"].get("creationTimestamp")),
        ],
    ),
    "services": View(
        (Column("Name", format="name"), Column("Type"), Column("Cluster-IP"), Column("Port(s)"), Column("Age")),
        lambda one: [
            one["metadata"]["name"],
            one["spec"]["type"],
            one["spec"].get("clusterIP") or "<none>",
            ",".join(f"{port.get('port')}/{port.get('protocol') or 'TCP'}" for port in one["spec"]["ports"]),
            age(one["metadata"].get("creationTimestamp")),
        ],
    ),
    "namespaces": View(
        (Column("Name", format="name"), Column("Status"), Column("Age")),
        lambda one: [one["metadata"]["name"], one["status"]["phase"], age(one["metadata"].get("creationTimestamp"))],
    ),
}
