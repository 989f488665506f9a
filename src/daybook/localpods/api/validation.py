"""What a pod must look like, and what localpods fills in when it is created.

Everything wrong with a pod is found in one go. What localpods cannot do is refused only where ignoring it would be
dangerous: a volume whose content would be missing or lost, a restart that would not happen. `docs/localpods.md`
lists what is accepted and has no effect.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from daybook.contract.errors import Fault
from daybook.localpods.api.containers import Check, Seen, check_container, listed
from daybook.localpods.api.errors import Json
from daybook.localpods.api.names import (
    DNS_LABEL,
    DNS_SUBDOMAIN,
    LABEL_VALUE,
    QUALIFIED_NAME,
    is_data_key,
    is_dns_label,
    is_dns_subdomain,
    is_label_value,
    is_qualified_name,
)
from daybook.localpods.limits import DEFAULT_GRACE_SECONDS, MAX_ANNOTATION_BYTES

NODE_NAME: Final = "localpods"
_MAX_SECONDS: Final = 2**31 - 1


def pod_faults(pod: Json) -> list[Fault]:
    """Everything that is wrong with a pod as a client sent it."""
    check = Check()
    metadata = pod.get("metadata")
    if not isinstance(metadata, dict):
        check.fault("metadata", "required value")
    else:
        _check_metadata(check, metadata)
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        check.fault("spec", "required value")
    else:
        _check_spec(check, spec)
    _check_text(check, pod)
    return check.faults


def metadata_faults(one: Json) -> list[Fault]:
    """What is wrong with the metadata, and with the text, of an object of whichever kind."""
    check = Check()
    metadata = one.get("metadata")
    if not isinstance(metadata, dict):
        check.fault("metadata", "required value")
    else:
        _check_metadata(check, metadata)
    _check_text(check, one)
    return check.faults


def _check_metadata(check: Check, metadata: Json) -> None:
    name, prefix = metadata.get("name"), metadata.get("generateName")
    if name is None and prefix is None:
        check.fault("metadata.name", "required value: name or generateName is required")
    if name is not None and not is_dns_subdomain(name):
        check.fault("metadata.name", f"invalid value: {name!r}: {DNS_SUBDOMAIN}")
    if name is None and prefix is not None and not (isinstance(prefix, str) and is_dns_subdomain(f"{prefix}x")):
        check.fault("metadata.generateName", f"invalid value: {prefix!r}: {DNS_SUBDOMAIN}")
    for key, value in check.mapping("metadata.labels", metadata.get("labels")):
        if not is_qualified_name(key):
            check.fault("metadata.labels", f"invalid key: {key!r}: {QUALIFIED_NAME}")
        if not is_label_value(value):
            check.fault("metadata.labels", f"invalid value: {value!r} of {key!r}: {LABEL_VALUE}")
    size = 0
    for key, value in check.mapping("metadata.annotations", metadata.get("annotations")):
        if not is_qualified_name(key):
            check.fault("metadata.annotations", f"invalid key: {key!r}: {QUALIFIED_NAME}")
        if not isinstance(value, str):
            check.fault("metadata.annotations", f"invalid value of {key!r}: must be a string")
        size += len(str(key).encode()) + len(str(value).encode())
    if size > MAX_ANNOTATION_BYTES:
        check.fault("metadata.annotations", f"too long: must have at most {MAX_ANNOTATION_BYTES} bytes")


def _check_spec(check: Check, spec: Json) -> None:
    check.one_of("spec.restartPolicy", spec.get("restartPolicy"), ("Never",), "localpods never restarts a container")
    check.whole("spec.activeDeadlineSeconds", spec.get("activeDeadlineSeconds"), 1, _MAX_SECONDS)
    check.whole("spec.terminationGracePeriodSeconds", spec.get("terminationGracePeriodSeconds"), 0, _MAX_SECONDS)
    seen = Seen(_check_volumes(check, spec.get("volumes")))
    for field in ("initContainers", "containers"):
        where = f"spec.{field}"
        containers = listed(check, where, spec.get(field))
        if field == "containers" and spec.get(field) in (None, []):
            check.fault(where, "required value: a pod needs at least one container")
        for at, container in containers:
            check_container(check, at, container, seen)
            if container.get("restartPolicy") is not None:
                check.fault(f"{at}.restartPolicy", "localpods never restarts a container and runs no sidecars")


def _check_volumes(check: Check, volumes: Any) -> set[str]:
    names: set[str] = set()
    for at, volume in listed(check, "spec.volumes", volumes):
        name = volume.get("name")
        if not isinstance(name, str) or not is_dns_label(name):
            check.fault(f"{at}.name", f"invalid value: {name!r}: {DNS_LABEL}")
        elif name in names:
            check.fault(f"{at}.name", f"duplicate value: {name!r}")
        else:
            names.add(name)
        _check_source(check, at, {key: value for key, value in volume.items() if key != "name" and value is not None})
    return names


def _check_source(check: Check, at: str, source: Json) -> None:
    if len(source) > 1:
        check.fault(at, f"may not specify more than one volume type: {', '.join(sorted(source))}")
    for kind, settings in source.items():
        given = settings if isinstance(settings, dict) else {}
        if kind == "secret":
            _check_secret(check, f"{at}.secret", given, "secretName")
        elif kind == "projected":
            _check_projected(check, f"{at}.projected", given)
        elif kind != "emptyDir" and not (given.get("optional") is True and kind == "configMap"):
            reason = "localpods cannot mount it; it has emptyDir, secrets and service accounts' tokens"
            check.fault(f"{at}.{kind}", f"forbidden: {reason}")


def _check_secret(check: Check, at: str, source: Json, key: str) -> None:
    if not is_dns_subdomain(source.get(key)):
        check.fault(f"{at}.{key}", f"invalid value: {source.get(key)!r}: {DNS_SUBDOMAIN}")
    for where, item in listed(check, f"{at}.items", source.get("items")):
        if not is_data_key(item.get("key")):
            check.fault(f"{where}.key", "invalid value: must be a key of the secret")
        _check_inner_path(check, where, item)


def _check_projected(check: Check, at: str, projected: Json) -> None:
    for where, source in listed(check, f"{at}.sources", projected.get("sources")):
        for kind, settings in source.items():
            given = settings if isinstance(settings, dict) else {}
            if kind == "secret":
                _check_secret(check, f"{where}.secret", given, "name")
            elif kind == "serviceAccountToken":
                _check_inner_path(check, f"{where}.{kind}", given)
                check.whole(f"{where}.{kind}.expirationSeconds", given.get("expirationSeconds"), 600, 2**32)
            else:
                check.fault(f"{where}.{kind}", "forbidden: localpods projects secrets and tokens only")


def _check_inner_path(check: Check, at: str, given: Json) -> None:
    path = given.get("path")
    if not isinstance(path, str) or not path or path.startswith("/") or ".." in path.split("/"):
        check.fault(f"{at}.path", f"invalid value: {path!r}: must be a path below the volume")


def _check_text(check: Check, pod: Json) -> None:
    """No operating system takes a NUL in a command, a variable or a path."""
    for where, text in _texts("", pod):
        if "\0" in text:
            check.fault(where, "may not contain a NUL character")
        try:
            text.encode()
        except UnicodeEncodeError:
            check.fault(where, "must be Unicode text")


def _texts(where: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(f"{where}.{key}".removeprefix("."), inner)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _texts(f"{where}[{at}]", inner)


def with_defaults(pod: Json) -> Json:
    """The pod with what Kubernetes fills in. It must have passed `pod_faults`."""
    filled = copy.deepcopy(pod)
    spec = filled["spec"]
    _fill(spec, _SPEC_DEFAULTS)
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        _fill(container, _CONTAINER_DEFAULTS)
        # Kubernetes takes a limit for the request where only the limit is given.
        limits = container["resources"].get("limits") or {}
        if limits:
            container["resources"]["requests"] = {**limits, **(container["resources"].get("requests") or {})}
    return filled


def _fill(target: Json, defaults: Mapping[str, Callable[[], Any]]) -> None:
    for key, make in defaults.items():
        if target.get(key) is None:
            target[key] = make()


_SPEC_DEFAULTS: Final[Mapping[str, Callable[[], Any]]] = {
    "restartPolicy": lambda: "Never",
    "terminationGracePeriodSeconds": lambda: DEFAULT_GRACE_SECONDS,
    "dnsPolicy": lambda: "ClusterFirst",
    "schedulerName": lambda: NODE_NAME,
    "securityContext": dict,
    "serviceAccountName": lambda: "default",
    "enableServiceLinks": lambda: False,
}

_CONTAINER_DEFAULTS: Final[Mapping[str, Callable[[], Any]]] = {
    "imagePullPolicy": lambda: "IfNotPresent",
    "resources": dict,
    "terminationMessagePath": lambda: "/dev/termination-log",
    "terminationMessagePolicy": lambda: "File",
}
