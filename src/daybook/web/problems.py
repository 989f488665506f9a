"""Problem documents (RFC 9457): what programs are told when something is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.requests import Request

from daybook.contract.errors import Fault
from daybook.contract.text import storable
from daybook.web import headers

MEDIA_TYPE = "application/problem+json"
MAX_FAULTS = 100
"""More are told of nobody: whoever sends so much that is wrong learns enough from these."""
MAX_CHARACTERS = 500
"""Of a fault's place and of its message: what was sent is not sent back."""

_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 has them, and RFC 9457 (4.2.1) wants them told; Python before 3.13 has older ones."""

_FOR_PROGRAMS = ("/api/", "/health/", "/openapi.json", "/metrics")


class FaultModel(BaseModel):
    """One thing that is wrong."""

    where: str = Field(description="The input, field or header at fault; empty where it is none of them.")
    message: str = Field(description="What is wrong, and what would be right.")


class Problem(BaseModel):
    """A problem document, RFC 9457."""

    type: str = Field("about:blank", description="Always `about:blank`: the status says what kind of problem it is.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.", ge=400, le=599)
    detail: str = Field(description="What is wrong, for a person to read.")
    instance: str | None = Field(None, description="The path that was asked for.")
    faults: list[FaultModel] = Field(default_factory=list, description="Every fault that was found, all at once.")
    reference: str | None = Field(None, description="By which an operator finds an unforeseen error in the log.")

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Unprocessable Content",
                    "status": 422,
                    "detail": "Notebook 'flights_delays' cannot run like this",
                    "instance": "/notebooks/api/v1/notebooks/flights_delays/runs",
                    "faults": [{"where": "origin", "message": "must be one of JFK, LGA, EWR"}],
                }
            ]
        }
    }


def wants_problem(request: Request) -> bool:
    """Whether a program asks: below the API's paths, or with an `Accept` of JSON and not of a page."""
    accepted = request.headers.get("accept", "")
    is_json = "application/json" in accepted or MEDIA_TYPE in accepted
    return path_of(request).startswith(_FOR_PROGRAMS) or (is_json and "text/html" not in accepted)


def path_of(request: Request) -> str:
    """The path of a request below the pages' mount."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


def answer_problem(
    status: int,
    detail: object,
    faults: Iterable[Fault] = (),
    *,
    request: Request | None = None,
    reference: str | None = None,
    more: Mapping[str, str] | None = None,
) -> Response:
    """A problem document as an answer.

    Args:
        status: the HTTP status.
        detail: what is wrong.
        faults: every single fault.
        request: whose path is named.
        reference: by which it is found in the log.
        more: further headers.
    """
    listed = [FaultModel(where=_cut(each.where), message=_cut(each.message)) for each in _first(faults)]
    document = Problem(
        title=_title(status),
        status=status,
        detail=_cut(str(detail), 4 * MAX_CHARACTERS),
        instance=None if request is None else _cut(request.url.path),
        faults=listed,
        reference=reference,
    )
    marks = {**headers.FILE, **(more or {})}
    return Response(document.model_dump_json(exclude_none=True), status, marks, MEDIA_TYPE)


def faults_of_body(errors: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """FastAPI's list of what is wrong with a request, without what was sent."""
    return [Fault(_place(each.get("loc", ())), str(each.get("msg", "is wrong"))) for each in errors[:MAX_FAULTS]]


def _place(where: Sequence[object]) -> str:
    parts = [str(part)[:100] for part in where[:20]]
    return ".".join(parts[1:] if len(parts) > 1 and parts[0] == "body" else parts)


def _title(status: int) -> str:
    if status in _PHRASES:
        return _PHRASES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _first(faults: Iterable[Fault]) -> list[Fault]:
    found = list(faults)
    rest = len(found) - MAX_FAULTS
    return found if rest <= 0 else [*found[:MAX_FAULTS], Fault("", f"and {rest} more")]


def _cut(text: str, most: int = MAX_CHARACTERS) -> str:
    clean = storable(text)
    return clean if len(clean) <= most else f"{clean[:most]}…"
