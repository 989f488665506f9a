"""From a container of a pod to what its shim is given: command, environment, folder, limits.

Nothing here starts anything; only secrets and existing folders are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from daybook.contract.quantities import quantity, whole
from daybook.localpods.clock import seconds_of
from daybook.localpods.downward import field_value, resource_value
from daybook.localpods.images import Image
from daybook.localpods.record import Launch
from daybook.localpods.secrets import Secrets

Json = dict[str, Any]
_REFERENCE: Final = re.compile(r"\$(?:\$|\(([^)]*)\))")


class ConfigProblem(Exception):
    """A container refers to something that is not there; Kubernetes calls it CreateContainerConfigError."""


def launch_of(pod: Json, container: Json, image: Image, home: Path, secrets: Secrets) -> Launch:
    """What the shim of this container is given.

    Args:
        pod: with defaults filled in.
        container: one of the pod's.
        image: what its image name stands for.
        home: the pod's own working folder; it exists.
        secrets: where references are looked up.

    Raises:
        ConfigProblem: a secret or key is missing, or cannot be a variable's value.
    """
    named = _variables(pod, container, home, secrets)
    limit = (container["resources"].get("limits") or {}).get("memory")
    return Launch(
        argv=_command(container, image, named),
        # HOME last: the folder a pod names is a mount of its own, and here every mount lies below this one.
        env={**image.environment(), "HOSTNAME": pod["metadata"]["name"], **named, "HOME": str(home)},
        cwd=str(_working_folder(container, home)),
        memory_limit_bytes=None if limit is None else whole(quantity(limit)),
        deadline=deadline_of(pod),
        grace_seconds=float(pod["spec"]["terminationGracePeriodSeconds"]),
    )


def deadline_of(pod: Json) -> float | None:
    """When the pod's `activeDeadlineSeconds` are over, seconds since the epoch; None without one.

    A pod's start time has whole seconds, rounded down; the second more keeps the deadline from coming early.
    """
    seconds = pod["spec"].get("activeDeadlineSeconds")
    return None if seconds is None else seconds_of(pod["status"]["startTime"]) + 1.0 + float(seconds)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `$(NAME)` by a variable's value; `$$` is a dollar sign, an unknown name stays as it is."""

    def replace(match: re.Match[str]) -> str:
        return "$" if match[1] is None else variables.get(match[1], match[0])

    return _REFERENCE.sub(replace, text)


def _command(container: Json, image: Image, variables: Mapping[str, str]) -> tuple[str, ...]:
    command = container.get("command") or image.entrypoint
    # An image's own entrypoint is not expanded: Kubernetes never sees it.
    head = tuple(expand(one, variables) for one in command) if container.get("command") else tuple(command)
    return head + tuple(expand(one, variables) for one in container.get("args") or ())


def led(value: str, container: Json, home: Path) -> str:
    """A value; one that is a mount's path, or begins with it, leads to where the volume is here: below HOME."""
    for mount in container.get("volumeMounts") or ():
        path = mount["mountPath"].rstrip("/")
        if path and (value == path or value.startswith(f"{path}/")):
            return f"{home}{value}"
    return value


def _variables(pod: Json, container: Json, home: Path, secrets: Secrets) -> dict[str, str]:
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        found.update(_from_source(source, namespace, secrets))
    for variable in container.get("env") or ():
        origin = variable.get("valueFrom")
        if origin is None:
            value: str | None = led(expand(variable.get("value") or "", found), container, home)
        else:
            value = _from_origin(pod, container, origin, secrets)
        if value is not None:
            found[variable["name"]] = value
    return found


def _from_source(source: Json, namespace: str, secrets: Secrets) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    reference = source.get("secretRef") or source["configMapRef"]
    values = _read(secrets, namespace, reference["name"]) if source.get("secretRef") else None
    if values is None:
        if reference.get("optional"):
            return {}
        raise ConfigProblem(_missing("secret" if source.get("secretRef") else "configmap", reference["name"]))
    return {prefix + key: value for key, value in values.items()}


def _from_origin(pod: Json, container: Json, origin: Json, secrets: Secrets) -> str | None:
    if origin.get("fieldRef"):
        return field_value(pod, origin["fieldRef"]["fieldPath"])
    if origin.get("resourceFieldRef"):
        reference = origin["resourceFieldRef"]
        return resource_value(container, reference["resource"], reference.get("divisor"))
    reference = origin.get("secretKeyRef") or origin["configMapKeyRef"]
    namespace, name = pod["metadata"]["namespace"], reference["name"]
    values = _read(secrets, namespace, name) if origin.get("secretKeyRef") else None
    if values is not None and reference["key"] in values:
        return values[reference["key"]]
    if reference.get("optional"):
        return None
    if values is None:
        raise ConfigProblem(_missing("secret" if origin.get("secretKeyRef") else "configmap", name))
    raise ConfigProblem(f"couldn't find key {reference['key']} in Secret {namespace}/{name}")


def _read(secrets: Secrets, namespace: str, name: str) -> dict[str, str] | None:
    try:
        return secrets.read(namespace, name)
    except (OSError, ValueError) as problem:
        raise ConfigProblem(str(problem)) from problem


def _missing(kind: str, name: str) -> str:
    return f'{kind} "{name}" not found'


def _working_folder(container: Json, home: Path) -> Path:
    """The folder asked for: in a volume as it lies below `home`, or as it is on this machine; else `home`."""
    wanted = PurePosixPath(container.get("workingDir") or ".")
    mounts = [mount["mountPath"] for mount in container.get("volumeMounts") or ()]
    mounted = any(wanted.is_relative_to(mount) for mount in mounts)
    folder = home / wanted.relative_to("/") if mounted and wanted.is_absolute() else home / wanted
    return folder if folder.is_dir() else home
