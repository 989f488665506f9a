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
from types import SimpleNamespace
from typing import Any

from nbclient.client import timestamp
from nbclient.exceptions import CellExecutionComplete

from daybook.contract.errors import KernelUnavailable
from daybook.runner.asking import Asked, Said, Stopped
from daybook.runner.cells import output_of
from daybook.runner.kernel import KernelProcess, how_it_ended
from daybook.runner.line import CONTROL, IOPUB, NOTHING_IS_DROPPED, SHELL, KernelLine
from daybook.runner.messages import Keeping, MessageTaker
from daybook.runner.waits import waits_for

START_LIMIT_SECONDS = 60.0
"""How long a kernel may take until it answers; a cold, loaded machine needs many times the usual second."""
_ASK_AGAIN_SECONDS = 0.5
_LAST_WORDS_SECONDS = 0.5
"""How long the messages of a dead kernel are waited for; they are in the socket already."""
SILENT_END_SECONDS = 60.0
"""After a cell's reply, how long its output may keep silent before it is taken for complete."""
SECONDS_LEFT = "daybook_seconds"
"""In the request to shut down: how long a kernel whose cells run on a cluster has for it, before it is killed."""
_EXECUTE = {
    "silent": False,
    "store_history": True,
    "user_expressions": {},
    "allow_stdin": False,
    "stop_on_error": False,
}


HEARTBEAT_SECONDS = 3.0
"""How often an IPython kernel's process is asked whether it is there: a thread of its own answers, whatever its cell
does. Kernels of other languages may answer only between cells, and are not asked."""
SILENCE_SECONDS = 30.0
"""How long a kernel that used to answer may leave such questions open, before it is taken for hung."""


