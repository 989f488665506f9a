"""What the handlers of Secrets and of Services have in common: small objects that are listed and found by name."""

from __future__ import annotations

import uuid
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from daybook.localpods.api.errors import not_allowed, not_found
from daybook.localpods.api.selectors import NAMESPACE_FIELDS
from daybook.localpods.clock import kubernetes_time
from daybook.localpods.serving import Json, flag, list_answer, namespace_of, one_answer, selection_of
from daybook.localpods.store import Collection

_KEPT = ("labels", "annotations", "ownerReferences")


class SmallObjects:
    """Answers requests about objects of one kind.

    Args:
        objects: all there are.

    Attributes:
        resource: the kind's name in URLs.
    """

    resource: ClassVar[str]

    def __init__(self, objects: Collection) -> None:
        self._objects = objects

    async def list_all(self, request: Request) -> Response:
        """GET all of one namespace, or of all namespaces."""
        if flag(request.query_params, "watch"):
            raise not_allowed(f"localpods does not support watching {self.resource}")
        selection = selection_of(request, NAMESPACE_FIELDS)
        found = sorted((one for one in self._objects if one in selection), key=lambda one: one["metadata"]["name"])
        return list_answer(request, self.resource, found, str(self._objects.version))

    async def get(self, request: Request) -> Response:
        """GET one."""
        return one_answer(request, self.resource, self._named(request))

    def _named(self, request: Request) -> Json:
        namespace, name = namespace_of(request) or "", request.path_params["name"]
        found = self._objects.get(namespace, name)
        if found is None:
            raise not_found(self.resource, name)
        return found


def new_metadata(namespace: str, given: Json) -> Json:
    """The metadata of an object that is made: what was given and is kept, and what the API adds."""
    kept = {key: given[key] for key in _KEPT if given.get(key)}
    own = {
        "name": given["name"],
        "namespace": namespace,
        "uid": str(uuid.uuid4()),
        "creationTimestamp": kubernetes_time(),
    }
    return {**kept, **own}
