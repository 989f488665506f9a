"""Styles and scripts."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from daybook.web import headers
from daybook.web.static import FILES

router = APIRouter()


@router.get("/static/{name}", include_in_schema=False)
def static(name: str) -> Response:
    """A file of the pages; the same for everybody, logged in or not."""
    if name not in FILES:
        raise HTTPException(404, "there is no such file")
    content, media_type = FILES[name]
    return Response(content, media_type=media_type, headers=headers.STATIC)
