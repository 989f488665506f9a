"""Keeps the run's record in the bucket up to date while the run goes on, without holding it up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from daybook.contract.errors import StoreFailed
from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import Manifest
from daybook.runner.journal import Journal
from daybook.runner.patience import Patience
from daybook.storage import RunRecord, StaleAttempt
from daybook.storage import journal as journals

PROGRESS_SECONDS = 1.0
"""The manifest is rewritten at most this often."""
SMALL_BYTES = 64 * 1024
MANY_SLICES = 32
"""So many slices in a row that are smaller than that become one."""
AGAIN_SECONDS = 2.0
"""After the bucket failed, this long passes until what waits is tried again."""


class Recorder:
    """Writes the newest manifest, whole copies of the notebook and slices of its journal, from one thread.

    What comes while a write is under way replaces what still waits, or joins it. A bucket that fails on the way is told
    of in the log and tried again: only the final record decides.
    """

    def __init__(
        self,
        record: RunRecord,
        keys: AttemptKeys,
        journal: Journal,
        say: Callable[[str], None],
        superseded: Callable[[], None],
    ) -> None:
        self._record = record
        self._keys = keys
        self._journal = journal
        self._say = say
        self._superseded = superseded
        self._manifest: Callable[[], Manifest] | None = None
        self._manifest_is_new = False
        self._manifest_at = 0.0
        self._copy: tuple[bytes, int] | None = None
        self._journal_end = 0
        self._recorded = 0
        self._begun: StoreFailed | None = None
        self._has_begun = threading.Event()
        self._closed = False
        self._failed_at: float | None = None
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

        self.before: Manifest | None = None
        """The manifest that lay in the bucket when this attempt began."""
        self.saved: str | None = None
        """The key of the notebook's copy on the way, once the bucket has it."""
        self.slices: dict[int, int] = {}
        """Where the journal's slices in the bucket begin and end."""
        self.written_bytes = 0
        """What went to the bucket so far in copies and slices."""

    def begin(self, manifest: Callable[[], Manifest], patience: float) -> None:
        """Starts with the first manifest; `require_begun` tells whether the bucket took it.

        Args:
            manifest: gives the manifest as of now; asked, from another thread, whenever it is about to be written.
            patience: seconds for which a bucket that does not take the first one is tried again.
        """
        self._manifest = manifest
        self._patience = Patience(patience, self._say, sleep=self._pause)
        self._thread.start()

    def require_begun(self) -> None:
        """Waits until the first manifest is written.

        Raises:
            StoreFailed: the bucket does not take it; nothing was executed, so nothing is lost.
        """
        self._has_begun.wait()
        if self._begun is not None:
            raise self._begun

    def progress(self) -> None:
        """The manifest has changed; it is asked for when it is its turn to be written."""
        with self._change:
            self._manifest_is_new = True
            self._change.notify()

    def save(self, notebook: bytes, held: int) -> None:
        """There is a newer whole copy of the notebook, which holds that many bytes of the journal."""
        with self._change:
            self._copy = (notebook, held)
            self._change.notify()

    def follow(self, end: int) -> None:
        """The journal has grown up to there."""
        with self._change:
            self._journal_end = end
            self._change.notify()

    def close(self) -> None:
        """Ends the writing on the way, so that nothing comes after the final record; closing twice is fine."""
        with self._change:
            self._closed = True
            self._change.notify()
        if self._thread.is_alive():
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _work(self) -> None:
        try:
            self._patience.run(self._write_first)
        except StoreFailed as error:
            self._begun = error
            return
        except Exception as error:  # noqa: BLE001 - a thread's edge: it is raised where the beginning is waited for
            self._begun = StoreFailed(f"the first manifest cannot be written: {error!r}")
            return
        finally:
            self._has_begun.set()
        while self._something_to_write():
            self._write()

    def _write_first(self) -> None:
        if self.before is None:
            self.before = self._record.read()
        self._write_manifest()

    def _something_to_write(self) -> bool:
        """Waits until there is; False when it is time to end."""
        with self._change:
            while not self._closed:
                seconds = self._seconds_to_wait()
                if seconds is not None and seconds <= 0:
                    return True
                self._change.wait(seconds)
            return False

    def _seconds_to_wait(self) -> float | None:
        now = time.monotonic()
        if self._failed_at is not None:
            return self._failed_at + AGAIN_SECONDS - now
        if self._copy is not None or (self.saved is not None and self._journal_end > self._recorded):
            return 0.0
        return self._manifest_at + PROGRESS_SECONDS - now if self._manifest_is_new else None

    def _write(self) -> None:
        try:
            self._require_ours()
            self._write_copy()
            self._write_slice()
            self._merge_slices()
            if self._manifest_is_new and time.monotonic() - self._manifest_at >= PROGRESS_SECONDS:
                self._write_manifest()
            self._failed_at = None
        except StaleAttempt as error:
            self._say(str(error))
            self._superseded()
            self._failed_at = time.monotonic()
        except StoreFailed as error:
            if self._failed_at is None:
                self._say(f"cannot record progress, the run goes on: {error}")
            self._failed_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 - a thread's edge: only progress is lost, and tried again
            self._say(f"cannot record progress, the run goes on: {error!r}")
            self._failed_at = time.monotonic()

    def _require_ours(self) -> None:
        """Looks whether the attempt was given up meanwhile: then its notebook is somebody else's to write.

        Raises:
            StaleAttempt: it was.
        """
        if self._manifest is not None:
            self._record.require_writable(self._manifest())

    def _write_copy(self) -> None:
        with self._change:
            copy = self._copy
        if copy is None:
            return
        data, held = copy
        self._record.store.write(self._keys.notebook, data, "application/x-ipynb+json")
        self.written_bytes += len(data)
        with self._change:
            self._recorded = max(self._recorded, held)
            if self._copy is copy:
                self._copy = None
        if self.saved is None:
            self.saved = self._keys.notebook
            self._manifest_is_new = True

    def _write_slice(self) -> None:
        with self._change:
            begin, end = self._recorded, self._journal_end
        if end <= begin or self.saved is None:
            return
        if self._journal.path == self._record.store.local_path(self._keys.journal_slice(0)):
            self._recorded = end  # it is written where it belongs
            return
        try:
            data = self._journal.read(begin, end)
        except OSError as error:
            raise StoreFailed(f"cannot read {self._journal.path}: {error.strerror or error}") from error
        key = self._keys.journal_slice(begin)
        self._record.store.write(key, data, journals.MEDIA_TYPE)
        self.slices[begin] = end
        self.written_bytes += len(data)
        with self._change:
            self._recorded = max(self._recorded, end)

    def _merge_slices(self) -> None:
        """Makes one slice of many small ones, which are as many requests for whoever reads them."""
        small: list[int] = []
        for begin, end in reversed(self.slices.items()):
            if end - begin >= SMALL_BYTES or (small and end != small[-1]):
                break
            small.append(begin)
        if len(small) < MANY_SLICES:
            return
        first, last = small[-1], self.slices[small[0]]
        try:
            data = self._journal.read(first, last)
        except OSError as error:
            raise StoreFailed(f"cannot read {self._journal.path}: {error.strerror or error}") from error
        # It takes the first one's place; readers pass over what of the others they have read by then.
        self._record.store.write(self._keys.journal_slice(first), data, journals.MEDIA_TYPE)
        self.written_bytes += len(data)
        for begin in small[:-1]:
            self._record.store.delete(self._keys.journal_slice(begin))
            del self.slices[begin]
        self.slices[first] = last

    def _write_manifest(self) -> None:
        if self._manifest is None:
            return
        self._manifest_is_new = False
        try:
            self._record.write(self._manifest())
        except StoreFailed:
            self._manifest_is_new = True
            raise
        self._manifest_at = time.monotonic()

    def _pause(self, seconds: float) -> None:
        with self._change:
            if not self._closed:
                self._change.wait(seconds)
            if self._closed:
                raise StoreFailed("the run was ended before the bucket took its first manifest")
