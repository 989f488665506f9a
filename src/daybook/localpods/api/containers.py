"""What a container of a pod must look like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from daybook.contract.errors import Fault
from daybook.contract.quantities import quantity
from daybook.localpods.api.errors import Json
from daybook.localpods.api.names import (
    DNS_LABEL,
    DNS_SUBDOMAIN,
    is_data_key,
    is_dns_label,
    is_dns_subdomain,
    is_variable_name,
)
from daybook.localpods.downward import is_known_field, is_known_resource

_SOURCES: Final = ("fieldRef", "resourceFieldRef", "secretKeyRef", "configMapKeyRef")
_POLICIES: Final = ("File", "FallbackToLogsOnError")


class Check:
    """Collects faults. Each test adds what is wrong and goes on."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fault(self, where: str, message: str) -> None:
        """Adds one."""
        self.faults.append(Fault(where, message))

    def text(self, where: str, value: Any) -> None:
        """A string, or nothing."""
        if value is not None and not isinstance(value, str):
            self.fault(where, "invalid value: must be a string")

    def texts(self, where: str, value: Any) -> None:
        """A list of strings, or nothing."""
        if value is not None and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            self.fault(where, "invalid value: must be a list of strings")

    def whole(self, where: str, value: Any, low: int, high: int) -> None:
        """A whole number between two bounds, or nothing."""
        if value is None:
            return
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.fault(where, f"invalid value: {value!r}: must be a whole number between {low} and {high}")

    def one_of(self, where: str, value: Any, allowed: Sequence[str], why: str = "") -> None:
        """One of a few words, or nothing."""
        if value is not None and value not in allowed:
            reason = f" ({why})" if why else ""
            self.fault(where, f"unsupported value: {value!r}: supported values: {', '.join(allowed)}{reason}")

    def mapping(self, where: str, value: Any) -> Iterable[tuple[Any, Any]]:
        """The items of an object; none, and a fault, when it is something else."""
        if value is not None and not isinstance(value, dict):
            self.fault(where, "invalid value: must be an object")
        return value.items() if isinstance(value, dict) else ()


def listed(check: Check, where: str, value: Any) -> Iterator[tuple[str, Json]]:
    """Each object of a list with its path; a fault for what is no object, or no list."""
    if value is not None and not isinstance(value, list):
        check.fault(where, "invalid value: must be a list")
    for at, one in enumerate(value if isinstance(value, list) else ()):
        if isinstance(one, dict):
            yield f"{where}[{at}]", one
        else:
            check.fault(f"{where}[{at}]", "invalid value: must be an object")


class Seen:
    """What the containers of one pod may refer to, and may not say twice.

    Attributes:
        volumes: the names of the pod's volumes.
        names: of the containers so far.
        mounts: the volume at each mount path so far.
    """

    def __init__(self, volumes: set[str]) -> None:
        self.volumes = volumes
        self.names: set[str] = set()
        self.mounts: dict[str, str] = {}


def check_container(check: Check, at: str, container: Json, seen: Seen) -> None:
    """Finds what is wrong with one container; adds it to what was seen."""
    name = container.get("name")
    if name is None:
        check.fault(f"{at}.name", "required value")
    elif not is_dns_label(name):
        check.fault(f"{at}.name", f"invalid value: {name!r}: {DNS_LABEL}")
    elif name in seen.names:
        check.fault(f"{at}.name", f"duplicate value: {name!r}")
    else:
        seen.names.add(name)
    if not isinstance(container.get("image"), str) or not container["image"].strip():
        check.fault(f"{at}.image", "required value")
    check.texts(f"{at}.command", container.get("command"))
    check.texts(f"{at}.args", container.get("args"))
    check.text(f"{at}.workingDir", container.get("workingDir"))
    check.one_of(f"{at}.terminationMessagePolicy", container.get("terminationMessagePolicy"), _POLICIES)
    for where, variable in listed(check, f"{at}.env", container.get("env")):
        _check_variable(check, where, variable)
    for where, source in listed(check, f"{at}.envFrom", container.get("envFrom")):
        _check_env_from(check, where, source)
    for where, mount in listed(check, f"{at}.volumeMounts", container.get("volumeMounts")):
        _check_mount(check, where, mount, seen)
    _check_resources(check, f"{at}.resources", container.get("resources"))


