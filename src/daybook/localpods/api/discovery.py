"""What clients ask before they ask for anything: which API is this, and what does it serve."""

from __future__ import annotations

import platform
import sys
from typing import Any, Final

from daybook import __version__
from daybook.localpods.api.errors import Json

KUBERNETES_MINOR: Final = "32"
"""The Kubernetes 1.x whose Pod API this follows."""


def version() -> Json:
    """`/version`. The git version says plainly that this is no Kubernetes."""
    return {
        "major": "1",
        "minor": KUBERNETES_MINOR,
        "gitVersion": f"v1.{KUBERNETES_MINOR}.0-localpods+{__version__}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": "",
        "compiler": sys.implementation.name,
        "platform": f"{sys.platform}/{platform.machine()}",
    }


def api_versions() -> Json:
    """`/api`."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def api_groups() -> Json:
    """`/apis`: none beyond the core."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": []}


def resources() -> Json:
    """`/api/v1`."""
    pod_verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "watch"]
    return {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            _resource("events", "Event", ["get", "list", "watch"], shortNames=["ev"]),
            _resource("namespaces", "Namespace", ["get", "list"], namespaced=False, shortNames=["ns"]),
            _resource("pods", "Pod", pod_verbs, shortNames=["po"], categories=["all"]),
            _resource("pods/log", "Pod", ["get"]),
            _resource("pods/status", "Pod", ["get"]),
            _resource("secrets", "Secret", ["create", "delete", "get", "list", "patch"]),
            _resource("services", "Service", ["create", "delete", "get", "list"], shortNames=["svc"]),
        ],
    }


def _resource(name: str, kind: str, verbs: list[str], *, namespaced: bool = True, **more: Any) -> Json:
    singular = "" if "/" in name else kind.lower()
    return {"name": name, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": verbs, **more}


def openapi_index() -> Json:
    """`/openapi/v3`: only so much that `kubectl create` and `apply` find out how fields are validated: here."""
    return {"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}}}


def openapi() -> Json:
    """`/openapi/v3/api/v1`."""
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    validation = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
    patch = {"x-kubernetes-group-version-kind": kind, "parameters": [validation], "responses": {}}
    return {
        "openapi": "3.0.0",
        "info": {"title": "localpods", "version": __version__},
        "paths": {"/api/v1/namespaces/{namespace}/pods/{name}": {"patch": patch}},
    }
