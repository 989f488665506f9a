"""The handlers of `/api/v1/…/secrets`: create, get, list with selectors, patch, delete."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from daybook.contract.errors import Fault
from daybook.localpods.api.errors import already_exists, conflict, invalid
from daybook.localpods.api.names import is_data_key, is_dns_subdomain
from daybook.localpods.api.patches import apply_patch
from daybook.localpods.api.validation import metadata_faults
from daybook.localpods.secrets import is_base64
from daybook.localpods.serving import (
    Json,
    checked_kind,
    is_dry_run,
    json_of,
    namespace_of,
    one_answer,
)
from daybook.localpods.small_objects import SmallObjects, new_metadata
from daybook.localpods.store import Collection

MAX_SECRET_BYTES = 1024 * 1024
"""Of all values together: Kubernetes' own limit."""


class SecretsApi(SmallObjects):
    """Answers requests about Secrets.

    Args:
        secrets: all that were made through this API.
        changed: told of the namespace in which a Secret is new or another.
    """

    resource = "secrets"

    def __init__(self, secrets: Collection, changed: Callable[[str], None]) -> None:
        super().__init__(secrets)
        self._changed = changed

    async def create(self, request: Request) -> Response:
        """POST secrets."""
        namespace = namespace_of(request) or ""
        sent = checked_kind(await json_of(request), "Secret")
        faults = [*metadata_faults(sent), *_data_faults(sent)]
        name = (sent.get("metadata") or {}).get("name") if isinstance(sent.get("metadata"), dict) else None
        if not faults and not is_dns_subdomain(name):
            faults.append(Fault("metadata.name", "required value"))
        if faults:
            raise invalid(str(name or "")[:300], faults, "Secret")
        if self._objects.get(namespace, str(name)) is not None:
            raise already_exists("secrets", str(name))
        made = _new_secret(namespace, sent)
        if not is_dry_run(request.query_params):
            made = self._objects.put(made)
            self._changed(namespace)
        answer = one_answer(request, "secrets", made)
        answer.status_code = 201
        return answer

    async def patch(self, request: Request) -> Response:
        """PATCH one secret: its data, labels, annotations and owners."""
        patch = await json_of(request)
        old = self._named(request)
        patched = _with_string_data(apply_patch(request.headers.get("content-type", ""), old, patch))
        name = old["metadata"]["name"]
        faults = [*metadata_faults(patched), *_data_faults(patched)]
        fixed = ("name", "namespace", "uid")
        if not faults and any(patched["metadata"].get(key) != old["metadata"][key] for key in fixed):
            faults.append(Fault("metadata", "forbidden: name, namespace and uid cannot change"))
        if faults:
            raise invalid(name, faults, "Secret")
        if patched["metadata"].get("resourceVersion") != old["metadata"]["resourceVersion"]:
            raise conflict("secrets", name, "the object has been modified; please apply your changes to the latest")
        if patched != old and not is_dry_run(request.query_params):
            patched = self._objects.put(patched)
            self._changed(patched["metadata"]["namespace"])
        return one_answer(request, "secrets", patched)

    async def delete(self, request: Request) -> Response:
        """DELETE one secret; files that pods have of it stay until the pods end."""
        secret = self._named(request)
        if not is_dry_run(request.query_params):
            self._objects.remove(secret["metadata"]["namespace"], secret["metadata"]["name"])
        return one_answer(request, "secrets", {**secret, "data": {}})


def _new_secret(namespace: str, sent: Json) -> Json:
    made = _with_string_data(sent)
    return {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": new_metadata(namespace, sent["metadata"]),
        "type": sent.get("type") or "Opaque",
        "data": made.get("data") or {},
    }


def _with_string_data(secret: Json) -> Json:
    """The Secret with its `stringData` in `data`, as Kubernetes keeps it; what is no text is left to `_data_faults`."""
    texts = secret.get("stringData")
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        return secret
    coded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    rest = {key: value for key, value in secret.items() if key != "stringData"}
    return {**rest, "data": {**(secret.get("data") or {}), **coded}}


def _data_faults(secret: Json) -> list[Fault]:
    """What is wrong with the content; a message never shows a value."""
    faults, size = [], 0
    for field, fits in (("data", is_base64), ("stringData", _is_text)):
        given: Any = secret.get(field) or {}
        if not isinstance(given, dict):
            faults.append(Fault(field, "must be an object"))
            continue
        for key, value in given.items():
            if not is_data_key(key):
                faults.append(Fault(field, f"invalid key: {key[:300]!r}"))
            if not fits(value):
                faults.append(Fault(f"{field}.{key[:300]}", "must be base64" if field == "data" else "must be text"))
            size += len(str(value))
    if size > MAX_SECRET_BYTES * 4 // 3:
        faults.append(Fault("data", f"too long: must have at most {MAX_SECRET_BYTES} bytes"))
    return faults


def _is_text(value: object) -> bool:
    return isinstance(value, str)
