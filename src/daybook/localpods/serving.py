"""What every handler needs: bodies, queries, answers, and the objects a request selects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse

from daybook.localpods.api.errors import bad_request, not_found, too_large, unsupported_media_type
from daybook.localpods.api.names import is_dns_label
from daybook.localpods.api.selectors import Test, field_selector, label_selector
from daybook.localpods.api.tables import VIEWS, table
from daybook.localpods.limits import MAX_BODY_BYTES, MAX_BODY_DEPTH

Json = dict[str, Any]
_TRUE: Final = ("true", "1", "t", "True", "TRUE")
_FALSE: Final = ("false", "0", "f", "False", "FALSE", "")
_LIST_KINDS: Final[Mapping[str, str]] = {
    "pods": "PodList",
    "events": "EventList",
    "namespaces": "NamespaceList",
    "secrets": "SecretList",
    "services": "ServiceList",
}


async def body_of(request: Request) -> bytes:
    """The request's body.

    Raises:
        ApiError: 413, it is larger than `MAX_BODY_BYTES`; read no further than that.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise too_large(MAX_BODY_BYTES)
        parts.append(part)
    return b"".join(parts)


async def json_of(request: Request) -> Any:
    """The request's JSON body; None of an empty one.

    Raises:
        ApiError: 400 for what is no JSON, 415 for a body of another kind.
    """
    content = await body_of(request)
    if not content:
        return None
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind in ("application/vnd.kubernetes.protobuf", "application/yaml", "application/cbor"):
        raise unsupported_media_type(kind, ["application/json"])
    try:
        found = json.loads(content)
        # What cannot be written as JSON again, such as NaN or half a surrogate pair, could not be answered with either.
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as problem:
        reason = "it is not Unicode text" if isinstance(problem, UnicodeError) else problem
        raise bad_request(f"the body is not JSON: {reason}") from problem
    except RecursionError:
        raise bad_request("the body is nested too deeply") from None
    if _is_deeper(found, MAX_BODY_DEPTH):
        raise bad_request(f"the body is nested more than {MAX_BODY_DEPTH} levels deep")
    return found


def checked_kind(sent: Any, kind: str) -> Json:
    """The body, which must be an object of that kind.

    Raises:
        ApiError: 400, it is another one.
    """
    if not isinstance(sent, dict):
        raise bad_request(f"the body must be a {kind} as a JSON object")
    given = (sent.get("apiVersion", "v1"), sent.get("kind", kind))
    if given != ("v1", kind):
        raise bad_request(f"the body must be a v1 {kind}, not a {given[0]} {given[1]}")
    return sent


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _is_deeper(one, levels - 1) for one in inner)


def flag(query: Mapping[str, str], name: str) -> bool:
    """A yes or no in the query; no when it is not there.

    Raises:
        ApiError: 400, it is neither.
    """
    text = query.get(name, "")
    if text not in _TRUE + _FALSE:
        raise bad_request(f"{name}: must be true or false, not {text!r}")
    return text in _TRUE


def whole_number(query: Mapping[str, str], name: str, low: int = 0) -> int | None:
    """A number in the query; None when it is not there.

    Raises:
        ApiError: 400, it is none, or below `low`.
    """
    text = query.get(name, "")
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        number = low - 1
    if number < low:
        raise bad_request(f"{name}: must be a whole number of at least {low}, not {text[:40]!r}")
    return number


def is_dry_run(query: Mapping[str, str]) -> bool:
    """Whether nothing is to be changed.

    Raises:
        ApiError: 400 for anything but `All`.
    """
    if query.get("dryRun", "All") != "All":
        raise bad_request("dryRun: must be All")
    return "dryRun" in query


@dataclass(frozen=True)
class Selection:
    """The objects a list, watch or collection delete is about.

    Attributes:
        namespace: None is all.
        matches: the selectors' test, the namespace not included.
    """

    namespace: str | None
    matches: Test

    def __contains__(self, one: Json) -> bool:
        return (self.namespace is None or one["metadata"]["namespace"] == self.namespace) and self.matches(one)


def selection_of(request: Request, fields: Mapping[str, Callable[[Json], str]]) -> Selection:
    """What the request's path and query select.

    Raises:
        ApiError: 400 for selectors that cannot be understood, 404 for an impossible namespace.
    """
    labels = label_selector(request.query_params.get("labelSelector", ""))
    chosen = field_selector(request.query_params.get("fieldSelector", ""), fields)
    return Selection(namespace_of(request), lambda one: labels(one) and chosen(one))


def namespace_of(request: Request) -> str | None:
    """The namespace in the path; None when the path has none.

    Raises:
        ApiError: 404, no namespace can have this name.
    """
    namespace: str | None = request.path_params.get("namespace")
    if namespace is not None and not is_dns_label(namespace):
        raise not_found("namespaces", namespace)
    return namespace


def wants_table(request: Request) -> bool:
    """Whether kubectl asks for rows instead of objects."""
    return any("as=Table" in part and "v=v1" in part for part in request.headers.get("accept", "").split(","))


def one_answer(request: Request, resource: str, one: Json) -> JSONResponse:
    """An object, as the client wants it."""
    if wants_table(request):
        return _table(request, resource, [one], one["metadata"].get("resourceVersion", ""))
    return JSONResponse(one)


def list_answer(request: Request, resource: str, found: list[Json], version: str) -> JSONResponse:
    """A list of objects, as the client wants it."""
    if wants_table(request):
        return _table(request, resource, found, version)
    metadata = {"resourceVersion": version}
    return JSONResponse({"kind": _LIST_KINDS[resource], "apiVersion": "v1", "metadata": metadata, "items": found})


def _table(request: Request, resource: str, found: list[Json], version: str) -> JSONResponse:
    return JSONResponse(table(VIEWS[resource], found, version, request.query_params.get("includeObject", "Metadata")))
