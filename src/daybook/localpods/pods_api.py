"""The handlers of `/api/v1`: pods, their logs, events and namespaces."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from daybook.contract.errors import Fault
from daybook.localpods.api.errors import bad_request, conflict, invalid, not_allowed, not_found
from daybook.localpods.api.patches import apply_patch
from daybook.localpods.api.selectors import EVENT_FIELDS, NAMESPACE_FIELDS, POD_FIELDS
from daybook.localpods.api.validation import pod_faults
from daybook.localpods.reading import log_answer
from daybook.localpods.record import LOG_FILE
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
    whole_number,
)
from daybook.localpods.supervisor import Supervisor
from daybook.localpods.watching import watch

_CHANGEABLE = ("labels", "annotations", "finalizers", "ownerReferences", "managedFields")


class PodsApi:
    """Answers requests out of what the supervisor knows.

    Args:
        supervisor: owns the pods.
        closing: set when the server ends; open streams end with it.
    """

    def __init__(self, supervisor: Supervisor, closing: asyncio.Event) -> None:
        self._supervisor = supervisor
        self._node = supervisor.node
        self._closing = closing

    async def create(self, request: Request) -> Response:
        """POST pods."""
        namespace = namespace_of(request) or ""
        sent = checked_kind(await json_of(request), "Pod")
        name = _name_to_show(sent)
        faults = pod_faults(sent)
        if faults:
            raise invalid(name, faults)
        if sent["metadata"].get("namespace", namespace) not in (namespace, ""):
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if sent["metadata"].get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        pod = self._supervisor.create(namespace, sent, dry_run=is_dry_run(request.query_params))
        answer = one_answer(request, "pods", pod)
        answer.status_code = 201
        return answer

    async def list_pods(self, request: Request) -> Response:
        """GET pods, of one namespace or all; `watch=true` watches."""
        selection = selection_of(request, POD_FIELDS)
        pods = self._node.pods
        if flag(request.query_params, "watch"):
            return watch(request, "pods", pods, selection, self._closing)
        return list_answer(request, "pods", _sorted(one for one in pods if one in selection), str(pods.version))

    async def get(self, request: Request) -> Response:
        """GET one pod, or its status, which is the same object."""
        return one_answer(request, "pods", self._pod(request))

    async def patch(self, request: Request) -> Response:
        """PATCH one pod. Labels and annotations can change; what is running cannot."""
        patch = await json_of(request)
        pod = self._pod(request)
        name = pod["metadata"]["name"]
        patched = apply_patch(request.headers.get("content-type", ""), pod, patch)
        faults = _forbidden_changes(pod, patched)
        if not faults:
            faults = [fault for fault in pod_faults(patched) if fault.where.startswith("metadata")]
        if faults:
            raise invalid(name, faults)
        if patched["metadata"].get("resourceVersion") != pod["metadata"]["resourceVersion"]:
            raise conflict(
                "pods", name, "the object has been modified; please apply your changes to the latest version"
            )
        if patched != pod and not is_dry_run(request.query_params):
            kept = {key: value for key, value in patched["metadata"].items() if value is not None}
            patched = self._node.pods.put({**pod, "metadata": kept})
        return one_answer(request, "pods", patched)

    async def delete(self, request: Request) -> Response:
        """DELETE one pod: SIGTERM, the grace period, SIGKILL; then the object goes."""
        options = await _delete_options(request)
        pod = self._pod(request)
        _check_preconditions(pod, options)
        if not options["dryRun"]:
            pod = self._supervisor.delete(pod, options["grace"])
        return one_answer(request, "pods", pod)

    async def delete_collection(self, request: Request) -> Response:
        """DELETE pods that match selectors. Over all namespaces too, which Kubernetes itself does not offer."""
        options = await _delete_options(request)
        selection = selection_of(request, POD_FIELDS)
        found = _sorted(one for one in self._node.pods if one in selection)
        if not options["dryRun"]:
            found = [self._supervisor.delete(one, options["grace"]) for one in found]
        return list_answer(request, "pods", found, str(self._node.pods.version))

    async def log(self, request: Request) -> Response:
        """GET a container's log."""
        pod = self._pod(request)
        uid = pod["metadata"]["uid"]
        return log_answer(
            request,
            pod,
            lambda name: self._node.state.container(uid, name) / LOG_FILE,
            lambda name: self._supervisor.pulse(uid, name),
            self._closing,
        )

    async def list_events(self, request: Request) -> Response:
        """GET events, of one namespace or all; `watch=true` watches."""
        selection = selection_of(request, EVENT_FIELDS)
        events = self._node.events.collection
        if flag(request.query_params, "watch"):
            return watch(request, "events", events, selection, self._closing)
        found = sorted(
            (one for one in events if one in selection), key=lambda one: int(one["metadata"]["resourceVersion"])
        )
        return list_answer(request, "events", found, str(events.version))

    async def get_event(self, request: Request) -> Response:
        """GET one event."""
        namespace, name = namespace_of(request) or "", request.path_params["name"]
        found = self._node.events.collection.get(namespace, name)
        if found is None:
            raise not_found("events", name)
        return one_answer(request, "events", found)

    async def list_namespaces(self, request: Request) -> Response:
        """GET namespaces: `default` and those that pods are in. Any other valid name can be used all the same."""
        if flag(request.query_params, "watch"):
            raise not_allowed("localpods does not support watching namespaces")
        selection = selection_of(request, NAMESPACE_FIELDS)
        names = sorted({"default", *(one["metadata"]["namespace"] for one in self._node.pods)})
        found = [one for one in map(_namespace, names) if selection.matches(one)]
        return list_answer(request, "namespaces", found, str(self._node.pods.version))

    async def get_namespace(self, request: Request) -> Response:
        """GET one namespace; every valid name exists."""
        return one_answer(request, "namespaces", _namespace(namespace_of(request) or ""))

    def _pod(self, request: Request) -> Json:
        namespace, name = namespace_of(request) or "", request.path_params["name"]
        pod = self._node.pods.get(namespace, name)
        if pod is None:
            raise not_found("pods", name)
        return pod


