"""Which bucket a URL leads to, and a `Store` of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from obstore.store import LocalStore, MemoryStore, from_url

from daybook.contract.errors import Fault, InvalidSettings, StoreFailed
from daybook.storage import network
from daybook.storage.mapping import FOREIGN, reason
from daybook.storage.store import Store

if TYPE_CHECKING:
    from daybook.storage.credentials import Provider

SCHEMES = ("file", "s3", "s3a", "gs", "az", "abfs", "abfss", "memory")


def open_store(url: str, environment: Mapping[str, str] | None = None, credentials: Provider | None = None) -> Store:
    """Opens the bucket or prefix at a URL; a missing folder is made, a missing bucket shows at the first call.

    Args:
        url: `file:///…`, a path, `s3://…`, `gs://…`, `az://…` or `memory:///`.
        environment: `AWS_*` variables that say with which credentials and at which endpoint. What they leave open,
            the S3 client looks for itself where the AWS SDKs do: in the process's environment, the pod's role.
        credentials: gives those of an S3 bucket, each time they are about to expire; instead of the variables.

    Raises:
        InvalidSettings: the URL is none that Daybook knows.
        StoreFailed: the folder cannot be made.
    """
    try:
        scheme = urlsplit(url).scheme
        if scheme == "memory":
            return Store("memory://", MemoryStore())
        if scheme in ("", "file"):
            return _folder_store(_folder(url))
        if scheme not in SCHEMES:
            raise ValueError(f"the scheme must be one of {', '.join(SCHEMES)}")
        options = network.options(url, environment or {}, credentials)
        # Made when it is first needed, for it takes its time to load the certificates that it trusts.
        bulk = cache(partial(from_url, url, **{**options, "client_options": network.bulk(options["client_options"])}))
        return Store(url, from_url(url, **options), bulk=bulk)
    except FOREIGN as error:
        # Nothing has been asked over the network yet: what is wrong is what was written.
        raise InvalidSettings("cannot open a bucket", [Fault(url, reason(error))]) from error


def _folder(url: str) -> Path:
    """The folder that a path or `file:` URL names."""
    if not url.startswith("file:"):
        if not url:
            raise ValueError("give the URL or the path of a bucket")
        return Path(url)
    path = url.removeprefix("file:").removeprefix("//localhost").removeprefix("//")
    if not path.startswith("/"):
        raise ValueError("a file URL must be absolute and name no other machine: file:///folder")
    return Path(unquote(path))


def _folder_store(folder: Path) -> Store:
    path = folder.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreFailed(f"cannot make the bucket folder {path}: {error.strerror or error}") from error
    return Store(path.as_uri(), LocalStore(path, automatic_cleanup=True))
