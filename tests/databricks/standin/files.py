"""The Databricks workspace's files: folders, import, delete, status; clusters see them below `/Workspace`.

What it does not model: notebooks (everything is a file), listing, export, permissions other than those of homes, and
the time that may pass until a cluster sees what was uploaded. DBFS and volumes are not there at all.
"""

from __future__ import annotations

import base64
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from databricks.standin.app import ApiError, Request, Router

if TYPE_CHECKING:
    from databricks.standin.world import StandIn


class Files:
    """Files below `root`.

    Attributes:
        root: where they lie; the processes of contexts have it mounted, unless `unmount` was called.
        json_limit: bytes of content that the JSON form of an import takes.
        multipart_limit: bytes that the multipart form takes.
        enabled: whether the workspace has files at all.
        refused: users who may not write, not even at home.
        imported: the paths that were imported, in order.
    """

    def __init__(self, world: StandIn) -> None:
        self.root = world.root / "workspace"
        self.json_limit, self.multipart_limit = 10 * 2**20, 500 * 2**20
        self.enabled = True
        self.refused: set[str] = set()
        self.imported: list[str] = []

    def unmount(self) -> None:
        """Clusters see nothing of what is written from now on."""
        self.root = self.root.with_name("unmounted")

    def mkdirs(self, request: Request) -> dict[str, Any]:
        self._place(request, str(request.json.get("path"))).mkdir(parents=True, exist_ok=True)
        return {}

    def import_(self, request: Request) -> dict[str, Any]:
        given, content = self._given(request)
        path = given.get("path", "")
        place = self._place(request, path)
        if not place.parent.is_dir():
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"The parent folder of {path} does not exist.")
        if place.exists() and given.get("overwrite") not in ("true", True):
            raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
        if given.get("format") not in ("AUTO", "RAW"):
            raise ApiError(400, "INVALID_PARAMETER_VALUE", "only files are modelled: format AUTO or RAW")
        place.write_bytes(content)
        self.imported.append(path)
        return {}

    def delete(self, request: Request) -> dict[str, Any]:
        path = str(request.json.get("path"))
        place = self._place(request, path)
        if not place.exists():
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")
        if place.is_file():
            place.unlink()
        elif request.json.get("recursive") or not any(place.iterdir()):
            shutil.rmtree(place)
        else:
            raise ApiError(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty")
        return {}

    def status(self, request: Request) -> dict[str, Any]:
        path = request.query.get("path", "")
        place = self._place(request, path)
        if not place.exists():
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")
        return {"path": path, "object_type": "DIRECTORY" if place.is_dir() else "FILE"}

    def _given(self, request: Request) -> tuple[dict[str, Any], bytes]:
        kind = request.headers.get("content-type", "")
        if not kind.startswith("multipart/form-data"):
            content = base64.b64decode(request.json.get("content", ""))
            self._limit(len(content), self.json_limit)
            return request.json, content
        boundary = re.search(r'boundary="?([^";]+)', kind)
        assert boundary
        fields = _fields(request.body, boundary[1].encode())
        content = fields.pop("content", b"")
        self._limit(len(content), self.multipart_limit)
        return {name: value.decode() for name, value in fields.items()}, content

    def _limit(self, size: int, limit: int) -> None:
        if size > limit:
            raise ApiError(
                400,
                "MAX_NOTEBOOK_SIZE_EXCEEDED",
                f"File size imported is ({size} bytes), exceeded max size ({limit} bytes)",
            )

    def _place(self, request: Request, path: str) -> Path:
        if not self.enabled:
            raise ApiError(400, "FEATURE_DISABLED", "Workspace files are disabled in this workspace.")
        parts = PurePosixPath(path).parts
        if parts[:1] != ("/",) or ".." in parts:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"{path} is no absolute path")
        if request.user in self.refused or parts[1:3] != ("Users", request.user):
            raise ApiError(403, "PERMISSION_DENIED", f"{request.user} may not manage {path}")
        return self.root.joinpath(*parts[1:])


def _fields(body: bytes, boundary: bytes) -> dict[str, bytes]:
    found = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name:
            found[name[1].decode()] = content.removesuffix(b"\r\n")
    return found


def add_to(router: Router, world: StandIn) -> Files:
    files = Files(world)
    router.add("POST", "/api/2.0/workspace/mkdirs", files.mkdirs)
    router.add("POST", "/api/2.0/workspace/import", files.import_)
    router.add("POST", "/api/2.0/workspace/delete", files.delete)
    router.add("GET", "/api/2.0/workspace/get-status", files.status)
    return files
