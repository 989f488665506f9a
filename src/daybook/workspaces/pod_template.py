"""What a pod template may add to Daybook's pod. Everything that is not in the tables here is refused by name.

An allow-list, since a deny-list would let through what Kubernetes learns next. What a template repeats as it is anyway
(`RESTATED`) is no fault, so that a template made for a hardened namespace need not be pruned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from daybook.contract.variables import STORE_VARIABLES
from daybook.workspaces.fields import is_ours
from daybook.workspaces.mounts import HOME_VARIABLE
from daybook.workspaces.pod_metadata import Faults, annotation_faults, label_faults

CONTAINER: Final = "notebook"
"""The one container of a pod."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_VALUES_FROM = ("fieldRef", "resourceFieldRef", "configMapKeyRef")


def _variables(path: str, value: Any, _domains: Collection[str]) -> Faults:
    for number, variable in enumerate(value):
        at = f"{path}[{number}]"
        if not isinstance(variable, dict):
            yield at, "must be a mapping with `name`"
            continue
        name = variable.get("name")
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            yield f"{at}.name", "must be the name of an environment variable"
        elif is_ours(name) or name == HOME_VARIABLE:
            yield f"{at}.name", f"{name} is a variable that Daybook itself sets"
        elif name.startswith(STORE_VARIABLES):
            yield f"{at}.name", f"{name} belongs to the bucket; say it under `store` or `credentials`"
        yield from _source(at, variable)


def _source(at: str, variable: Mapping[str, Any]) -> Faults:
    for key in variable.keys() - {"name", "value", "valueFrom"}:
        yield f"{at}.{key}", "is not known"
    if not isinstance(variable.get("value", ""), str):
        yield f"{at}.value", "must be a text"
    source = variable.get("valueFrom", {})
    if not isinstance(source, dict) or len(source) > 1 or (source and "value" in variable):
        yield f"{at}.valueFrom", f"must be one of {', '.join(_VALUES_FROM)}, without a value beside it"
        return
    for kind in source.keys() - set(_VALUES_FROM):
        yield f"{at}.valueFrom.{kind}", _NO_SECRETS if kind == "secretKeyRef" else "is not allowed"


_NO_SECRETS = "is not allowed: a Secret reaches a notebook by a secret input, or as a volume of `pod.volumes`"


def _anything(_path: str, _value: Any, _domains: Collection[str]) -> Faults:
    """Nothing: the content is the scheduler's or the resolver's own."""
    yield from ()


ADDITIONS: Final[Mapping[str, tuple[type, Callable[[str, Any, Collection[str]], Faults]]]] = {
    "metadata.labels": (dict, label_faults),
    "metadata.annotations": (dict, annotation_faults),
    "spec.affinity.nodeAffinity": (dict, _anything),
    "spec.affinity.podAffinity": (dict, _anything),
    "spec.affinity.podAntiAffinity": (dict, _anything),
    "spec.topologySpreadConstraints": (list, _anything),
    "spec.dnsConfig.nameservers": (list, _anything),
    "spec.dnsConfig.searches": (list, _anything),
    "spec.dnsConfig.options": (list, _anything),
    "spec.hostAliases": (list, _anything),
    f"spec.containers[{CONTAINER}].env": (list, _variables),
}
"""What a template may add, the YAML type it has, and what is wrong with it."""

_OURS = f"spec.containers[{CONTAINER}]"

RESTATED: Final[Mapping[str, Any]] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "spec.restartPolicy": "Never",
    "spec.hostNetwork": False,
    "spec.hostPID": False,
    "spec.hostIPC": False,
    "spec.enableServiceLinks": False,
    "spec.automountServiceAccountToken": False,
    "spec.securityContext.runAsNonRoot": True,
    "spec.securityContext.seccompProfile.type": "RuntimeDefault",
    f"{_OURS}.name": CONTAINER,
    f"{_OURS}.securityContext.runAsNonRoot": True,
    f"{_OURS}.securityContext.privileged": False,
    f"{_OURS}.securityContext.allowPrivilegeEscalation": False,
    f"{_OURS}.securityContext.readOnlyRootFilesystem": True,
    f"{_OURS}.securityContext.capabilities.drop": ["ALL"],
    f"{_OURS}.securityContext.seccompProfile.type": "RuntimeDefault",
}
"""What Daybook's pod has in any case; a template may say it again, and nothing else in its place."""

