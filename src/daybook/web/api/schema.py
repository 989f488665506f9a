"""The OpenAPI document of the JSON API, made when somebody asks for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.requests import Request

from daybook.web import headers
from daybook.web.api.answering import declared
from daybook.web.problems import Problem

router = APIRouter()

VERSION = "1"
_SHOWN = ("/api/", "/health/", "/metrics")
_OPEN = ("/health/",)
_TOKEN_COOKIE = "_token"  # noqa: S105 - the cookie's name
_REF = "#/components/schemas/{model}"
_DESCRIPTION = """\
Notebooks, and runs of them, for members of their workspaces.

Whoever asks is vouched for by a bearer token (Airflow's own, or one of the OpenID provider that the installation \
trusts) or by the cookie of Airflow's login. With the cookie, what changes something must come from Airflow's own \
pages. What another workspace has is answered as what there is not. Times are UTC, sizes bytes, durations seconds. \
Problems are told as RFC 9457 wants it, and name every fault at once.
"""
_TAGS = [
    {"name": "notebooks", "description": "The notebooks that you may run."},
    {"name": "runs", "description": "Runs, the newest first; a run is what its record says."},
    {"name": "spark", "description": "The workspaces' Spark servers."},
    {"name": "health", "description": "For probes and operators."},
]


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    """The document itself; it tells of no data, and is for everybody."""
    site = request.app.state.site
    settings = site.world.settings
    document = openapi_schema(request.app, f"{settings.public_url}{settings.mount}")
    return Response(json.dumps(document), headers=headers.FILE, media_type="application/json")


def openapi_schema(app: FastAPI, server: str) -> dict[str, Any]:
    """What the app's API takes and answers.

    Args:
        app: as `create_app` makes it.
        server: how the API is reached.
    """
    document = get_openapi(
        title="Daybook",
        version=VERSION,
        summary="Parameterised Jupyter notebooks as Airflow runs",
        description=_DESCRIPTION,
        routes=[each for each in app.routes if isinstance(each, APIRoute) and each.path.startswith(_SHOWN)],
        tags=_TAGS,
        servers=[{"url": server or "/"}],
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = Problem.model_json_schema(ref_template=_REF)
    schemas |= {**problem.pop("$defs"), "Problem": problem}
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A token in the `Authorization` header."},
        "cookie": {"type": "apiKey", "in": "cookie", "name": _TOKEN_COOKIE, "description": "Airflow's login."},
    }
    for path, method, operation in _operations(document):
        _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Adds what holds for all routes."""
    is_open = path.startswith(_OPEN)
    operation["security"] = [] if is_open else [{"bearer": []}, {"cookie": []}]
    answers = operation["responses"]
    for status, problem in declared(*(() if is_open else (401, 503)), 405, 500).items():
        answers.setdefault(str(status), problem)
    if "422" in answers and "HTTPValidationError" in json.dumps(answers["422"]):
        answers |= {str(status): problem for status, problem in declared(422).items()}
    if method == "get" and "304" in answers:
        answers["200"]["headers"] = {"ETag": {"schema": {"type": "string"}}}
    for status in ("200", "202"):
        if status in answers and "202" in answers:
            answers[status]["headers"] = {
                "Location": {"schema": {"type": "string"}, "description": "Where it is found."}
            }
    operation["responses"] = dict(sorted(answers.items()))


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        yield from ((path, method, each) for method, each in methods.items())
