"""The conversation with a kernel: nbclient's handling of messages, under waits of our own.

nbclient looks once a second whether the kernel lives, takes only whole seconds as limits, gives up on output that
takes longer than a reply, and cannot be told to stop. Here one wait ends at whatever comes first: the cell is done,
the kernel is dead, the time is up, or the run is told to stop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete
from nbformat.v4 import new_output

from daybook.contract.errors import KernelUnavailable
from daybook.runner.kernel import KernelProcess, how_it_ended

START_LIMIT_SECONDS = 60.0
"""How long a kernel may take until it answers; a cold, loaded machine needs many times the usual second."""
_ASK_AGAIN_SECONDS = 0.5
WIND_UP_SECONDS = 5.0
"""How long an interrupted cell may take to end by itself."""
_LAST_WORDS_SECONDS = 0.5
"""How long the messages of a dead kernel are waited for; they are in the socket already."""
SILENT_END_SECONDS = 60.0
"""After a cell's reply, how long its output may keep silent before it is taken for complete."""
SHUTDOWN_SECONDS = 5.0
"""How long a kernel may take for its exit handlers."""


class Stopped(Enum):
    """What ended the wait for a cell."""

    DONE = "done"
    KERNEL_DIED = "kernel_died"
    TIME_UP = "time_up"
    TOLD_TO_STOP = "told_to_stop"


@dataclass
class Said:
    """What came of a cell's execution.

    Attributes:
        stopped: what ended the wait.
        reply: the content of the kernel's reply, where there was one.
    """

    stopped: Stopped
    reply: Mapping[str, Any] = field(default_factory=dict)

    @property
    def raised(self) -> bool:
        """Whether the cell ended with an exception."""
        return self.reply.get("status") not in (None, "ok")

    @property
    def asked_to_exit(self) -> bool:
        """Whether the cell called `exit()` or `quit()`, which IPython takes as a wish, not as an error."""
        wishes = self.reply.get("payload") or ()
        return any(wish.get("source") == "ask_exit" and not wish.get("keepkernel") for wish in wishes)