_WAYS_OUT: Final[Mapping[str, str]] = {
    "spec.volumes": "name the volume under `pod.volumes`",
    f"{_OURS}.volumeMounts": "name the volume under `pod.volumes`",
    "spec.nodeSelector": "use `pod.node_selector`",
    "spec.tolerations": "use `pod.tolerations`",
    "spec.imagePullSecrets": "use `pod.pull_secrets`",
    "spec.runtimeClassName": "use `pod.runtime_class`",
    "spec.priorityClassName": "use `pod.priority_class`",
    "spec.serviceAccountName": "use `service_account`",
    "metadata.namespace": "use `namespace`",
    "spec.initContainers": "Daybook's pod has one container",
    "spec.ephemeralContainers": "Daybook's pod has one container",
    f"{_OURS}.image": "use `image`, or the notebook's `run.image`",
    f"{_OURS}.resources": "use `cpu`, `memory`, `ephemeral_storage` and `maximum`",
    f"{_OURS}.envFrom": "a Secret reaches a notebook by a secret input",
}


def template_faults(template: Mapping[str, Any], domains: Collection[str] = ()) -> Faults:
    """Everything that a template must not say, by the path as Kubernetes writes it.

    Args:
        template: a pod, as Kubernetes writes it.
        domains: whose labels and annotations it may add besides the harmless ones.
    """
    yield from _mapping_faults("", template, domains)


def variables_of(template: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that a template without faults adds, by name; each as Kubernetes writes it."""
    containers = (template.get("spec") or {}).get("containers") or []
    return {each["name"]: each for container in containers for each in container.get("env", ())}


def _faults(path: str, value: Any, domains: Collection[str]) -> Faults:
    if path in ADDITIONS:
        kind, check = ADDITIONS[path]
        if isinstance(value, kind):
            yield from check(path, value, domains)
        else:
            yield path, "must be a list" if kind is list else "must be a mapping"
    elif path in RESTATED:
        if value != RESTATED[path] or type(value) is not type(RESTATED[path]):
            yield path, f"must stay {_yaml(RESTATED[path])}: a template may add to the pod and never weaken it"
    elif path == "spec.containers":
        yield from _containers(value, domains)
    elif _leads_on(path):
        yield from _mapping_faults(path, value, domains)
    else:
        way_out = _WAYS_OUT.get(path)
        yield path, "may not be set by a template" + (f"; {way_out}" if way_out else "")


def _mapping_faults(path: str, value: Any, domains: Collection[str]) -> Faults:
    if not isinstance(value, Mapping):
        yield path, "must be a mapping"
        return
    for key, inner in value.items():
        place = f"{path}.{key}".removeprefix(".")
        if "." in key or "[" in key:  # would pass for the path that it spells, and add nothing
            yield place, f"{key!r} is no key that Kubernetes knows; write mappings within one another"
        else:
            yield from _faults(place, inner, domains)


def _containers(value: Any, domains: Collection[str]) -> Faults:
    if not isinstance(value, list):
        yield "spec.containers", "must be a list"
        return
    seen = 0
    for number, container in enumerate(value):
        ours = isinstance(container, dict) and container.get("name") == CONTAINER
        seen += ours
        if ours and seen == 1:
            yield from _mapping_faults(_OURS, container, domains)
        else:
            yield f"spec.containers[{number}]", f"may not be there: Daybook's pod has one container, {CONTAINER!r}"


def _leads_on(path: str) -> bool:
    return any(known.startswith((f"{path}.", f"{path}[")) for known in (*ADDITIONS, *RESTATED))


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
