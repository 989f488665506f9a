"""The Jupyter kernel: cells go to the cluster from a thread of their own, so that everything else stays live."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
import traceback
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ipykernel.kernelbase import Kernel

from daybook.contract.errors import DaybookError
from daybook.contract.variables import RUN_VARIABLE
from daybook.databricks.in_run.reporter import END_OF_RUN_SECONDS, END_SECONDS, Reporter, seconds_in
from daybook.databricks.interruption import Interrupted, Interruption
from daybook.databricks.settings import load_settings

if TYPE_CHECKING:
    from daybook.databricks.results import Message
    from daybook.databricks.session import Session

TERMINATED = 128 + signal.SIGTERM
LEAVE_SECONDS = 1.0
"""How long the process may take to end by itself: once nothing is left to be done on the cluster, or no time for it."""
_OK: Mapping[str, Any] = {"status": "ok", "payload": [], "user_expressions": {}}


class DatabricksKernel(Kernel):
    """Runs a notebook's cells on a Databricks cluster."""

    implementation = "daybook-databricks"
    implementation_version = "1"
    banner = "Daybook: cells run on a Databricks cluster"
    language_info = {  # noqa: RUF012 - a trait of the base class
        "name": "python",
        "version": "3",
        "mimetype": "text/x-python",
        "codemirror_mode": {"name": "ipython", "version": 3},
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "file_extension": ".py",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self._remote: Session | None = None
        self._reporter = Reporter(os.environ)
        self._end_seconds = END_OF_RUN_SECONDS if self._reporter.companion.is_in_run else END_SECONDS
        self._shutdown_seconds = self._end_seconds
        self._interruption = Interruption()
        # One thread: a cell's messages come from it alone, and cells keep their order.
        self._loads = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="databricks-cells")

    def start(self) -> None:
        """Takes requests from here on."""
        super().start()  # type: ignore[no-untyped-call]
        with suppress(ValueError):  # it runs inside of something else, which has the signals
            signal.signal(signal.SIGTERM, self._on_sigterm)

    async def kernel_info_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Says what it is; then loads the SDK, some seconds' work that a first cell need not wait for."""
        await super().kernel_info_request(stream, ident, parent)  # type: ignore[no-untyped-call]
        if not self._loads:
            self._loads = True
            with suppress(RuntimeError):  # it is ending
                self._worker.submit(_load)

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,  # noqa: ARG002 - the base class's arguments
        user_expressions: Mapping[str, str] | None = None,  # noqa: ARG002
        allow_stdin: bool = False,
        *,
        cell_meta: object = None,  # noqa: ARG002
        cell_id: object = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Runs a cell. Whoever lets it ask for input watches it; a batch run does not."""
        if not code.strip():
            return {**_OK, "execution_count": self.execution_count}
        output = CellOutput(self, silent)
        run = contextvars.copy_context().run
        try:
            with self._interruption.cell():
                failed = await asyncio.get_running_loop().run_in_executor(
                    self._worker, run, self._run_cell, code, output, not allow_stdin
                )
        except Interrupted:
            failed = _INTERRUPTED  # the kernel ends
        if failed is None:
            return {**_OK, "execution_count": self.execution_count}
        output.error(failed)
        return {"status": "error", "execution_count": self.execution_count, **failed}

    def _run_cell(self, code: str, output: CellOutput, batch: bool) -> dict[str, Any] | None:
        """Runs in the worker's thread; gives the error, if there is one."""
        try:
            from daybook.databricks.cell_errors import CellFailed
        except ModuleNotFoundError as error:
            return _error("InvalidSettings", f"{error}: the kernel needs it (pip install 'daybook[databricks]')")
        try:
            with self._reporter.cell(self.execution_count, lambda: self._remote):
                self._session().run_cell(code, output, batch=batch)
        except CellFailed as error:
            return _error(error.name, error.value, error.traceback)
        except Interrupted:
            return _INTERRUPTED
        except DaybookError as error:
            return _error(type(error).__name__, str(error))
        except Exception as error:  # noqa: BLE001 - the thread's edge: without a reply whoever asked would wait for ever
            lines = traceback.format_exception(error)
            return _error(type(error).__name__, f"this is a bug in Daybook's kernel, please report it: {error}", lines)
        finally:
            output.done()
        return None

    def _session(self) -> Session:
        if self._remote is None:
            from daybook.databricks.session import make_session

            settings = load_settings(os.environ, Path.cwd())
            companion = self._reporter.companion
            self._remote = make_session(settings, os.environ.get(RUN_VARIABLE), self._interruption, companion)
        return self._remote

    async def interrupt_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Interrupts the cell, wherever it is; comes on the control channel, in its thread."""
        self._interruption.ask()
        if self.session is not None:
            self.session.send(stream, "interrupt_reply", {"status": "ok"}, parent, ident=ident)

    def pre_handler_hook(self) -> None:
        """While a request is served, SIGINT interrupts the cell and nothing else."""
        self.saved_sigint_handler = signal.signal(signal.SIGINT, self._on_sigint)

    def _on_sigint(self, _signal: int, _frame: FrameType | None) -> None:
        # A lock that the interrupted code holds must not be waited for in a handler.
        threading.Thread(target=self._interruption.ask, daemon=True).start()

    def _on_sigterm(self, _signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=self._end_at_once, daemon=True).start()

    def _end_at_once(self) -> None:
        self._leave_in_time(self._end_seconds, TERMINATED)
        self._close(self._end_seconds)
        os._exit(TERMINATED)

    async def shutdown_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Ends; Daybook's runner says how long that may take, since there may be much to fetch."""
        self._shutdown_seconds = seconds_in(parent["content"], self._end_seconds)
        await super().shutdown_request(stream, ident, parent)  # type: ignore[no-untyped-call]

    async def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """Ends the session: the running command, the remote files, the context; a restarted kernel gets new ones."""
        seconds = self._shutdown_seconds
        self._leave_in_time(seconds, 0)
        await asyncio.get_running_loop().run_in_executor(None, self._close, seconds)
        # ipykernel's threads now and then wait for each other at their end, and whoever asked would wait for them.
        _leave_after(LEAVE_SECONDS, 0)
        return {"status": "ok", "restart": restart}

    def _leave_in_time(self, seconds: float, code: int) -> None:
        """Databricks may not answer, and Jupyter kills who is late; Daybook's runner waits, and sees to it itself."""
        if not self._reporter.companion.is_in_run:
            _leave_after(seconds + LEAVE_SECONDS, code)

    def _close(self, seconds: float) -> None:
        if self._remote is not None:
            self._remote.close(seconds)
        self._interruption.ask_for_good()
        self._remote = None
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def do_is_complete(self, code: str) -> dict[str, str]:
        """Whether code is complete, by IPython's own rules."""
        from IPython.core.inputtransformer2 import TransformerManager

        status, indent = TransformerManager().check_complete(code)  # type: ignore[no-untyped-call]
        return {"status": status, "indent": " " * indent} if status == "incomplete" else {"status": status}


