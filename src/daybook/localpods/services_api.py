"""The handlers of `/api/v1/…/services`: create, get, list with selectors, delete.

A Service leads nowhere here, for there is no cluster DNS: it is kept so that what makes one works, and goes with its
owners. A pod is reached at its own address.
"""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import Response

from daybook.contract.errors import Fault
from daybook.localpods.api.errors import already_exists, conflict, invalid, not_allowed, not_found
from daybook.localpods.api.names import DNS_LABEL, is_dns_label
from daybook.localpods.api.selectors import NAMESPACE_FIELDS
from daybook.localpods.api.validation import metadata_faults
from daybook.localpods.clock import kubernetes_time
from daybook.localpods.serving import (
    Json,
    checked_kind,
    flag,
    is_dry_run,
    json_of,
    list_answer,
    namespace_of,
    one_answer,
    selection_of,
)
from daybook.localpods.store import Collection

_KEPT = ("labels", "annotations", "ownerReferences")


class ServicesApi:
    """Answers requests about Services.

    Args:
        services: all there are.
    """

    def __init__(self, services: Collection) -> None:
        self._services = services

    async def create(self, request: Request) -> Response:
        """POST services."""
        namespace = namespace_of(request) or ""
        sent = checked_kind(await json_of(request), "Service")
        faults = _faults(sent)
        metadata = sent["metadata"] if isinstance(sent.get("metadata"), dict) else {}
        name = str(metadata.get("name") or "")[:300]
        if faults:
            raise invalid(name, faults, "Service")
        if self._services.get(namespace, name) is not None:
            raise already_exists("services", name)
        made = _new_service(namespace, sent)
        if not is_dry_run(request.query_params):
            made = self._services.put(made)
        answer = one_answer(request, "services", made)
        answer.status_code = 201
        return answer

    async def list_services(self, request: Request) -> Response:
        """GET services, of one namespace or all."""
        if flag(request.query_params, "watch"):
            raise not_allowed("localpods does not support watching services")
        selection = selection_of(request, NAMESPACE_FIELDS)
        found = sorted((one for one in self._services if one in selection), key=lambda one: one["metadata"]["name"])
        return list_answer(request, "services", found, str(self._services.version))

    async def get(self, request: Request) -> Response:
        """GET one service."""
        return one_answer(request, "services", self._service(request))

    async def delete(self, request: Request) -> Response:
        """DELETE one service."""
        options, service = await json_of(request), self._service(request)
        metadata = service["metadata"]
        wanted = (options.get("preconditions") or {}) if isinstance(options, dict) else {}
        for key in ("uid", "resourceVersion"):
            if wanted.get(key) not in (None, metadata[key]):
                raise conflict("services", metadata["name"], f"the {key} in the precondition does not match")
        if not is_dry_run(request.query_params):
            self._services.remove(metadata["namespace"], metadata["name"])
        return one_answer(request, "services", service)

    def _service(self, request: Request) -> Json:
        namespace, name = namespace_of(request) or "", request.path_params["name"]
        found = self._services.get(namespace, name)
        if found is None:
            raise not_found("services", name)
        return found


def _faults(sent: Json) -> list[Fault]:
    faults = metadata_faults(sent)
    if not faults and not is_dns_label(sent["metadata"].get("name")):
        faults.append(Fault("metadata.name", f"invalid value: {DNS_LABEL}"))
    spec = sent.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("ports"), list) or not spec["ports"]:
        faults.append(Fault("spec.ports", "required value"))
    elif spec.get("clusterIP") != "None":
        faults.append(Fault("spec.clusterIP", "unsupported value: localpods has headless Services only: None"))
    return faults


def _new_service(namespace: str, sent: Json) -> Json:
    given = sent["metadata"]
    kept = {key: given[key] for key in _KEPT if given.get(key)}
    own = {
        "name": given["name"],
        "namespace": namespace,
        "uid": str(uuid.uuid4()),
        "creationTimestamp": kubernetes_time(),
    }
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {**kept, **own},
        "spec": {"type": "ClusterIP", **sent["spec"]},
        "status": {"loadBalancer": {}},
    }