def _check_variable(check: Check, at: str, variable: Json) -> None:
    if not is_variable_name(variable.get("name")):
        check.fault(f"{at}.name", f"invalid value: {variable.get('name')!r}: must be printable ASCII without '='")
    check.text(f"{at}.value", variable.get("value"))
    origin = variable.get("valueFrom")
    if origin is None:
        return
    if variable.get("value"):
        check.fault(f"{at}.valueFrom", "may not be specified when `value` is not empty")
    given = {key: value for key, value in check.mapping(f"{at}.valueFrom", origin) if value is not None}
    if len(given) != 1 or not set(given) <= set(_SOURCES):
        check.fault(f"{at}.valueFrom", f"must name exactly one of {', '.join(_SOURCES)}")
        return
    kind, reference = next(iter(given.items()))
    where = f"{at}.valueFrom.{kind}"
    if not isinstance(reference, dict):
        check.fault(where, "invalid value: must be an object")
    elif kind in ("secretKeyRef", "configMapKeyRef"):
        _check_name(check, f"{where}.name", reference.get("name"))
        if not is_data_key(reference.get("key")):
            check.fault(f"{where}.key", f"invalid value: {reference.get('key')!r}: must be a valid key of a secret")
    else:
        field = "fieldPath" if kind == "fieldRef" else "resource"
        if not isinstance(reference.get(field), str):
            check.fault(f"{where}.{field}", "required value")
        _check_supported_field(check, where, kind, reference)


def _check_supported_field(check: Check, where: str, kind: str, reference: Json) -> None:
    if kind == "fieldRef" and isinstance(reference.get("fieldPath"), str):
        if not is_known_field(reference["fieldPath"]):
            check.fault(f"{where}.fieldPath", f"unsupported value: {reference['fieldPath']!r}")
    elif isinstance(reference.get("resource"), str) and not is_known_resource(reference["resource"]):
        check.fault(f"{where}.resource", f"unsupported value: {reference['resource']!r}")


def _check_name(check: Check, where: str, name: Any) -> None:
    if not is_dns_subdomain(name):
        check.fault(where, f"invalid value: {name!r}: {DNS_SUBDOMAIN}")


def _check_env_from(check: Check, at: str, source: Json) -> None:
    references = {key: value for key, value in source.items() if key != "prefix" and value is not None}
    if len(references) != 1 or not set(references) <= {"secretRef", "configMapRef"}:
        check.fault(at, "must name exactly one of secretRef, configMapRef")
        return
    kind, reference = next(iter(references.items()))
    _check_name(check, f"{at}.{kind}.name", reference.get("name") if isinstance(reference, dict) else None)
    if source.get("prefix") and not is_variable_name(source["prefix"]):
        check.fault(f"{at}.prefix", f"invalid value: {source['prefix']!r}")


def _check_mount(check: Check, at: str, mount: Json, seen: Seen) -> None:
    name, path = mount.get("name"), mount.get("mountPath")
    if not isinstance(name, str) or name not in seen.volumes:
        check.fault(f"{at}.name", f"not found: {name!r}")
    if not isinstance(path, str) or not path:
        check.fault(f"{at}.mountPath", "required value")
    elif seen.mounts.setdefault(path.rstrip("/"), str(name)) != str(name):
        # Containers of one pod share a HOME here, and what is mounted lies below it.
        check.fault(f"{at}.mountPath", f"forbidden: another volume is mounted at {path!r}; localpods has one for a pod")
    for field in ("subPath", "subPathExpr"):
        if mount.get(field):
            check.fault(f"{at}.{field}", "forbidden: localpods mounts whole volumes only")


def _check_resources(check: Check, at: str, resources: Any) -> None:
    amounts: dict[str, dict[str, Decimal]] = {"limits": {}, "requests": {}}
    given = dict(check.mapping(at, resources))
    for kind, found in amounts.items():
        for name, value in check.mapping(f"{at}.{kind}", given.get(kind)):
            try:
                found[name] = quantity(value)
            except ValueError as problem:
                check.fault(f"{at}.{kind}[{name}]", f"invalid value: {value!r}: {problem}")
            else:
                if found[name] < 0 or (kind == "limits" and name == "memory" and found[name] == 0):
                    check.fault(f"{at}.{kind}[{name}]", f"invalid value: {value!r}: must be greater than 0")
    for name, request in amounts["requests"].items():
        if name in amounts["limits"] and request > amounts["limits"][name]:
            check.fault(f"{at}.requests", f"invalid value: {name} must be less than or equal to its limit")
