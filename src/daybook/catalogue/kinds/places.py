"""URLs, lists of them, and bounding boxes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic import JsonValue

from daybook.catalogue.constraints import DEFAULT_SCHEMES, Constraints
from daybook.catalogue.kinds.common import Schema, refuse_if
from daybook.catalogue.kinds.many import is_array, write_many
from daybook.catalogue.kinds.numbers import number
from daybook.catalogue.values import Refused, one, read_json, read_number, refused, shown, storable, unlike

MAX_URL_CHARACTERS = 8192
"""Longer URLs are refused by the servers that would have to answer them."""

_BBOX_LIMITS = (("west", 180), ("south", 90), ("east", 180), ("north", 90))


def _schemes(c: Constraints) -> tuple[str, ...]:
    return c.schemes or DEFAULT_SCHEMES


def url(value: object, c: Constraints) -> str:
    """Return a URL of an allowed scheme with a host (or, for a file, a path) and without credentials."""
    if not isinstance(value, str):
        raise unlike("a URL", value)
    if len(value) > MAX_URL_CHARACTERS:
        raise refused(f"must have at most {MAX_URL_CHARACTERS} characters, not {len(value)}")
    # Looked for before parsing: urlsplit drops tabs and line ends silently, and browsers read \ as /.
    if not storable(value).isprintable() or " " in value or "\\" in value:
        raise refused("must be a URL without spaces, backslashes and control characters")
    if re.match(r"[^/?#]*//[^/?#]*@", value):
        raise refused("must not hold a user name or password; use a secret")  # before a message repeats them
    scheme = next((scheme for scheme in _schemes(c) if value.startswith(f"{scheme}://")), None)
    if scheme is None:
        raise unlike("a URL that begins with " + ", ".join(f"{scheme}://" for scheme in _schemes(c)), value)
    return _whole_url(value, scheme)


def _whole_url(value: str, scheme: str) -> str:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise refused(f"is not a URL: {error}") from None
    if scheme == "file" and (host not in (None, "localhost") or parts.path in ("", "/")):
        raise unlike("a file's URL such as file:///data/scene.tif", value)
    if scheme != "file" and not host:
        raise refused(f"must name a host, which {shown(value)} does not")
    return value


def url_schema(c: Constraints) -> Schema:
    """Return the schema of a URL; `format` is only a hint to most validators, a pattern is enforced."""
    schemes = "|".join(re.escape(scheme) for scheme in _schemes(c))
    pattern = rf"^({schemes})://[^\s\\]+$"
    return {"type": "string", "format": "uri", "pattern": pattern, "maxLength": MAX_URL_CHARACTERS}


def read_urls(texts: Sequence[str], c: Constraints) -> JsonValue:
    """Read URLs that are repeated or parted by white space.

    A comma may be part of a URL: it parts two only before white space or where the next scheme begins.
    """
    if is_array(texts):
        return read_json(texts[0])
    schemes = "|".join(re.escape(scheme) for scheme in _schemes(c))
    urls = [url for text in texts for url in re.split(rf",?\s+|,(?=(?:{schemes})://)", text) if url]
    return list(urls)


def write_urls(value: Any, c: Constraints) -> list[str]:
    """Return the URLs repeated, or a JSON array where a comma in one would be misread."""
    texts = list(value)
    return write_many(value, texts) if read_urls(texts, c) == value else [json.dumps(value)]


def bbox(value: object, _: Constraints) -> list[JsonValue]:
    """Return west, south, east, north in degrees; a box whose west is above its east crosses the antimeridian."""
    if not isinstance(value, list):
        raise unlike("four numbers: west, south, east, north", value)
    if len(value) != len(_BBOX_LIMITS):
        raise refused(f"must be four numbers (west, south, east, north), not {len(value)}")
    west, south, east, north = sides = _sides(value)
    faults = []
    if west == east or (west, east) == (180, -180):
        faults.append(f"must be wider than nothing, but west {shown(west)} and east {shown(east)} are one meridian")
    if south >= north:
        faults.append(f"must have its south below its north, not {shown(south)} and {shown(north)}")
    refuse_if(faults)
    return list(sides)


def _sides(value: list[Any]) -> list[float]:
    return _each_side(value, lambda item, limit: number(item, Constraints(minimum=-limit, maximum=limit)))


def _each_side(value: Sequence[Any], do: Callable[[Any, float], float]) -> list[float]:
    """What becomes of each side, by what it is and how far it may go; every bad one is named."""
    sides, faults = [], []
    for (name, limit), item in zip(_BBOX_LIMITS, value, strict=True):
        try:
            sides.append(do(item, limit))
        except Refused as error:
            faults += [(f".{name}", message) for _, message in error.faults]
    if faults:
        raise Refused(*faults)
    return sides


def read_bbox(texts: Sequence[str], _: Constraints) -> JsonValue:
    """Read `1,2,3,4`, a JSON array, or four values of one name."""
    if is_array(texts):
        return read_json(texts[0])
    parts = [text.strip() for text in (one(texts).split(",") if len(texts) == 1 else texts)]
    if len(parts) != len(_BBOX_LIMITS):
        return [read_number(part) for part in parts]
    return list(_each_side(parts, lambda part, _: read_number(part)))


def write_bbox(value: Any, _: Constraints) -> list[str]:
    """Return one text: `1.0,2.0,3.0,4.0`."""
    return [",".join(repr(float(side)) for side in value)]


def bbox_schema(_: Constraints) -> Schema:
    """Return the schema of a bounding box; that south is below north it cannot say."""
    sides = [{"type": "number", "minimum": -limit, "maximum": limit} for _, limit in _BBOX_LIMITS]
    return {"type": "array", "prefixItems": sides, "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
