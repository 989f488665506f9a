"""The handlers of `/api/v1/…/services`: create, get, list with selectors, delete.

A Service leads nowhere here, for there is no cluster DNS: it is kept so that what makes one works, and goes with its
owners. A pod is reached at its own address.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from daybook.contract.errors import Fault
from daybook.localpods.api.errors import already_exists, conflict, invalid
from daybook.localpods.api.names import DNS_LABEL, is_dns_label
from daybook.localpods.api.validation import metadata_faults
from daybook.localpods.serving import (
    Json,
    checked_kind,
    is_dry_run,
    json_of,
    namespace_of,
    one_answer,
)
from daybook.localpods.small_objects import SmallObjects, new_metadata


class ServicesApi(SmallObjects):
    """Answers requests about Services.

    Args:
        services: all there are.
    """

    resource = "services"

    async def create(self, request: Request) -> Response:
        """POST services."""
        namespace = namespace_of(request) or ""
        sent = checked_kind(await json_of(request), "Service")
        faults = _faults(sent)
        metadata = sent["metadata"] if isinstance(sent.get("metadata"), dict) else {}
        name = str(metadata.get("name") or "")[:300]
        if faults:
            raise invalid(name, faults, "Service")
        if self._objects.get(namespace, name) is not None:
            raise already_exists("services", name)
        made = _new_service(namespace, sent)
        if not is_dry_run(request.query_params):
            made = self._objects.put(made)
        answer = one_answer(request, "services", made)
        answer.status_code = 201
        return answer

    async def delete(self, request: Request) -> Response:
        """DELETE one service."""
        options, service = await json_of(request), self._named(request)
        metadata = service["metadata"]
        wanted = (options.get("preconditions") or {}) if isinstance(options, dict) else {}
        for key in ("uid", "resourceVersion"):
            if wanted.get(key) not in (None, metadata[key]):
                raise conflict("services", metadata["name"], f"the {key} in the precondition does not match")
        if not is_dry_run(request.query_params):
            self._objects.remove(metadata["namespace"], metadata["name"])
        return one_answer(request, "services", service)


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
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": new_metadata(namespace, sent["metadata"]),
        "spec": {"type": "ClusterIP", **sent["spec"]},
        "status": {"loadBalancer": {}},
    }