def _name_to_show(sent: Json) -> str:
    metadata = sent.get("metadata")
    name = (metadata.get("name") or metadata.get("generateName")) if isinstance(metadata, dict) else None
    return name[:300] if isinstance(name, str) else ""


def _forbidden_changes(pod: Json, patched: Json) -> list[Fault]:
    """Everything but labels and annotations (and Kubernetes' own bookkeeping) is fixed once a pod exists."""
    metadata = patched.get("metadata")
    if not isinstance(metadata, dict):
        return [Fault("metadata", "required value")]
    old = {f"metadata.{key}": value for key, value in pod["metadata"].items()} | pod
    new = {f"metadata.{key}": value for key, value in metadata.items()} | patched
    open_fields = {"metadata", "metadata.resourceVersion", *(f"metadata.{key}" for key in _CHANGEABLE)}
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key) and key not in open_fields)
    return [
        Fault(key, "forbidden: pod updates may not change fields other than labels and annotations") for key in changed
    ]


def _sorted(found: Any) -> list[Json]:
    return sorted(found, key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"]))


async def _delete_options(request: Request) -> Json:
    body = await json_of(request)
    if body is not None and not isinstance(body, dict):
        raise bad_request("the body must be DeleteOptions as a JSON object")
    options = body or {}
    grace = options.get("gracePeriodSeconds")
    if grace is None:
        grace = whole_number(request.query_params, "gracePeriodSeconds")
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool) or grace < 0):
        raise bad_request("gracePeriodSeconds: must be a whole number of at least 0")
    preconditions = options.get("preconditions") or {}
    if not isinstance(preconditions, dict):
        raise bad_request("preconditions: must be an object")
    dry_run = is_dry_run(request.query_params) or bool(options.get("dryRun"))
    return {"grace": grace, "preconditions": preconditions, "dryRun": dry_run}


def _check_preconditions(pod: Json, options: Json) -> None:
    for key in ("uid", "resourceVersion"):
        wanted, found = options["preconditions"].get(key), pod["metadata"][key]
        if wanted is not None and wanted != found:
            message = f"the {key} in the precondition ({wanted}) does not match the {key} in record ({found})"
            raise conflict("pods", pod["metadata"]["name"], message)


def _namespace(name: str) -> Json:
    metadata = {"name": name, "labels": {"kubernetes.io/metadata.name": name}, "creationTimestamp": None}
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": metadata, "status": {"phase": "Active"}}
