"""One bucket, or a prefix of one, behind a few verbs: a folder, S3, GCS, Azure or memory.

Foreign errors are mapped here, at the one edge, to `StoreFailed` and `ObjectMissing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from obstore import exceptions
from obstore.store import LocalStore, MemoryStore, from_url

from daybook.contract.errors import Fault, InvalidSettings, StoreFailed

SCHEMES = ("file", "s3", "s3a", "gs", "az", "abfs", "abfss", "memory")
_S3_FROM_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_REGION": "region",
    "AWS_DEFAULT_REGION": "region",
    "AWS_ENDPOINT_URL": "endpoint",
    "AWS_ENDPOINT_URL_S3": "endpoint",
}


class ObjectMissing(StoreFailed):
    """There is no object of that key."""

    retry_helps = False


@dataclass(frozen=True)
class ObjectInfo:
    """One object of a listing.

    Attributes:
        key: relative to the store's root.
        size: bytes.
        modified: last change, UTC.
    """

    key: str
    size: int
    modified: datetime


class Store:
    """Objects below one URL, by relative POSIX keys; calls raise `StoreFailed` when the bucket does not answer."""

    def __init__(self, url: str, backend: Any, prefix: str = "") -> None:
        self.url = url.rstrip("/")
        self._backend = backend
        self._prefix = prefix

    def read(self, key: str) -> bytes:
        """The bytes of an object.

        Raises:
            ObjectMissing: there is none.
        """
        with self._mapped("read", key):
            return bytes(self._backend.get(self._prefix + key).bytes())

    def stream(self, key: str) -> Iterator[bytes]:
        """The bytes of an object in chunks, for objects that need not fit into memory.

        Raises:
            ObjectMissing: there is none; raised before the first chunk.
        """
        with self._mapped("read", key):
            response = self._backend.get(self._prefix + key)
        return self._chunks(key, response)

    def write(self, key: str, data: bytes | Path, media_type: str | None = None) -> None:
        """Writes an object whole, from bytes or from a file that is streamed in parts; the last writer wins."""
        attributes = {"Content-Type": media_type} if media_type and not isinstance(self._backend, LocalStore) else None
        with self._mapped("write", key):
            self._backend.put(self._prefix + key, data, attributes=attributes)

    def delete(self, key: str) -> None:
        """Deletes an object; one that is not there is fine."""
        try:
            with self._mapped("delete", key):
                self._backend.delete(self._prefix + key)
        except ObjectMissing:
            return

    def info(self, key: str) -> ObjectInfo:
        """Size and date of an object.

        Raises:
            ObjectMissing: there is none.
        """
        with self._mapped("look at", key):
            return self._info(self._backend.head(self._prefix + key))

    def objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object below a prefix, in no promised order."""
        with self._mapped("list", prefix):
            for page in self._backend.list(self._prefix + prefix or None):
                yield from map(self._info, page)

    def children(self, prefix: str = "") -> list[str]:
        """Names of the folders directly below a prefix, sorted."""
        with self._mapped("list", prefix):
            found = self._backend.list_with_delimiter(self._prefix + prefix or None)["common_prefixes"]
        return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in found)

    def url_of(self, key: str) -> str:
        """The URL of an object, as a manifest or a person names it."""
        return f"{self.url}/{key}" if key else self.url

    def below(self, prefix: str) -> Store:
        """A store rooted at a prefix of this one."""
        return Store(self.url_of(prefix), self._backend, f"{self._prefix}{prefix}/")

    def _info(self, meta: Mapping[str, Any]) -> ObjectInfo:
        key = str(meta["path"]).removeprefix(self._prefix)
        return ObjectInfo(key=key, size=int(meta["size"]), modified=meta["last_modified"])

    def _chunks(self, key: str, response: Any) -> Iterator[bytes]:
        with self._mapped("read", key):
            for chunk in response.stream():
                yield bytes(chunk)

    @contextmanager
    def _mapped(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except (exceptions.NotFoundError, FileNotFoundError) as error:
            raise ObjectMissing(f"cannot {verb} {self.url_of(key)}: there is no such object") from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError) as error:
            raise StoreFailed(
                f"cannot {verb} {self.url_of(key)}: the bucket denies it ({first_line(error)}); "
                "give the workspace's credentials this right"
            ) from error
        except (exceptions.BaseError, OSError) as error:
            raise StoreFailed(f"cannot {verb} {self.url_of(key)}: {first_line(error)}") from error


def open_store(url: str, environment: Mapping[str, str] | None = None) -> Store:
    """Opens the bucket or prefix at a URL; a missing folder is made, a missing bucket shows at the first call.

    Args:
        url: `file:///…`, a path, `s3://…`, `gs://…`, `az://…` or `memory:///`.
        environment: where credentials and endpoint come from (`AWS_*`); the process's own is never read here.

    Raises:
        InvalidSettings: the URL is of no scheme that Daybook knows.
        StoreFailed: the folder cannot be made.
    """
    scheme = urlsplit(url).scheme
    if scheme == "memory":
        return Store(url, MemoryStore())
    if scheme in ("", "file"):
        return _folder_store(Path(unquote(urlsplit(url).path)) if scheme else Path(url))
    if scheme not in SCHEMES:
        raise InvalidSettings("cannot open a bucket", [Fault(url, f"the scheme must be one of {', '.join(SCHEMES)}")])
    try:
        return Store(url, from_url(url, **_options(scheme, environment or {})))
    except exceptions.BaseError as error:
        raise StoreFailed(f"cannot open {url}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's text; some libraries append a page of debug output."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _folder_store(folder: Path) -> Store:
    path = folder.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreFailed(f"cannot make the bucket folder {path}: {error.strerror or error}") from error
    return Store(path.as_uri(), LocalStore(path))


def _options(scheme: str, environment: Mapping[str, str]) -> dict[str, Any]:
    if scheme not in ("s3", "s3a"):
        return {}
    options: dict[str, Any] = {
        option: environment[name] for name, option in _S3_FROM_ENVIRONMENT.items() if environment.get(name)
    }
    if str(options.get("endpoint", "")).startswith("http://"):
        options["client_options"] = {"allow_http": True}
    return options
