"""The line to a kernel: its sockets, read as soon as something comes, message by message.

jupyter_client's own asynchronous channels wake up several times for every message; a notebook of many small cells then
spends most of its time between them. What the messages look like, and their signatures, stay jupyter_client's to know.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import zmq
from jupyter_client.session import Session

SHELL, IOPUB, CONTROL, HEARTBEAT = "shell", "iopub", "control", "hb"
_BATCH = 200
"""After so many messages in a row timers get their turn, so that a flood of output delays no flush and no limit."""

WAITING_MESSAGES = 20_000
"""So many messages may wait to be taken in; beyond that they wait in the kernel, which may throw some away."""
NOTHING_IS_DROPPED = """exec('import zmq\\n'
'thread = get_ipython().kernel.iopub_thread\\n'
'if thread is not None and thread.socket.type == zmq.XPUB:\\n'
'    thread.schedule(lambda: thread.socket.setsockopt(zmq.XPUB_NODROP, 1))\\n', {'get_ipython': get_ipython})"""
"""What makes ipykernel wait where it would throw output away, when a cell prints faster than anybody reads."""

Message = dict[str, Any]


def _unpacked(content: bytes) -> Any:
    """A part of a message; a number of more digits than Python reads at once (4,300) is kept as text, not lost."""
    text = content.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(text, parse_int=_number)


def _number(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        return digits


class KernelLine:
    """Open sockets to one kernel; messages are handed on from the event loop's thread, in the order they came."""

    def __init__(self, connection: Mapping[str, Any], heard: Callable[[str, Message], None]) -> None:
        """Connects; nothing is waited for.

        Args:
            connection: as in a kernel's connection file.
            heard: takes the channel, shell or iopub, and the message.
        """
        self.session = Session(key=str(connection["key"]).encode(), signature_scheme=connection["signature_scheme"])
        self.session.unpack = _unpacked
        self._heard = heard
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._context = zmq.Context()
        self._sockets = {
            SHELL: self._connected(SHELL, zmq.DEALER),
            CONTROL: self._connected(CONTROL, zmq.DEALER),
            IOPUB: self._connected(IOPUB, zmq.SUB),
            HEARTBEAT: self._connected(HEARTBEAT, zmq.REQ),
        }
        for channel in (SHELL, IOPUB):
            self._loop.add_reader(self._sockets[channel].FD, self._drain, channel)

    def _connected(self, channel: str, kind: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.linger = 1000 if kind == zmq.DEALER else 0
        if kind == zmq.DEALER:
            socket.identity = self.session.bsession
        if kind == zmq.SUB:
            socket.rcvhwm = WAITING_MESSAGES
            socket.subscribe(b"")
        if kind == zmq.REQ:
            # A question may be asked anew while the last one is open; late answers to that are passed over.
            socket.setsockopt(zmq.REQ_RELAXED, 1)
            socket.setsockopt(zmq.REQ_CORRELATE, 1)
        between = "-" if self._connection["transport"] == "ipc" else ":"
        place = f"{self._connection['ip']}{between}{self._connection[f'{channel}_port']}"
        socket.connect(f"{self._connection['transport']}://{place}")
        return socket

    def ask(self, channel: str, kind: str, content: Mapping[str, Any]) -> str:
        """Sends a message; gives its id, by which answers name it as their parent."""
        message = self.session.msg(kind, dict(content))
        self.send(message, channel)
        return str(message["header"]["msg_id"])

    def send(self, message: Message, channel: str = SHELL) -> None:
        """Sends a message that is made already."""
        self.session.send(self._sockets[channel], message)
        # Sending may swallow the notice that something has come.
        if channel == SHELL:
            self._loop.call_soon(self._drain, SHELL)

    def beat(self) -> bool:
        """Asks the kernel's process for a sign of life; tells whether it has answered since it was asked last."""
        socket = self._sockets[HEARTBEAT]
        answered = False
        with suppress(zmq.ZMQError):  # nothing has come, or nothing was asked yet
            socket.recv(zmq.NOBLOCK)
            answered = True
        with suppress(zmq.Again):  # nobody is there to take it, so nobody will answer
            socket.send(b"ping", zmq.NOBLOCK)
        return answered

    def close(self) -> None:
        """Closes the sockets; what was sent last is still delivered."""
        for channel in (SHELL, IOPUB):
            self._loop.remove_reader(self._sockets[channel].FD)
        for socket in self._sockets.values():
            socket.close()
        self._context.term()

    def _drain(self, channel: str) -> None:
        """Hands on everything that has come; a socket gives notice only of the first message of several."""
        socket = self._sockets[channel]
        if socket.closed:
            return
        for _ in range(_BATCH):
            try:
                parts = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            message = self._read(parts)
            if message is not None:
                self._heard(channel, message)
            if socket.closed:
                return
        self._loop.call_soon(self._drain, channel)

    def _read(self, parts: list[bytes]) -> Message | None:
        """The message; None for what is none of our kernel's, since it is not signed with the key of this run."""
        try:
            _, parts = self.session.feed_identities(parts)
            return dict(self.session.deserialize(parts))
        except (ValueError, TypeError):
            return None
