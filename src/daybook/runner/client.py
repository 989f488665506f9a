"""The conversation with a kernel: nbclient's handling of messages, under waits of our own.

nbclient looks once a second whether the kernel lives, takes only whole seconds as limits, gives up on output that
takes longer than a reply, and cannot be told to stop. Here one wait ends at whatever comes first: the cell is done,
the kernel is dead, the time is up, or the run is told to stop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from nbclient.exceptions import CellExecutionComplete
from nbformat.v4 import new_output

from daybook.contract.errors import KernelUnavailable
from daybook.runner.kernel import KernelProcess, how_it_ended
from daybook.runner.messages import Keeping, MessageTaker

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


HEARTBEAT_SECONDS = 3.0
"""How often the kernel's process is asked whether it is there; a thread of its own answers, whatever the cell does."""
SILENCE_SECONDS = 30.0
"""How long a kernel that used to answer may leave such questions open, before it is taken for hung."""


class Stopped(Enum):
    """What ended the wait for a cell."""

    DONE = "done"
    KERNEL_DIED = "kernel_died"
    KERNEL_HUNG = "kernel_hung"
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


class CellClient(MessageTaker):
    """Executes single cells of a notebook in a kernel that somebody else starts and stops."""

    def __init__(self, notebook: Any, kernel: KernelProcess, keeping: Keeping) -> None:
        super().__init__(notebook, keeping)
        self.kernel = kernel
        self._asked: dict[str, tuple[Any, int]] = {}
        self._busy = False
        self._heard_at = 0.0
        self._beating: asyncio.Future[None] | None = None
        self.language_info: Mapping[str, Any] = {}

    async def begin(self) -> bool:
        """Waits until the kernel answers and its output arrives; False when the run was told to stop before that.

        Raises:
            KernelUnavailable: it died at its start, or did not answer in time.
        """
        loop = asyncio.get_running_loop()
        self._died = loop.create_future()
        self._stop = loop.create_future()
        self._hung = loop.create_future()
        self.kernel.watch(lambda: _call_soon(loop, self._died))
        self.kc = AsyncKernelClient()
        self.kc.load_connection_info(self.kernel.connection)
        self.kc.start_channels(stdin=False, hb=False)
        self.kc.allow_stdin = False
        ready = asyncio.ensure_future(self._ready())
        await asyncio.wait({ready, self._died, self._stop}, timeout=START_LIMIT_SECONDS, return_when="FIRST_COMPLETED")
        if ready.done():
            self.language_info = ready.result().get("language_info") or {}
            self._beating = asyncio.ensure_future(self._watch_heartbeat())
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
        _resolve(self._stop)

    @property
    def told_to_stop(self) -> bool:
        """Whether the run was told to stop."""
        return bool(self._stop.done())

    async def run_cell(self, cell: Any, index: int, source: str, seconds: float | None) -> Said:
        """Executes a cell and puts its output into it.

        Args:
            cell: a code cell of the notebook.
            index: its place in the notebook.
            source: what to execute; the cell may show it without secrets.
            seconds: how long it may take; None for as long as it likes.
        """
        cell.outputs = []
        cell.metadata["execution"] = {}
        asked = self.kc.execute(source, store_history=True, stop_on_error=False, allow_stdin=False)
        self._asked[asked] = (cell, index)
        talk = asyncio.ensure_future(self._talk(asked, cell, index))
        self._busy = True
        ends = {talk, self._died, self._stop, self._hung}
        try:
            await asyncio.wait(ends, timeout=seconds, return_when="FIRST_COMPLETED")
            if talk.done():
                reply = talk.result()
                return Said(Stopped.KERNEL_HUNG) if reply is None else Said(Stopped.DONE, reply)
            if self._died.done():
                return await self._last_words(talk)
            if self._hung.done():
                return Said(Stopped.KERNEL_HUNG)
            why = Stopped.TOLD_TO_STOP if self._stop.done() else Stopped.TIME_UP
            return await self._interrupted(talk, why)
        finally:
            self._busy = not talk.done()
            await _cancelled(talk)
            self.finish(cell, index)

    async def _last_words(self, talk: _Talk) -> Said:
        await asyncio.wait({talk}, timeout=_LAST_WORDS_SECONDS)
        while not talk.done() and time.monotonic() - self._heard_at < _LAST_WORDS_SECONDS:
            await asyncio.wait({talk}, timeout=_LAST_WORDS_SECONDS)
        reply = _reply_of(talk)
        wished = Said(Stopped.DONE, reply)
        return wished if wished.asked_to_exit else Said(Stopped.KERNEL_DIED, reply)

    async def _interrupted(self, talk: _Talk, why: Stopped) -> Said:
        if self.kernel.spec.interrupted_by_message:
            self.kc.control_channel.send(self.kc.session.msg("interrupt_request", {}))
        else:
            self.kernel.interrupt()
        await asyncio.wait({talk, self._died}, timeout=WIND_UP_SECONDS, return_when="FIRST_COMPLETED")
        return Said(why, _reply_of(talk))

    async def _talk(self, asked: str, cell: Any, index: int) -> Mapping[str, Any] | None:
        """Hears a cell out; gives the kernel's reply, or None where none comes although the cell is done."""
        output = asyncio.ensure_future(self._listen(asked))
        answer = asyncio.ensure_future(self._reply(asked))
        try:
            await asyncio.wait({output, answer}, return_when="FIRST_COMPLETED")
            if not answer.done():
                output.result()
                await asyncio.wait({answer}, timeout=SILENT_END_SECONDS)
            if not answer.done():
                return None
            reply = answer.result()
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
            await _cancelled(answer)
        content: Mapping[str, Any] = reply["content"]
        self._note_error(cell, index, content)
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
                self.take(message, cell, index)
            except CellExecutionComplete:
                if parent == asked:
                    return

    def _note_error(self, cell: Any, index: int, reply: Mapping[str, Any]) -> None:
        """Puts an exception that the kernel only replied with among the cell's outputs."""
        if reply.get("status") != "error" or any(output.output_type == "error" for output in cell.outputs):
            return
        content = self.kept_error(index, reply)
        told = {"ename": str(content.get("ename", "")), "evalue": str(content.get("evalue", ""))}
        self.add(cell, index, new_output("error", **told, traceback=list(map(str, content.get("traceback") or ()))))

    async def _watch_heartbeat(self) -> None:
        """Notices a kernel whose process is there but does nothing any more: stopped, swapped out, stuck in the system.

        A kernel that never answered at all has no heartbeat, and is not judged by it.
        """
        with self.kc.context.socket(zmq.REQ) as socket:
            # A question may be asked anew while the last one is open, and late answers to it are passed over.
            socket.setsockopt(zmq.REQ_RELAXED, 1)
            socket.setsockopt(zmq.REQ_CORRELATE, 1)
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(self.kc._make_url("hb"))
            answered: float | None = None
            while answered is None or time.monotonic() - answered < SILENCE_SECONDS:
                await socket.send(b"ping")
                if await socket.poll(int(HEARTBEAT_SECONDS * 1000)):
                    await socket.recv()
                    answered = time.monotonic()
                    await asyncio.sleep(HEARTBEAT_SECONDS)
        _resolve(self._hung)

    async def end(self) -> None:
        """Asks the kernel to end and waits for it to do so, unless it has shown that it does not listen."""
        try:
            if self._beating is not None:
                await _cancelled(self._beating)
            if not self._died.done() and not self._busy:
                self.kc.shutdown()
                await asyncio.wait({self._died}, timeout=SHUTDOWN_SECONDS)
        finally:
            self.kc.stop_channels()


_Talk = asyncio.Future[Mapping[str, Any] | None]


def _reply_of(talk: _Talk) -> Mapping[str, Any]:
    """The reply, as far as there is one."""
    return (talk.result() or {}) if talk.done() else {}


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
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(_resolve, future)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
