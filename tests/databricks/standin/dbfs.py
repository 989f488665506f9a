"""DBFS, as far as large images need it: files below `FileStore` are read. Nothing is written through the API."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from databricks.standin.app import ApiError, Request, Router

if TYPE_CHECKING:
    from databricks.standin.world import StandIn


class Dbfs:
    """Files below `root`.

    Attributes:
        root: where they lie; a test puts them there.
    """

    def __init__(self, world: StandIn) -> None:
        self.root = world.root / "dbfs"

    def status(self, request: Request) -> dict[str, Any]:
        file = self._file(request)
        return {"path": request.query["path"], "is_dir": False, "file_size": file.stat().st_size}

    def read(self, request: Request) -> dict[str, Any]:
        offset, length = int(request.query.get("offset", 0)), int(request.query.get("length", 2**20))
        data = self._file(request).read_bytes()[offset : offset + min(length, 2**20)]
        return {"bytes_read": len(data), "data": base64.b64encode(data).decode()}

    def _file(self, request: Request) -> Path:
        path = request.query.get("path", "")
        file = self.root / path.removeprefix("dbfs:").lstrip("/")
        if not file.is_file():
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"No file or directory exists on path {path}.")
        return file


def add_to(router: Router, world: StandIn) -> Dbfs:
    dbfs = Dbfs(world)
    router.add("GET", "/api/2.0/dbfs/get-status", dbfs.status)
    router.add("GET", "/api/2.0/dbfs/read", dbfs.read)
    return dbfs
