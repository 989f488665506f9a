"""Fetches the notebook: from a path, `file://`, `http(s)://` or a bucket, within a size limit, with its digest."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from daybook.contract.errors import Fault, InvalidRequest, StoreFailed
from daybook.contract.request import NotebookSource
from daybook.contract.sources import shown
from daybook.runner.addresses import is_private
from daybook.runner.patience import Patience
from daybook.storage import ObjectMissing, open_store
from daybook.storage.opening import SCHEMES

MAX_NOTEBOOK_BYTES = 200 * 1024 * 1024
"""A larger notebook is full of old outputs; it would need several times its size as memory."""
MAX_REDIRECTS = 5
HTTP_PAUSE_SECONDS = 30.0
"""How long a server may be silent."""
HTTP_TOTAL_SECONDS = 300.0
"""How long the whole download may take."""
_TRY_AGAIN_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_SUMMARY = "cannot read the notebook"


def fetch(notebook: NotebookSource, environment: Mapping[str, str], patience: Patience | None = None) -> bytes:
    """The notebook's bytes.

    Args:
        notebook: where they lie, and their digest where one is known.
        environment: credentials and endpoint of the bucket.
        patience: with a server or bucket that does not answer now; None has none.

    Raises:
        InvalidRequest: there is nothing to be had there, or not what the digest names.
        StoreFailed: the server or bucket does not answer now; later it may.
    """
    parts = address_parts(notebook.source)
    scheme = parts.scheme.lower()
    if scheme in ("http", "https"):
        data = _patiently(partial(_from_web, notebook.source), patience)
    elif scheme in ("", "file"):
        path = unquote(parts.path) if scheme else notebook.source
        data = _from_disk(Path(path), notebook.source)
    elif scheme in SCHEMES:
        data = _patiently(partial(_from_bucket, notebook.source, environment), patience)
    else:
        raise _unreadable(notebook.source, "the address must be a path, or begin with file, http, https, s3, gs or az")
    found = hashlib.sha256(data).hexdigest()
    if notebook.sha256 is not None and found != notebook.sha256.lower():
        message = f"its sha256 is {found}, not {notebook.sha256}: it was changed since its digest was noted"
        raise _unreadable(notebook.source, message)
    return data


def _patiently(get: Callable[[], bytes], patience: Patience | None) -> bytes:
    return get() if patience is None else patience.run(get)


def address_parts(source: str) -> SplitResult:
    """The parts of a notebook's address.

    Raises:
        InvalidRequest: it is no address.
    """
    try:
        return urlsplit(source)
    except ValueError as error:
        raise _unreadable(source, f"is no address: {error}") from error


def _from_disk(path: Path, source: str) -> bytes:
    try:
        with path.open("rb") as file:
            return _limited(iter(lambda: file.read(1 << 20), b""), source)
    except IsADirectoryError as error:
        raise _unreadable(source, "it is a folder, not a notebook file") from error
    except (OSError, ValueError) as error:
        raise _unreadable(source, str(getattr(error, "strerror", None) or error)) from error


def _from_bucket(source: str, environment: Mapping[str, str]) -> bytes:
    folder, _, name = source.rpartition("/")
    if not urlsplit(folder).netloc or not name:
        raise _unreadable(source, "the address names no object in a bucket")
    try:
        return _limited(open_store(folder, environment).stream(name), source)
    except ObjectMissing as error:
        raise _unreadable(source, "there is no such object") from error


def _from_web(source: str) -> bytes:
    import httpx

    deadline = time.monotonic() + HTTP_TOTAL_SECONDS
    try:
        with (
            httpx.Client(
                follow_redirects=True,
                max_redirects=MAX_REDIRECTS,
                timeout=HTTP_PAUSE_SECONDS,
                event_hooks={"request": [lambda request: _refuse_detour(source, request.url.host)]},
            ) as client,
            client.stream("GET", source) as response,
        ):
            if response.status_code in _TRY_AGAIN_LATER:
                raise StoreFailed(f"{_SUMMARY}: {shown(source)}: the server answered {response.status_code}")
            if response.status_code != httpx.codes.OK:
                raise _unreadable(source, f"the server answered {response.status_code} {response.reason_phrase}")
            return _limited(_in_time(response.iter_bytes(), deadline, source), source)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
        raise _unreadable(source, str(error)) from error
    except httpx.HTTPError as error:
        if isinstance(error, httpx.ConnectError) and _is_nowhere(error):
            raise _unreadable(source, str(error)) from error
        raise StoreFailed(f"{_SUMMARY}: {shown(source)}: {str(error) or type(error).__name__}") from error


def _refuse_detour(source: str, host: str) -> None:
    """Refuses a way from a public server into a private network: whoever runs that server must not choose what is read.

    A server in a private network that the source itself names was named by whoever wrote the catalogue.
    """
    named = urlsplit(source).hostname or ""
    if host != named and is_private(host) and not is_private(named):
        raise _unreadable(source, f"it leads to {host}, which is in a private network; name that address itself")


def _is_nowhere(error: BaseException | None) -> bool:
    """Whether there is no such server, or none that may be trusted; one that refuses or is silent may be starting."""
    while error is not None:
        if isinstance(error, socket.gaierror):
            return error.errno != socket.EAI_AGAIN
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _in_time(chunks: Iterable[bytes], deadline: float, source: str) -> Iterable[bytes]:
    for chunk in chunks:
        if time.monotonic() > deadline:
            raise StoreFailed(f"{_SUMMARY}: {shown(source)}: it took more than {HTTP_TOTAL_SECONDS:.0f} s")
        yield chunk


def _limited(chunks: Iterable[bytes], source: str) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > MAX_NOTEBOOK_BYTES:
            limit = MAX_NOTEBOOK_BYTES // (1024 * 1024)
            raise _unreadable(source, f"it is larger than {limit} MiB; clear its outputs")
    return bytes(data)


def _unreadable(source: str, message: str) -> InvalidRequest:
    return InvalidRequest(_SUMMARY, [Fault(shown(source), message)])
