"""Kubernetes `Status` objects: how this API says no.

These are answers to a client, not Daybook's own errors; `server.py` is the one place that turns them into responses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from daybook.contract.errors import Fault

Json = dict[str, Any]


class ApiError(Exception):
    """An answer other than success.

    Attributes:
        code: HTTP status.
        reason: Kubernetes' one-word reason, which clients decide on.
        message: for a person.
        details: what the error is about: kind, name, causes.
    """

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        super().__init__(message)

    def status(self) -> Json:
        """The `Status` object to answer with."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **({"details": self.details} if self.details else {}),
            "code": self.code,
        }


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401: no or another bearer token. Says nothing more."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def not_found(resource: str, name: str) -> ApiError:
    """404: there is no such object."""
    return ApiError(404, "NotFound", f'{resource} "{name}" not found', {"name": name, "kind": resource})


def no_such_path() -> ApiError:
    """404: localpods serves no such resource."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def not_allowed(message: str) -> ApiError:
    """405: localpods serves the resource but not this verb."""
    return ApiError(405, "MethodNotAllowed", message)


def already_exists(resource: str, name: str) -> ApiError:
    """409: the name is taken."""
    details = {"name": name, "kind": resource}
    return ApiError(409, "AlreadyExists", f'{resource} "{name}" already exists', details)


def conflict(resource: str, name: str, message: str) -> ApiError:
    """409: the object is not the one the client means."""
    details = {"name": name, "kind": resource}
    text = f'Operation cannot be fulfilled on {resource} "{name}": {message}'
    return ApiError(409, "Conflict", text, details)


def expired(version: int) -> ApiError:
    """410: the changes since that resourceVersion are no longer known; the client must list again."""
    return ApiError(410, "Expired", f"too old resource version: {version}")


def too_large(limit: int) -> ApiError:
    """413: the body is larger than `limit` bytes."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def unsupported_media_type(given: str, wanted: Iterable[str]) -> ApiError:
    """415: the body is of a kind this verb does not read."""
    text = f"the body of the request was in an unknown format - accepted media types include: {', '.join(wanted)}"
    return ApiError(415, "UnsupportedMediaType", f"{text} (got {given or 'none'})")


def invalid(name: str, faults: Sequence[Fault], kind: str = "Pod") -> ApiError:
    """422: the object is not as it must be; names every fault."""
    listed = [str(fault) for fault in faults]
    text = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    causes = [{"reason": "FieldValueInvalid", "message": fault.message, "field": fault.where} for fault in faults]
    details = {"name": name, "kind": kind, "causes": causes}
    return ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {text}', details)


def internal() -> ApiError:
    """500: a bug of localpods; its log has the traceback, the client does not."""
    return ApiError(500, "InternalError", "localpods failed to answer; its log says why")
