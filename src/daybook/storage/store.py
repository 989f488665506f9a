"""One bucket, or a prefix of one, behind a few verbs: a folder, S3, GCS, Azure or memory.

Foreign errors are mapped at the one edge, in `mapping`, to `StoreFailed` and its kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from obstore import sign
from obstore.exceptions import NotModifiedError
from obstore.store import LocalStore, MemoryStore

from daybook.contract.errors import StoreFailed
from daybook.storage import network
from daybook.storage.digests import sha256_of
from daybook.storage.folder import leads_out, linked, locked, within
from daybook.storage.mapping import ObjectChanged, ObjectMissing, ObjectTooLarge, StoreRefused, mapped

CHUNK_BYTES = 1024 * 1024
"""How much of a stream is held at a time; a download begins with its first chunk."""

PART_BYTES = 5 * 1024 * 1024
"""What is larger is uploaded in parts of this size, the smallest that S3 takes: little to hold and to send again."""
PARTS_IN_ALL = 12
"""How many parts may be on their way, and in memory, at a time: with what is read ahead, some 90 MB."""
PARTS_AT_ONCE = 3
"""How many of them one object has where its writer says nothing else: four may be written at once then."""
MAX_PARTS = 10_000
"""An S3 object has no more; a file that needs more has larger ones."""

_NOT_FOLLOWING = ("write", "delete")


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
    """Objects below one URL, by relative POSIX keys; calls raise `StoreFailed` when the bucket does not answer.

    A call that fails for a passing reason is tried again for `network.RETRY_SECONDS`, and no longer: who can wait
    for longer does so itself.
    """

    def __init__(self, url: str, backend: Any, prefix: str = "", bulk: Callable[[], Any] | None = None) -> None:
        scheme, _, place = url.partition("://")
        self.url = f"{scheme}://{place.rstrip('/')}"
        self._backend = backend
        self._prefix = prefix
        self._bulk = bulk or (lambda: backend)

    def read(self, key: str, limit: int | None = None) -> bytes:
        """The bytes of an object.

        Args:
            key: which.
            limit: the most bytes that are taken into memory; needed where others write to the bucket than we.

        Raises:
            ObjectMissing: there is none.
            ObjectTooLarge: it is larger.
        """
        with self._mapped("read", key):
            return self._whole(key, self._backend.get(self._prefix + key), limit)

    def stream(self, key: str) -> Iterator[bytes]:
        """The bytes of an object in chunks, for objects that need not fit into memory.

        Raises:
            ObjectMissing: there is none; raised before the first chunk.
        """
        with self._mapped("read", key):
            response = self._bulk().get(self._prefix + key)
        return self._chunks(key, response)

    def write(
        self, key: str, data: bytes | Path, media_type: str | None = None, parts_at_once: int = PARTS_AT_ONCE
    ) -> None:
        """Writes an object whole, from bytes or from a file; the last writer wins.

        What is larger than `PART_BYTES` goes in parts, and no more of a file than the parts under way is held in
        memory; nobody sees the object before it is whole. Each part, and a small object, comes with its SHA-256, by
        which an S3 server refuses what was changed on its way.

        Args:
            key: which.
            data: its content.
            media_type: of the content.
            parts_at_once: how many parts are on their way at a time; see `parts_for`.

        Raises:
            StoreRefused: the file cannot be read, or no object can have this key.
        """
        size = self._size(key, data)
        attributes = {"Content-Type": media_type} if media_type and not isinstance(self._backend, LocalStore) else None
        backend = self._backend if size <= network.BRIEF_BYTES else self._bulk()
        with self._mapped("write", key):
            part = max(PART_BYTES, -(-size // MAX_PARTS))
            backend.put(self._prefix + key, data, attributes=attributes, chunk_size=part, max_concurrency=parts_at_once)
        if size > part:
            self._require_whole(key, size)

    def upload(self, key: str, file: Path, media_type: str | None = None, parts_at_once: int = PARTS_AT_ONCE) -> str:
        """Writes an object from a file, as `write` does, and computes the file's SHA-256 while it is on its way.

        Returns:
            The digest, as hex.

        Raises:
            StoreRefused: the file cannot be read, or no object can have this key.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="digest") as pool:
            digest = pool.submit(sha256_of, file)
            self.write(key, file, media_type, parts_at_once)
            try:
                return digest.result()
            except OSError as error:
                raise self._unreadable(key, file, error) from error

    def adopt(self, key: str, file: Path) -> bool:
        """Makes a file an object without copying it, which a folder on the same disk can; False where that cannot be.

        The caller must change the file no more; removing it is fine.
        """
        place = self.local_path(key)
        if place is None or self._leads_out("write", key) or not linked(file, place):
            return False
        try:
            self.info(key)
        except StoreFailed:
            place.unlink(missing_ok=True)  # no object can have this key; writing it says so
            return False
        return True

    def local_path(self, key: str) -> Path | None:
        """Where an object lies on this machine, for a bucket that is a folder; None for any other."""
        root = self._folder
        return None if root is None else Path(root, self._prefix + key)

    def read_tagged(self, key: str, limit: int | None = None) -> tuple[bytes, str | None]:
        """The bytes of an object as by `read`, and a tag that changes whenever it is written; for `replace`.

        Raises:
            ObjectMissing: there is none.
            ObjectTooLarge: it is larger than the limit.
        """
        with self._mapped("read", key):
            found = self._backend.get(self._prefix + key)
            return self._whole(key, found, limit), found.meta["e_tag"]

    def read_newer(self, key: str, tag: str | None, limit: int | None = None) -> tuple[bytes, str | None] | None:
        """As `read_tagged`, but None, and hardly anything on the wire, while the object is still the one of that tag.

        Raises:
            ObjectMissing: there is none.
        """
        with self._mapped("read", key):
            try:
                found = self._backend.get(self._prefix + key, options={"if_none_match": tag} if tag else None)
            except NotModifiedError:
                return None
            return self._whole(key, found, limit), found.meta["e_tag"]

    def read_part(self, key: str, begin: int, end: int) -> bytes:
        """The bytes of an object from `begin` to before `end`, or as far as it goes.

        Raises:
            ObjectMissing: there is none.
            StoreRefused: the object ends before `begin`, or the part is empty.
        """
        with self._mapped("read", key):
            return bytes(self._backend.get_range(self._prefix + key, start=begin, end=end))

    def replace(self, key: str, data: bytes, tag: str | None, media_type: str | None = None) -> None:
        """Writes an object only if it is still the one that was read.

        Args:
            key: which.
            data: the new bytes.
            tag: as `read_tagged` gave it; None if there was no such object.
            media_type: of the new bytes.

        Raises:
            ObjectChanged: somebody else has written it in between.
        """
        path = self._prefix + key
        with self._mapped("write", key):
            if isinstance(self._backend, LocalStore):
                with locked(Path(str(self._backend.prefix), path).parent):
                    if self._tag(key) != tag:
                        raise ObjectChanged(f"{self.url_of(key)} was written by somebody else")
                    self._backend.put(path, data)
                return
            attributes = {"Content-Type": media_type} if media_type else None
            mode = {"e_tag": tag} if tag else "create"
            self._backend.put(path, data, mode=mode, attributes=attributes)

    def delete(self, key: str) -> None:
        """Deletes an object; one that is not there is fine."""
        with suppress(ObjectMissing), self._mapped("delete", key):
            try:
                self._backend.delete(self._prefix + key)
            except TypeError as error:
                # What obstore says, of this verb alone, where no object can have such a key.
                raise ValueError("it cannot be parsed") from error

    def delete_all(self, keys: Iterable[str]) -> None:
        """Deletes many objects, in as few requests as the bucket takes; ones that are not there are fine."""
        wanted = list(keys)
        if not wanted:
            return
        if not isinstance(self._backend, LocalStore):  # a folder stops at the first that is not there
            # Where the one request fails (it is not tried again, and some servers know none), each key has its own.
            with suppress(StoreFailed), self._mapped("delete", ""):
                self._backend.delete([self._prefix + key for key in wanted])
                return
        for key in wanted:
            self.delete(key)

    def info(self, key: str) -> ObjectInfo:
        """Size and date of an object.

        Raises:
            ObjectMissing: there is none.
        """
        with self._mapped("look at", key):
            return self._info(self._backend.head(self._prefix + key))

    def objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object below a prefix, in no promised order."""
        root = self._folder
        is_ours = within(root) if root is not None else None
        with self._mapped("list", prefix):
            for page in self._backend.list(self._prefix + prefix or None):
                yield from (self._info(each) for each in page if is_ours is None or is_ours(each["path"]))

    def children(self, prefix: str = "") -> list[str]:
        """Names of the folders directly below a prefix, sorted."""
        with self._mapped("list", prefix):
            found = self._backend.list_with_delimiter(self._prefix + prefix or None)["common_prefixes"]
        return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in found)

    def url_of(self, key: str) -> str:
        """The URL of an object, as a manifest or a person names it.

        In `file:` URLs what is special in a URL is escaped; the tools of the other schemes take keys as they are.
        """
        shown = quote(key) if self.url.startswith("file:") else key
        return f"{self.url}/{shown}" if key else self.url

    def media_type(self, key: str) -> str | None:
        """What the bucket says an object is, as it would tell a browser; None where it says nothing.

        Raises:
            ObjectMissing: there is none.
        """
        with self._mapped("look at", key):
            said = self._backend.get(self._prefix + key, options={"head": True}).attributes
        return str(said["Content-Type"]) if "Content-Type" in said else None

    def signed(self, key: str, seconds: int) -> str | None:
        """A URL by which anybody can read an object for so long; None where the bucket has no such thing.

        Raises:
            StoreFailed: there are no credentials to sign with.
        """
        if isinstance(self._backend, LocalStore | MemoryStore):
            return None
        with self._mapped("sign a link to", key):
            return str(sign(self._backend, "GET", self._prefix + key, timedelta(seconds=seconds)))

    def below(self, prefix: str) -> Store:
        """A store rooted at a prefix of this one."""
        return Store(self.url_of(prefix), self._backend, f"{self._prefix}{prefix}/", self._bulk)

    def _size(self, key: str, data: bytes | Path) -> int:
        if isinstance(data, bytes):
            return len(data)
        try:
            return data.stat().st_size
        except (OSError, ValueError) as error:
            raise self._unreadable(key, data, error) from error

    def _unreadable(self, key: str, file: Path, error: Exception) -> StoreRefused:
        why = getattr(error, "strerror", None) or error
        return StoreRefused(f"cannot write {self.url_of(key)}: cannot read {file}: {why}")

    def _require_whole(self, key: str, size: int) -> None:
        """The parts were checked one by one; this is about none of them being left out."""
        found = self.info(key).size
        if found != size:
            raise StoreFailed(
                f"cannot write {self.url_of(key)}: the bucket holds {found} bytes of it, not {size}; "
                "something changed the file or the object meanwhile"
            )

    def _whole(self, key: str, found: Any, limit: int | None) -> bytes:
        if limit is not None and found.meta["size"] > limit:
            raise ObjectTooLarge(f"{self.url_of(key)} has {found.meta['size']} bytes; no more than {limit} are read")
        return bytes(found.bytes())

    def _info(self, meta: Mapping[str, Any]) -> ObjectInfo:
        key = str(meta["path"]).removeprefix(self._prefix)
        return ObjectInfo(key=key, size=int(meta["size"]), modified=meta["last_modified"])

    def _chunks(self, key: str, response: Any) -> Iterator[bytes]:
        with self._mapped("read", key):
            for chunk in response.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    def _tag(self, key: str) -> str | None:
        try:
            with self._mapped("look at", key):
                return str(self._backend.head(self._prefix + key)["e_tag"])
        except ObjectMissing:
            return None

    @property
    def _folder(self) -> Path | None:
        """The whole bucket's, where it is one."""
        return Path(str(self._backend.prefix)) if isinstance(self._backend, LocalStore) else None

    def _leads_out(self, verb: str, key: str) -> bool:
        """Whether a link would have something else than this bucket read or changed.

        What writes or deletes replaces or removes a link at the very end, and does not follow it.
        """
        root, path = self._folder, self._prefix + key
        return root is not None and leads_out(root, path.rpartition("/")[0] if verb in _NOT_FOLLOWING else path)

    @contextmanager
    def _mapped(self, verb: str, key: str) -> Iterator[None]:
        with mapped(verb, self.url_of(key)):
            if self._leads_out(verb, key):
                raise ValueError("a link leads out of the bucket's folder")
            yield


def parts_for(uploads: int) -> int:
    """How many parts each of so many uploads at once may have on their way, so that all of them keep to their memory.

    A single large object is given all: over a network, only many connections use what it has.
    """
    return max(1, PARTS_IN_ALL // max(1, uploads))
