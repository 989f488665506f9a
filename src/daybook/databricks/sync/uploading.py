"""Packs as files of the Databricks workspace, in the user's own home there, which the cluster's driver reads.

`docs/decisions/0027-databricks-sync.md` tells why these, and not DBFS or volumes. The import of a file takes some
500 MB where it is multipart, as the SDK's `upload` is; its limit of 10 MB is one of the JSON form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar, cast

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, NotImplemented, PermissionDenied
from databricks.sdk.retries import retried
from databricks.sdk.service.workspace import ImportFormat

from daybook.databricks.interruption import Interrupted
from daybook.databricks.model import Remote
from daybook.databricks.refusals import FOREIGN, in_our_words, passing
from daybook.databricks.sync.calling import Driver
from daybook.databricks.sync.errors import SyncFailed
from daybook.databricks.sync.packing import Pack
from daybook.databricks.sync.sending import NotThisWay

PACK_BYTES = 8 * 2**20
"""One upload; with `AT_ONCE` it bounds the memory that is used."""
AT_ONCE = 3
"""Uploads that go on beside each other."""
MOUNT = "/Workspace"
"""Where clusters see the files of the Databricks workspace (from runtime 11.3 on)."""
RETRY_SECONDS = 300
"""How long an upload is tried again, if the client says nothing else."""
LOOK_SECONDS = 0.1
"""How soon it is seen that somebody interrupts, while uploads are waited for."""
Call = TypeVar("Call", bound=Callable[..., Any])


@dataclass
class Uploads:
    """The way over the Databricks workspace.

    Attributes:
        driver: reads what was uploaded.
        client: uploads.
    """

    driver: Driver
    client: WorkspaceClient
    pack_bytes: int = PACK_BYTES
    _folder: str = field(default="", init=False)
    _numbers: Iterator[int] = field(default_factory=count, init=False)
    """No name is given twice: the mount may still know what was there before."""

    def carry(self, remote: Remote, packs: Iterable[Pack]) -> Iterator[Pack]:
        """Uploads some at once, and has the driver read each as soon as it is there.

        Raises:
            Interrupted: the client's clock says so.
        """
        with self._failures():
            self._make_folder()
        pool, waits = ThreadPoolExecutor(AT_ONCE, "daybook-upload"), True
        try:
            under_way: set[Future[tuple[str, Pack]]] = set()
            for pack in packs:
                if len(under_way) == AT_ONCE:
                    yield from self._read(remote, under_way)
                under_way.add(pool.submit(self._upload, f"{self._folder}/{next(self._numbers)}.pack", pack))
            while under_way:
                yield from self._read(remote, under_way)
        except Interrupted:
            waits = False  # what is on its way arrives or does not; nobody asks for it any more
            raise
        finally:
            pool.shutdown(waits, cancel_futures=True)
        self._remove(self._patiently(self.client.workspace.delete))

    def remove(self) -> None:
        """Removes what was uploaded; calling it again is fine. Asks once, for a kernel that ends has little time.

        Raises:
            SyncFailed: it could not be removed.
        """
        self._remove(self.client.workspace.delete)

    def _remove(self, delete: Callable[..., None]) -> None:
        if not self._folder:
            return
        try:
            delete(self._folder, recursive=True)
        except NotFound:
            pass
        except FOREIGN as error:
            raise SyncFailed(f"{self._folder} of the Databricks workspace could not be removed: {error}") from error
        self._folder = ""

    def _make_folder(self) -> None:
        user = self._patiently(self.client.current_user.me)().user_name
        folder = f"/Users/{user}/.daybook/{self.driver.name}"
        self._patiently(self.client.workspace.mkdirs)(folder)
        self._folder = folder

    def _upload(self, path: str, pack: Pack) -> tuple[str, Pack]:
        with self._failures():
            self._patiently(self.client.workspace.upload)(path, pack.content, format=ImportFormat.AUTO, overwrite=True)
        return path, pack

    def _patiently(self, call: Call) -> Call:
        """A call that is tried again, as all of these may be; the SDK itself does so for little of what passes."""
        config = self.client.config
        again = retried(
            timeout=timedelta(seconds=config.retry_timeout_seconds or RETRY_SECONDS),
            is_retryable=lambda error: "it may go away" if passing(error) else None,
            clock=config.clock,
        )
        return cast("Call", again(call))

    def _read(self, remote: Remote, under_way: set[Future[tuple[str, Pack]]]) -> Iterator[Pack]:
        """Has the driver read those that are there by now, one at least."""
        while not (done := wait(under_way, LOOK_SECONDS, FIRST_COMPLETED).done):
            self.client.config.clock.sleep(0)
        under_way -= done
        arrived = dict(future.result() for future in done)
        told = self.driver.ask(remote, "store", paths=[MOUNT + path for path in arrived])
        for path, reason in told["unreadable"].items():
            raise NotThisWay(f"the driver cannot read what was uploaded to {path}: {reason}")
        yield from arrived.values()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Tells a way that is closed from one that failed."""
        try:
            yield
        except FOREIGN as error:
            if _closed(error):
                raise NotThisWay(f"the Databricks workspace takes no uploads from this user: {error}") from error
            host = str(self.client.config.host)
            raise in_our_words(error, "uploading the project's files", host) from error


def _closed(error: BaseException) -> bool:
    # The SDK's `upload` makes a nameless error of an invalid parameter.
    invalid = getattr(error, "error_code", None) == "INVALID_PARAMETER_VALUE"
    return invalid or isinstance(error, (BadRequest, NotFound, NotImplemented, PermissionDenied))
