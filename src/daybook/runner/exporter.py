"""nbconvert's HTML exporter, loaded without what no page of ours needs: that takes more than half of the time."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

UNUSED = (
    "soupsieve",  # bs4's CSS selectors, for a second reading of the page that we do without
    "charset_normalizer",  # bs4's guesses at the encoding of bytes; it is given texts
    "nbconvert.postprocessors.serve",  # a web server for slides
)
"""What those who import it take for not installed, and do without, when it is missing."""


def html_exporter() -> Any:
    """The class `HTMLExporter`."""
    with _missing(UNUSED), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bs4 says that it has no CSS selectors then
        from nbconvert.exporters.html import HTMLExporter
    return HTMLExporter


@contextmanager
def _missing(names: tuple[str, ...]) -> Iterator[None]:
    """Modules cannot be imported meanwhile, unless they have been before."""
    hidden = [name for name in names if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(hidden))  # None is how Python itself notes that there is no such module
    try:
        yield
    finally:
        for name in hidden:
            modules.pop(name, None)
