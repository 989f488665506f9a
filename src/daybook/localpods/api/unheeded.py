"""What a pod may ask for and does not get here. It is said on the pod itself, in an annotation."""

from __future__ import annotations

from typing import Final

from daybook.localpods.api.errors import Json

ANNOTATION: Final = "localpods/unheeded"

_POD_FIELDS: Final = (
    *("affinity", "dnsConfig", "hostAliases", "hostNetwork", "hostname", "imagePullSecrets", "nodeSelector"),
    *("priorityClassName", "runtimeClassName", "securityContext", "serviceAccountName", "tolerations"),
)
_CONTAINER_FIELDS: Final = ("lifecycle", "livenessProbe", "securityContext", "startupProbe")


def unheeded(spec: Json) -> list[str]:
    """The fields of a spec as a client sent it that have no effect, as paths; volumes say where they are instead."""
    found = [key for key in _POD_FIELDS if spec.get(key)]
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            found += [f"{container['name']}.{key}" for key in _of_container(container)]
    return found


def _of_container(container: Json) -> list[str]:
    limits = (container.get("resources") or {}).get("limits") or {}
    found = [key for key in _CONTAINER_FIELDS if container.get(key)]
    if container.get("readinessProbe") and not (container["readinessProbe"].get("exec") or {}).get("command"):
        found.append("readinessProbe")
    found += [f"resources.limits[{name}]" for name in limits if name != "memory"]
    mounts = [mount["mountPath"] for mount in container.get("volumeMounts") or ()]
    return found + [f"volumeMounts[{path}] (it is ~/{path.lstrip('/')})" for path in mounts]
