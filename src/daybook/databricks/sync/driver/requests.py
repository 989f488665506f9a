"""What the driver can be asked for."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

from .base import Base, Refused
from .work import Work, block

HEAD = struct.Struct(">32s?I")
"""Before each block of a pack: its SHA-256, whether it is deflated, how many bytes follow."""


def answer(request: str, pack: str, plan: str) -> str:
    """Does what a request asks for.

    Args:
        request: JSON. `do` names one of `_WAYS`, `name` the folder, `mark` what the answer begins with.
        pack: blocks, or nothing.
        plan: what is to be done, as deflated JSON, or nothing. All of the three are in base64.

    Returns:
        The mark, by which the answer is found among other output, and JSON: what came of it, or an `error`.
    """
    asked = json.loads(base64.b64decode(request))
    asked.update(pack=base64.b64decode(pack), plan=base64.b64decode(plan))
    try:
        base = Base(asked["name"])
        told = {**_WAYS[asked["do"]](base, asked), "folder": os.fsdecode(base.of("files"))}
    except Refused as error:
        told = {"error": str(error)}
    except OSError as error:
        name = error.filename if isinstance(error.filename, bytes) else os.fsencode(error.filename or "")
        told = {"error": f"{error.strerror}: {name.decode('utf-8', 'backslashreplace')}"}
    return f"{asked['mark']} {json.dumps(told)}"


def check(base: Base, _: dict[str, Any]) -> dict[str, Any]:
    """Tells which state the files are in."""
    return {"generation": base.generation()}


def begin(base: Base, asked: dict[str, Any]) -> dict[str, Any]:
    """Takes a plan; carries it out if no block is missing, else tells which are.

    The plan is part of the request, or came in blocks before. One that builds on another state than the files are in
    is `stale`.
    """
    base.make()
    _unpack(base, asked["pack"])
    deflated = asked["plan"] or b"".join(block(base, digest) for digest in asked["plan_blocks"])
    plan = json.loads(zlib.decompress(deflated))
    if not plan["whole"] and base.generation() != plan["after"]:
        return {"stale": True}
    base.write("plan", plan)
    return apply(base, asked)


def store(base: Base, asked: dict[str, Any]) -> dict[str, Any]:
    """Keeps the blocks of packs: of one in the request, and of files, of which some may be `unreadable`."""
    base.make()
    _unpack(base, asked["pack"])
    unreadable = {}
    for path in asked["paths"]:
        try:
            with open(path, "rb") as file:
                _unpack(base, file.read())
        except (OSError, Refused) as error:
            unreadable[path] = str(error)
    return {"unreadable": unreadable}


def apply(base: Base, _: dict[str, Any]) -> dict[str, Any]:
    """Carries the plan out, unless blocks are missing: then tells which, as bytes in the order of the plan."""
    plan = base.read("plan") if base.is_there() else None
    if plan is None:
        return {"stale": True}
    with closing(Work(base, plan)) as work:
        missing = work.missing()
        if missing:
            return {"missing": base64.b64encode(zlib.compress(missing)).decode()}
        work.stage()
        base.forget("generation")
        work.place()
    base.note_generation(plan["becomes"])
    base.forget("plan")
    base.clear("blocks")
    base.clear("incoming")
    _look_around_anew(base)
    return {"generation": plan["becomes"]}


def remove(base: Base, _: dict[str, Any]) -> dict[str, Any]:
    """Removes the folder with all that is in it, and nothing that links in it lead to."""
    if base.is_there():
        with suppress(FileNotFoundError):  # the folder that cells work in may be gone already
            if (os.path.realpath(b".") + b"/").startswith(os.path.realpath(base.path) + b"/"):
                os.chdir("/")
        shutil.rmtree(base.path)
    return {}


_WAYS: dict[str, Callable[[Base, dict[str, Any]], dict[str, Any]]] = {
    "check": check,
    "begin": begin,
    "store": store,
    "apply": apply,
    "remove": remove,
}


def _look_around_anew(base: Base) -> None:
    """Lets Python find new modules; if cells had removed the folder that they work in, they go on in the new one."""
    importlib.invalidate_caches()
    try:
        os.getcwd()
    except FileNotFoundError:
        os.chdir(base.of("files"))


def _unpack(base: Base, pack: bytes) -> None:
    at = 0
    while at < len(pack):
        digest, deflated, length = HEAD.unpack(pack[at : at + HEAD.size].ljust(HEAD.size, b"\0"))
        at += HEAD.size + length
        content = pack[at - length : at]
        if deflated:
            content = _inflated(content)
        if hashlib.sha256(content).digest() != digest:
            raise Refused("a block came with another content than its name says")
        with open(base.of("incoming", "block"), "wb") as file:
            file.write(content)
        os.replace(base.of("incoming", "block"), base.of("blocks", digest.hex()))


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompress(content)
    except zlib.error as error:
        raise Refused(f"a block came damaged: {error}") from None