class CellClient(NotebookClient):  # type: ignore[misc]  # nbclient is not checked
    """Executes single cells of a notebook in a kernel that somebody else starts and stops."""

    def __init__(
        self, notebook: Any, kernel: KernelProcess, changed: Callable[[], None], printed: Callable[[str], None]
    ) -> None:
        super().__init__(notebook, store_widget_state=True, record_timing=True)
        self.kernel = kernel
        self._changed = changed
        self._printed = printed
        self._open_stream: Any = None
        self._parts: list[str] = []
        self._asked: dict[str, tuple[Any, int]] = {}
        self._busy = False
        self._heard_at = 0.0
        self.language_info: Mapping[str, Any] = {}

    async def begin(self) -> bool:
        """Waits until the kernel answers and its output arrives; False when the run was told to stop before that.

        Raises:
            KernelUnavailable: it died at its start, or did not answer in time.
        """
        loop = asyncio.get_running_loop()
        self._died = loop.create_future()
        self._stop = loop.create_future()
        self.kernel.watch(lambda: _call_soon(loop, self._died))
        self.kc = AsyncKernelClient()
        self.kc.load_connection_info(self.kernel.connection)
        self.kc.start_channels(stdin=False, hb=False)
        self.kc.allow_stdin = False
        ready = asyncio.ensure_future(self._ready())
        await asyncio.wait({ready, self._died, self._stop}, timeout=START_LIMIT_SECONDS, return_when="FIRST_COMPLETED")
        if ready.done():
            self.language_info = ready.result().get("language_info") or {}
            return True
        await _cancelled(ready)
        if self._stop.done() and not self._died.done():
            return False
        raise KernelUnavailable(self._why_not_ready())

    def _why_not_ready(self) -> str:
        said = self.kernel.said()
        tail = f"; its last words: {said}" if said else ""
        if self._died.done():
            return f"kernel {self.kernel.spec.name!r} {how_it_ended(self.kernel.exit_code())} while it started{tail}"
        return f"kernel {self.kernel.spec.name!r} did not answer within {START_LIMIT_SECONDS:.0f} s{tail}"

    async def _ready(self) -> Mapping[str, Any]:
        """Asks until both the answer and its echo among the output are there: only then no output can be missed."""
        info: Mapping[str, Any] | None = None
        while True:
            asked = self.kc.kernel_info()
            with suppress(TimeoutError):
                async with asyncio.timeout(_ASK_AGAIN_SECONDS):
                    while info is None:
                        reply = await self.kc.shell_channel.get_msg(timeout=None)
                        info = reply["content"] if reply["msg_type"] == "kernel_info_reply" else None
                    while True:
                        message = await self.kc.iopub_channel.get_msg(timeout=None)
                        if message["parent_header"].get("msg_id") == asked and _is_idle(message):
                            return info

    def tell_to_stop(self) -> None:
        """Ends the wait for the running cell, from the loop's own thread; calling it again is fine."""
        if not self._stop.done():
            self._stop.set_result(None)

    @property
    def told_to_stop(self) -> bool:
        """Whether the run was told to stop."""
        return bool(self._stop.done())

    async def run_cell(self, cell: Any, index: int, seconds: float | None) -> Said:
        """Executes a cell and puts its output into it.

        Args:
            cell: a code cell of the notebook.
            index: its place in the notebook.
            seconds: how long it may take; None for as long as it likes.
        """
        cell.outputs = []
        cell.metadata["execution"] = {}
        self.clear_before_next_output = False
        asked = self.kc.execute(cell.source, store_history=True, stop_on_error=False, allow_stdin=False)
        self._asked[asked] = (cell, index)
        talk = asyncio.ensure_future(self._talk(asked, cell))
        self._busy = True
        try:
            await asyncio.wait({talk, self._died, self._stop}, timeout=seconds, return_when="FIRST_COMPLETED")
            if talk.done():
                return Said(Stopped.DONE, talk.result())
            if self._died.done():
                return await self._last_words(talk)
            why = Stopped.TOLD_TO_STOP if self._stop.done() else Stopped.TIME_UP
            return await self._interrupted(talk, why)
        finally:
            self._busy = not talk.done()
            await _cancelled(talk)
            self.settle()

    async def _last_words(self, talk: asyncio.Future[Mapping[str, Any]]) -> Said:
        await asyncio.wait({talk}, timeout=_LAST_WORDS_SECONDS)
        while not talk.done() and time.monotonic() - self._heard_at < _LAST_WORDS_SECONDS:
            await asyncio.wait({talk}, timeout=_LAST_WORDS_SECONDS)
        return Said(
            Stopped.DONE if _wished_to_exit(talk) else Stopped.KERNEL_DIED, talk.result() if talk.done() else {}
        )

    async def _interrupted(self, talk: asyncio.Future[Mapping[str, Any]], why: Stopped) -> Said:
        if self.kernel.spec.interrupted_by_message:
            self.kc.control_channel.send(self.kc.session.msg("interrupt_request", {}))
        else:
            self.kernel.interrupt()
        await asyncio.wait({talk, self._died}, timeout=WIND_UP_SECONDS, return_when="FIRST_COMPLETED")
        return Said(why, talk.result() if talk.done() else {})

    async def _talk(self, asked: str, cell: Any) -> Mapping[str, Any]:
        output = asyncio.ensure_future(self._listen(asked))
        try:
            reply = await self._reply(asked)
            cell.metadata["execution"]["shell.execute_reply"] = _moment(reply)
            self._heard_at = time.monotonic()
            while not output.done():
                await asyncio.wait({output}, timeout=SILENT_END_SECONDS)
                if time.monotonic() - self._heard_at >= SILENT_END_SECONDS:
                    break
            if output.done():
                output.result()
        finally:
            await _cancelled(output)
        content: Mapping[str, Any] = reply["content"]
        _note_error(cell, content)
        return content

    async def _reply(self, asked: str) -> Mapping[str, Any]:
        while True:
            message: Mapping[str, Any] = await self.kc.shell_channel.get_msg(timeout=None)
            if message["parent_header"].get("msg_id") == asked:
                return message

    async def _listen(self, asked: str) -> None:
        while True:
            message = await self.kc.iopub_channel.get_msg(timeout=None)
            self._heard_at = time.monotonic()
            parent = message["parent_header"].get("msg_id")
            if parent not in self._asked:
                continue
            # What an earlier cell left running in the background still speaks for that cell.
            cell, index = self._asked[parent]
            try:
                self.process_message(message, cell, index)
            except CellExecutionComplete:
                if parent == asked:
                    return
            finally:
                self._changed()

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        """Takes an output; texts that follow one another on one stream become one, as Jupyter shows them."""
        if msg["msg_type"] != "stream" or self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            self.settle()
            return super().output(outs, msg, display_id, cell_index)
        text = msg["content"]["text"]
        self._printed(text)
        last = outs[-1] if outs and not self.clear_before_next_output else None
        if last is not None and last is self._open_stream and last.name == msg["content"]["name"]:
            self._parts.append(text)
            return last
        self.settle()
        self._open_stream = super().output(outs, msg, display_id, cell_index)
        self._parts = [text]
        return self._open_stream

    def settle(self) -> None:
        """Brings the texts of open streams into the notebook; cheap to call, and to be called before it is saved."""
        if self._open_stream is not None and len(self._parts) > 1:
            self._open_stream.text = "".join(self._parts)
            self._parts = [self._open_stream.text]

    async def end(self) -> None:
        """Asks the kernel to end and waits for it to do so, unless it has shown that it does not listen."""
        try:
            if not self._died.done() and not self._busy:
                self.kc.shutdown()
                await asyncio.wait({self._died}, timeout=SHUTDOWN_SECONDS)
        finally:
            self.kc.stop_channels()


def _note_error(cell: Any, reply: Mapping[str, Any]) -> None:
    """Puts an exception that the kernel only replied with among the cell's outputs."""
    if reply.get("status") != "error" or any(output.output_type == "error" for output in cell.outputs):
        return
    told = {"ename": str(reply.get("ename", "")), "evalue": str(reply.get("evalue", ""))}
    cell.outputs.append(new_output("error", **told, traceback=list(map(str, reply.get("traceback") or ()))))


def _wished_to_exit(talk: asyncio.Future[Mapping[str, Any]]) -> bool:
    return talk.done() and Said(Stopped.DONE, talk.result()).asked_to_exit


def _is_idle(message: Mapping[str, Any]) -> bool:
    return bool(message["msg_type"] == "status" and message["content"]["execution_state"] == "idle")


def _moment(message: Mapping[str, Any]) -> str:
    date = message["header"].get("date")
    return date.isoformat() if hasattr(date, "isoformat") else str(date)


async def _cancelled(task: asyncio.Future[Any]) -> None:
    if not task.done():
        task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


def _call_soon(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(resolve)
