"""How a notebook's address is shown to people and kept in records."""

from __future__ import annotations

from urllib.parse import urlsplit


def shown(source: str) -> str:
    """An address as it may be shown: without user, password, query and fragment, which may hold keys.

    Never raises: an address that is none (`http://[x`) is cut by hand, so that the error about it can name it.
    A path on a disk is shown as it is.
    """
    try:
        parts = urlsplit(source)
    except ValueError:
        return _cut(source)
    if not parts.netloc:
        return source
    return f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}{parts.path}"


def _cut(source: str) -> str:
    scheme, _, rest = source.partition("//")
    for mark in ("?", "#"):
        rest = rest.split(mark, 1)[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}//{host.rsplit('@', 1)[-1]}{slash}{path}"
