"""Keeps the run's record in the bucket up to date while the run goes on, without holding it up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import Manifest
from daybook.storage import RunRecord, StaleAttempt

PROGRESS_SECONDS = 1.0
"""The manifest is rewritten at most this often."""


class Recorder:
    """Writes the newest manifest and the newest copy of the notebook, each in its own time, from one thread.

    What comes while a write is under way replaces what still waits. A bucket that fails on the way is told of in the
    log and tried again with the next change: only the final record decides.
    """

    def __init__(
        self, record: RunRecord, notebook_key: str, say: Callable[[str], None], superseded: Callable[[], None]
    ) -> None:
        self._record = record
        self._notebook_key = notebook_key
        self._say = say
        self._superseded = superseded
        self._manifest: Callable[[], Manifest] | None = None
        self._changed = False
        self._notebook: bytes | None = None
        self._begun: StoreFailed | None = None
        self._has_begun = threading.Event()
        self._closed = False
        self._failing = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

        self.before: Manifest | None = None
        """The manifest that lay in the bucket when this attempt began."""
        self.saved: str | None = None
        """The key of the notebook's copy on the way, once the bucket has it."""

    def begin(self, manifest: Callable[[], Manifest]) -> None:
        """Starts with the first manifest; `require_begun` tells whether the bucket took it.

        Args:
            manifest: gives the manifest as of now; asked, from another thread, whenever it is about to be written.
        """
        self._manifest = manifest
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
            self._changed = True
            self._change.notify()

    def save(self, notebook: bytes) -> int:
        """There is a newer copy of the notebook; tells its size."""
        with self._change:
            self._notebook = notebook
            self._change.notify()
        return len(notebook)

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
            self.before = self._record.read()
            self._write_manifest()
        except StoreFailed as error:
            self._begun = error
        finally:
            self._has_begun.set()
        if self._begun is None:
            self._follow()

    def _follow(self) -> None:
        written_at = time.monotonic()
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closed or self._notebook is not None or self._changed)
                if self._notebook is None and not self._closed:
                    # A notebook cuts the wait short, so that it is never behind the manifest for long.
                    left = written_at + PROGRESS_SECONDS - time.monotonic()
                    self._change.wait_for(lambda: self._closed or self._notebook is not None, timeout=max(0.0, left))
                if self._closed:
                    return
                notebook, self._notebook = self._notebook, None
                due = self._changed and time.monotonic() - written_at >= PROGRESS_SECONDS
                if due:
                    self._changed = False
            self._write(notebook, due)
            if due:
                written_at = time.monotonic()

    def _write(self, notebook: bytes | None, manifest_is_due: bool) -> None:
        try:
            if notebook is not None:
                self._record.store.write(self._notebook_key, notebook, "application/x-ipynb+json")
                if self.saved is None:
                    self.saved = self._notebook_key
                    self.progress()
            if manifest_is_due:
                self._write_manifest()
            self._failing = False
        except StaleAttempt as error:
            self._say(str(error))
            self._superseded()
        except StoreFailed as error:
            if not self._failing:
                self._say(f"cannot record progress, the run goes on: {error}")
            self._failing = True

    def _write_manifest(self) -> None:
        if self._manifest is not None:
            self._record.write(self._manifest())
