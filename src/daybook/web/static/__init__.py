"""Styles, scripts and pictures of the pages, served as they lie here."""

from __future__ import annotations

import hashlib
from importlib.resources import files

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

FILES = {
    each.name: (each.read_bytes(), _TYPES[f".{each.name.rpartition('.')[2]}"])
    for each in files(__package__).iterdir()
    if f".{each.name.rpartition('.')[2]}" in _TYPES
}
"""Content and media type by name: only what is listed here can be asked for."""

VERSION = hashlib.sha256(b"".join(FILES[name][0] for name in sorted(FILES))).hexdigest()[:10]
"""Stands in the links to them, so that browsers may keep them until they change."""
