"""The three kinds of patch that Kubernetes clients send. All are pure: the object given is never changed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from daybook.localpods.api.errors import Json, bad_request, unsupported_media_type

_MERGE_KEYS: Final[Mapping[str, str]] = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
    "conditions": "type",
    "ownerReferences": "uid",
}
"""By which field the elements of a pod's lists are told apart in a strategic merge."""


def apply_patch(media_type: str, target: Json, patch: Any) -> Json:
    """The object after the patch.

    Raises:
        ApiError: 415 for another kind of patch, 400 when the patch is malformed or does not fit the object.
    """
    kind = media_type.partition(";")[0].strip().lower()
    if kind not in PATCHES:
        raise unsupported_media_type(media_type, PATCHES)
    patched = PATCHES[kind](target, patch)
    if not isinstance(patched, dict):
        raise bad_request("the patch must leave an object")
    return patched


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def strategic_merge(target: Any, patch: Any) -> Any:
    """Kubernetes' own: as `merge`, but the elements of known lists merge by their key, and `$patch` directs."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith("$"):
            continue  # $setElementOrder, $retainKeys and the like order and check; they carry no value
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, list):
            merged[key] = _merge_list(key, merged.get(key), value)
        else:
            merged[key] = strategic_merge(merged.get(key), value)
    return merged


def _merge_list(name: str, target: Any, patch: list[Any]) -> list[Any]:
    key = _MERGE_KEYS.get(name)
    if key is None or not all(isinstance(one, dict) for one in patch):
        return copy.deepcopy(patch)
    if any(one.get("$patch") == "replace" for one in patch):
        return [copy.deepcopy(one) for one in patch if "$patch" not in one]
    merged = list(target) if isinstance(target, list) else []
    for one in patch:
        found = next((at for at, old in enumerate(merged) if old.get(key) == one.get(key)), None)
        if one.get("$patch") == "delete":
            merged = [old for old in merged if old.get(key) != one.get(key)]
        elif found is None:
            merged.append(strategic_merge({}, one))
        else:
            merged[found] = strategic_merge(merged[found], one)
    return merged


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902."""
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise bad_request("a JSON patch must be a list of operations")
    document = copy.deepcopy(target)
    for operation in operations:
        document = _operate(document, operation)
    return document


def _operate(document: Any, operation: Json) -> Any:
    name = operation.get("op")
    path = _pointer(operation.get("path"))
    if name == "remove":
        return _remove(document, path)
    if name in ("move", "copy"):
        origin = _pointer(operation.get("from"))
        value = copy.deepcopy(_at(document, origin))
        return _add(_remove(document, origin) if name == "move" else document, path, value)
    if name not in ("add", "replace", "test") or "value" not in operation:
        raise bad_request(f"not an operation of a JSON patch: {name!r}")
    value = operation["value"]
    if name == "test":
        if _at(document, path) != value:
            raise bad_request(f"the patch's test of {operation['path']} does not hold")
        return document
    if name == "replace" and path:
        _at(document, path)
        document = _remove(document, path)
    return _add(document, path, value)


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise bad_request(f"not a JSON pointer: {text!r}")
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(document, list):
            document = document[_index(step, len(document) - 1)]
        else:
            raise bad_request(f"the patch names a field that is not there: {step!r}")
    return document


def _index(step: str, last: int) -> int:
    if not step.isdecimal() or int(step) > last:
        raise bad_request(f"the patch names an element that is not there: {step!r}")
    return int(step)


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, step = _at(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[step] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if step == "-" else _index(step, len(parent)), value)
    else:
        raise bad_request(f"the patch adds {step!r} to something that has no fields")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        raise bad_request("the patch removes the whole object")
    _at(document, path)
    parent, step = _at(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        del parent[step]
    else:
        del parent[_index(step, len(parent) - 1)]
    return document


PATCHES: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "application/json-patch+json": json_patch,
    "application/merge-patch+json": merge,
    "application/strategic-merge-patch+json": strategic_merge,
}