class CellOutput:
    """Where one cell's output goes: to those who listen, as the cell's."""

    def __init__(self, kernel: DatabricksKernel, silent: bool) -> None:
        self._kernel = kernel
        self._silent = silent
        self._progress = ""
        # Not the cell's number, which another kernel has used in the same notebook.
        self._display_id = f"daybook-databricks-{uuid.uuid4().hex}"

    def show(self, message: Message) -> None:
        """See `daybook.databricks.output.Output`."""
        self._send(message.kind, message.content)

    def progress(self, text: str) -> None:
        """See `daybook.databricks.output.Output`."""
        if text == self._progress:
            return
        kind = "update_display_data" if self._progress else "display_data"
        self._progress = text
        shown = {"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": self._display_id}}
        self._send(kind, shown)

    def done(self) -> None:
        """Nothing is being waited for any more."""
        if self._progress:
            self.progress("The cluster was waited for.")

    def error(self, content: Mapping[str, Any]) -> None:
        """The error that ended the cell."""
        self._send("error", dict(content))

    def _send(self, kind: str, content: dict[str, Any]) -> None:
        if not self._silent:
            self._kernel.send_response(self._kernel.iopub_socket, kind, content)  # type: ignore[no-untyped-call]


def _error(name: str, value: str, lines: list[str] | None = None) -> dict[str, Any]:
    return {"ename": name, "evalue": value, "traceback": lines or [f"{name}: {value}"]}


_INTERRUPTED = _error("KeyboardInterrupt", "interrupted: the command on the cluster was cancelled")


def _leave_after(seconds: float, code: int) -> None:
    """The process ends by then, whatever goes on in it."""
    leaving = threading.Timer(seconds, os._exit, (code,))
    leaving.daemon = True
    leaving.start()


def _load() -> None:
    import daybook.databricks.session  # noqa: F401 - for what comes with it
