"""Brings a run's files into the bucket, several at once, each checked on its way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daybook.runner.patience import Patience
from daybook.storage import Store, StoreRefused
from daybook.storage.store import PART_BYTES, parts_for

UPLOADS_AT_ONCE = 4


@dataclass(frozen=True)
class Upload:
    """One object to be written.

    Attributes:
        key: relative to the run's prefix.
        content: bytes, or a file.
        media_type: of it.
        digested: whether its SHA-256 is wanted; that of a file is computed while it is on its way.
    """

    key: str
    content: Path | bytes
    media_type: str
    digested: bool = False

    @property
    def size(self) -> int:
        """Bytes."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)


def upload_all(
    store: Store, uploads: Iterable[Upload], patience: Patience, say: Callable[[str], None]
) -> dict[str, str]:
    """Writes all of them; a notebook's own file that no bucket takes is left out, and told of.

    Returns:
        The digests that were wanted, by key; none for what was left out.

    Raises:
        StoreFailed: the bucket does not take one of them, as long as there is patience; the others were tried too.
    """
    wanted = list(uploads)
    large = sum(each.size > PART_BYTES for each in wanted)
    parts = parts_for(min(UPLOADS_AT_ONCE, large))
    with ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="upload") as pool:
        begun = {each.key: pool.submit(_written, store, each, parts, patience) for each in wanted}
    digests: dict[str, str] = {}
    for each in wanted:
        try:
            digest = begun[each.key].result()
        except StoreRefused as error:
            if not each.digested:
                raise
            say(f"an output was left out: {error}")
        else:
            digests |= {each.key: digest} if digest is not None else {}
    return digests


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def delete_all(store: Store, keys: Iterable[str]) -> None:
    """Deletes objects; those that are gone already are fine.

    Raises:
        StoreFailed: the bucket does not do it.
    """
    with ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="delete") as pool:
        tasks = [pool.submit(store.delete, key) for key in keys]
    for task in tasks:
        task.result()


def _written(store: Store, upload: Upload, parts: int, patience: Patience) -> str | None:
    content = upload.content
    if isinstance(content, Path) and store.adopt(upload.key, content):
        return _digest(content) if upload.digested else None
    if upload.digested and isinstance(content, Path):
        return patience.run(partial(store.upload, upload.key, content, upload.media_type, parts))
    patience.run(partial(store.write, upload.key, content, upload.media_type, parts))
    return hashlib.sha256(content).hexdigest() if upload.digested and isinstance(content, bytes) else None
