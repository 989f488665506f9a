"""The downward API: what a container may be told about its own pod through `valueFrom`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import psutil

from daybook.contract.quantities import quantity, whole

HOST_IP: Final = "127.0.0.1"
_KEYED: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_RESOURCES: Final = ("limits.cpu", "limits.memory", "requests.cpu", "requests.memory")

_FIELDS: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "metadata.name": lambda pod: str(pod["metadata"]["name"]),
    "metadata.namespace": lambda pod: str(pod["metadata"]["namespace"]),
    "metadata.uid": lambda pod: str(pod["metadata"]["uid"]),
    "spec.nodeName": lambda pod: str(pod["spec"]["nodeName"]),
    "spec.serviceAccountName": lambda pod: str(pod["spec"]["serviceAccountName"]),
    "status.hostIP": lambda _: HOST_IP,
    "status.hostIPs": lambda _: HOST_IP,
    "status.podIP": lambda pod: pod_address(pod),
    "status.podIPs": lambda pod: pod_address(pod),
}


def pod_address(pod: dict[str, Any]) -> str:
    """The address a pod was given when it was made."""
    return str((pod.get("status") or {}).get("podIP") or HOST_IP)


def is_known_field(path: str) -> bool:
    """Whether `fieldRef` may name this path."""
    return path in _FIELDS or _KEYED.fullmatch(path) is not None


def is_known_resource(resource: str) -> bool:
    """Whether `resourceFieldRef` may name this resource."""
    return resource in _RESOURCES


def field_value(pod: dict[str, Any], path: str) -> str:
    """The field of a pod; a label or annotation that is not there is empty, as in Kubernetes."""
    keyed = _KEYED.fullmatch(path)
    if keyed is None:
        return _FIELDS[path](pod)
    return str((pod["metadata"].get(keyed[1]) or {}).get(keyed[2], ""))


def resource_value(container: dict[str, Any], resource: str, divisor: object) -> str:
    """A request or limit of a container in units of `divisor`, rounded up; what the machine has where none is set."""
    kind, name = resource.split(".")
    amount = (container["resources"].get(kind) or {}).get(name)
    available = (os.cpu_count() or 1) if name == "cpu" else psutil.virtual_memory().total
    unit = quantity(divisor) if divisor else quantity("1")
    return str(whole(quantity(available if amount is None else amount) / (unit or quantity("1"))))