class CellClient(MessageTaker):
    """Executes single cells of a notebook in a kernel that somebody else starts and stops."""

    def __init__(self, notebook: Any, kernel: KernelProcess, keeping: Keeping) -> None:
        super().__init__(notebook, keeping)
        self.kernel = kernel
        self._waits = waits_for(kernel.spec)
        self._asked: dict[str, Asked] = {}
        self._running: Asked | None = None
        self._end: asyncio.Future[Stopped] | None = None
        self._why_ended: Stopped | None = None
        self._heard_at = 0.0
        self._beat_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._info: Mapping[str, Any] | None = None
        self._echoed: str | None = None
        self._fault: Exception | None = None
        self._deaf = False
        self._info_asked: list[str] = []

    @property
    def language_info(self) -> Mapping[str, Any]:
        """What the kernel said of its language."""
        return (self._info or {}).get("language_info") or {}

    @property
    def told_to_stop(self) -> bool:
        """Whether the run was told to stop."""
        return self._why_ended is Stopped.TOLD_TO_STOP

    def tell_to_stop(self) -> None:
        """Ends the wait for the running cell, from the loop's own thread; calling it again is fine."""
        self._stop(Stopped.TOLD_TO_STOP)

    def hurry(self) -> None:
        """The run was told to stop while the kernel ends: one that still fetches things has little time left."""
        if self.kernel.spec.is_remote and not self.told_to_stop:
            self._stop(Stopped.TOLD_TO_STOP)

    async def begin(self, seconds: float | None = None) -> bool:
        """Waits until the kernel answers and its output arrives; False when the run was told to stop before that.

        Args:
            seconds: how long all of the run may take, if less than a kernel may.

        Raises:
            KernelUnavailable: it died at its start, or did not answer in time.
        """
        patience = START_LIMIT_SECONDS if seconds is None else min(seconds, START_LIMIT_SECONDS)
        loop = asyncio.get_running_loop()
        self._loop = loop
        self.kernel.watch(lambda: _call_soon(loop, self._stop, Stopped.KERNEL_DIED))
        self._line = KernelLine(self.kernel.connection, self._hear)
        # Output widgets answer the kernel by themselves.
        self.kc = SimpleNamespace(session=self._line.session, shell_channel=SimpleNamespace(send=self._line.send))
        end = self._end = loop.create_future()
        if self._why_ended is not None:
            end.set_result(self._why_ended)
        limit = loop.call_later(patience, self._stop_waiting, Stopped.TIME_UP)
        self._ask_for_info()
        why = await end
        self._info_asked.clear()  # a late answer to a question that was asked twice means nothing any more
        limit.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if why is Stopped.DONE:
            if self._is_ipython:
                # Cells come after it. It is silent: it has no number, no history and no output.
                quiet = {**_EXECUTE, "silent": True, "store_history": False, "code": NOTHING_IS_DROPPED}
                self._line.ask(SHELL, "execute_request", quiet)
            if self._is_ipython or self.kernel.spec.is_remote:
                self._watch_heartbeat()
            return True
        if why is Stopped.TOLD_TO_STOP:
            return False
        raise KernelUnavailable(self._why_not_ready(why, patience))

    @property
    def _is_ipython(self) -> bool:
        return (self._info or {}).get("implementation") == "ipython"

    def _why_not_ready(self, why: Stopped, seconds: float) -> str:
        said = self.kernel.said()
        tail = f"; its last words: {said}" if said else ""
        if why is Stopped.KERNEL_DIED:
            return f"kernel {self.kernel.spec.name!r} {how_it_ended(self.kernel.exit_code())} while it started{tail}"
        return f"kernel {self.kernel.spec.name!r} did not answer within {seconds:.0f} s{tail}"

    def _ask_for_info(self) -> None:
        """Asks until both the answer and its echo among the output are there: only then no output can be missed."""
        self._info_asked.append(self._line.ask(SHELL, "kernel_info_request", {}))
        self._timer = self._loop.call_later(_ASK_AGAIN_SECONDS, self._ask_for_info)

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
        end = self._end = self._loop.create_future()
        if self._why_ended is not None:
            end.set_result(self._why_ended)
        asked = self._line.ask(SHELL, "execute_request", {**_EXECUTE, "code": source})
        running = self._running = self._asked[asked] = Asked(cell, index)
        limit = self._loop.call_later(seconds, self._stop_waiting, Stopped.TIME_UP) if seconds is not None else None
        try:
            said = await self._judged(running, await end)
            if self._fault is not None:
                raise self._fault
            return said
        finally:
            if limit is not None:
                limit.cancel()
            if running.patience is not None:
                running.patience.cancel()
            self.finish(cell, index)

    async def _judged(self, running: Asked, why: Stopped) -> Said:
        if why is Stopped.KERNEL_DIED:
            return await self._last_words(running)
        if why in (Stopped.TOLD_TO_STOP, Stopped.TIME_UP):
            await self._interrupt(running)
        return Said(why, running.reply)

    async def _last_words(self, running: Asked) -> Said:
        """What a kernel said before it died is still in the sockets."""
        await asyncio.sleep(_LAST_WORDS_SECONDS)
        while not running.done and time.monotonic() - self._heard_at < _LAST_WORDS_SECONDS:
            await asyncio.sleep(_LAST_WORDS_SECONDS)
        wished = Said(Stopped.DONE, running.reply)
        return wished if wished.asked_to_exit else Said(Stopped.KERNEL_DIED, running.reply)

    async def _interrupt(self, running: Asked) -> None:
        if self.kernel.spec.interrupted_by_message:
            self._line.ask(CONTROL, "interrupt_request", {})
        else:
            self.kernel.interrupt()
        if not running.done:
            await self._until_ended(self._waits.wind_up)

    def _hear(self, channel: str, message: dict[str, Any]) -> None:
        try:
            self._take_in(channel, message)
        except Exception as error:  # noqa: BLE001 - the event loop would only print it; it is raised where a cell waits
            self._fault = error
            self._stop_waiting(Stopped.KERNEL_HUNG)

    def _take_in(self, channel: str, message: dict[str, Any]) -> None:
        if self._deaf:
            return
        parent = message["parent_header"].get("msg_id")
        if parent in self._info_asked:
            self._hear_of_start(channel, message, parent)
            return
        asked = self._asked.get(parent)
        if asked is None:
            return
        self._heard_at = time.monotonic()
        if channel == SHELL:
            self._hear_reply(asked, message)
            return
        # What an earlier cell left running in the background still speaks for that cell.
        try:
            self.take(message, asked.cell, asked.index)
        except CellExecutionComplete:
            asked.idle = True
            self._half_done(asked)

    def _hear_of_start(self, channel: str, message: Mapping[str, Any], parent: str) -> None:
        if channel == SHELL and message["msg_type"] == "kernel_info_reply":
            self._info = message["content"]
        if channel == IOPUB and _is_idle(message):
            self._echoed = parent
        if self._info is not None and self._echoed is not None:
            self._stop_waiting(Stopped.DONE)

    def _hear_reply(self, asked: Asked, message: Mapping[str, Any]) -> None:
        if asked.reply or message["msg_type"] != "execute_reply":
            return
        asked.reply = message["content"]
        asked.cell.metadata["execution"]["shell.execute_reply"] = timestamp(message)
        self._half_done(asked)

    def _half_done(self, asked: Asked) -> None:
        """A cell is done when the kernel has replied, and has said among the output that there is no more."""
        if asked is not self._running:
            return
        if asked.done:
            self._note_error(asked)
            self._stop_waiting(Stopped.DONE)
        elif asked.patience is None:
            asked.patience = self._loop.call_later(SILENT_END_SECONDS, self._lose_patience, asked)

    def _lose_patience(self, asked: Asked) -> None:
        """One half has come and the other does not: output may be late, but not silent for ever."""
        left = self._heard_at + SILENT_END_SECONDS - time.monotonic()
        if left > 0:
            asked.patience = self._loop.call_later(left, self._lose_patience, asked)
            return
        self._note_error(asked)
        self._stop_waiting(Stopped.DONE if asked.reply else Stopped.KERNEL_HUNG)

    def _note_error(self, asked: Asked) -> None:
        """Puts an exception that the kernel only replied with among the cell's outputs."""
        cell, reply = asked.cell, asked.reply
        if reply.get("status") != "error" or any(output.output_type == "error" for output in cell.outputs):
            return
        content = self.kept_error(asked.index, reply)
        told = {"ename": str(content.get("ename", "")), "evalue": str(content.get("evalue", ""))}
        trace = list(map(str, content.get("traceback") or ()))
        self.add(cell, asked.index, output_of("error", **told, traceback=trace))

    def _watch_heartbeat(self) -> None:
        """Notices a kernel whose process is there but does nothing any more: stopped, swapped out, stuck in the system.

        A kernel that never answered at all has no heartbeat, and is not judged by it.
        """
        now = time.monotonic()
        if self._line.beat():
            self._beat_at = now
        if self._beat_at is not None and now - self._beat_at >= SILENCE_SECONDS:
            self._stop(Stopped.KERNEL_HUNG)
            return
        self._timer = self._loop.call_later(HEARTBEAT_SECONDS, self._watch_heartbeat)

    def _stop(self, why: Stopped) -> None:
        """Something has ended the run, not only the wait for one cell; the first cause counts, but for death."""
        if self._why_ended is None or why is Stopped.KERNEL_DIED:
            self._why_ended = why
        self._stop_waiting(why)

    def _stop_waiting(self, why: Stopped) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result(why)

    async def end(self) -> None:
        """Asks the kernel to end and waits for it to do so, unless it has shown that it does not listen."""
        if self._timer is not None:
            self._timer.cancel()
        self._deaf = True  # the notebook is being rendered: what is printed from here on is nobody's cell any more
        try:
            # A cell on a cluster may go on for as long as it likes: that keeps no such kernel from listening.
            free = self.kernel.spec.is_remote or self._running is None or self._running.done
            if self._info is not None and free and self._why_ended not in (Stopped.KERNEL_DIED, Stopped.KERNEL_HUNG):
                await self._ask_to_end(self._waits.hurried if self.told_to_stop else self._waits.shutdown)
        finally:
            self._line.close()

    async def _ask_to_end(self, seconds: float) -> None:
        # On the control channel two of ipykernel's threads end at once, and now and then wait for each other.
        channel = SHELL if self._is_ipython else CONTROL
        told = {SECONDS_LEFT: seconds} if self.kernel.spec.is_remote else {}
        self._line.ask(channel, "shutdown_request", {"restart": False, **told})
        was_told = self.told_to_stop
        await self._until_ended(seconds)
        if self.told_to_stop and not was_told:
            self.kernel.terminate()
            await self._until_ended(self._waits.hurried)

    async def _until_ended(self, seconds: float) -> None:
        """Waits for whatever ends a wait, for so long at most."""
        end = self._end = self._loop.create_future()
        if self._why_ended is Stopped.KERNEL_DIED:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await end


def _is_idle(message: Mapping[str, Any]) -> bool:
    return bool(message["msg_type"] == "status" and message["content"]["execution_state"] == "idle")


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[Stopped], None], why: Stopped) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(call, why)
