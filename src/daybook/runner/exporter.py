"""nbconvert's HTML exporter without what no page of ours needs, and with templates compiled once for all runs."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import cache_from_source
from pathlib import Path
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


def keep_compiled(exporter: Any, folder: Path | None = None) -> None:
    """Has an exporter's templates compiled by the first run only; that takes as long as to load jinja and nbconvert.

    Args:
        exporter: of nbconvert.
        folder: where they are kept: beside this module's own compiled file unless given, for whoever can write
            there can change what runs anyway. Where nothing can be written, nothing is kept.
    """
    from jinja2 import BytecodeCache
    from jinja2.bccache import Bucket

    kept = folder or Path(cache_from_source(__file__)).parent

    class Kept(BytecodeCache):
        """Jinja looks at a source's digest and its own and Python's version before it takes what is kept."""

        def load_bytecode(self, bucket: Bucket) -> None:
            try:
                bucket.load_bytecode(io.BytesIO(_file(bucket).read_bytes()))
            except FileNotFoundError:
                return  # the first run
            except Exception:  # noqa: BLE001 - unreadable or damaged, in whatever way: it is compiled again
                bucket.reset()

        def dump_bytecode(self, bucket: Bucket) -> None:
            if sys.dont_write_bytecode:
                return
            half = _file(bucket).with_suffix(f".{os.getpid()}")
            with suppress(OSError):
                try:
                    with half.open("wb") as file:
                        bucket.write_bytecode(file)
                    half.replace(_file(bucket))
                finally:
                    half.unlink(missing_ok=True)

    def _file(bucket: Bucket) -> Path:
        return kept / f"page-{bucket.key}.jinja"

    exporter.environment.bytecode_cache = Kept()


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
