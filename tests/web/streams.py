"""Server-sent events of the real app, as they come: httpx' own transport for ASGI apps gives an answer only whole."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Stream:
    """One answer under way.

    Attributes:
        status: its status.
        headers: its headers.
    """

    def __init__(self, status, headers, chunks):
        self.status, self.headers = status, headers
        self._chunks = chunks
        self._text = ""

    async def message(self):
        """The next message, as a mapping of fields; None at the end. A comment is the field with no name."""
        while "\n\n" not in self._text:
            chunk = await self._chunks.get()
            if chunk is None:
                return None
            self._text += chunk.decode()
        told, _, self._text = self._text.partition("\n\n")
        return dict(line.split(": ", 1) for line in told.split("\n"))

    async def state(self):
        """The next event `state`."""
        while (message := await self.message()) is not None:
            if message.get("event") == "state":
                return json.loads(message["data"])
        raise AssertionError("the answer has ended")

    async def until(self, wanted):
        """The next state that something is true of."""
        while not wanted(state := await self.state()):
            pass
        return state


@asynccontextmanager
async def listening(app, path: str, user: str = "bob") -> AsyncIterator[Stream]:
    """Asks the app for a stream, and hangs up at the end."""
    gone, began, chunks = asyncio.Event(), asyncio.get_running_loop().create_future(), asyncio.Queue()
    asked = False

    async def receive():
        nonlocal asked
        if asked:
            await gone.wait()
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            began.set_result((message["status"], {k.decode(): v.decode() for k, v in message["headers"]}))
        else:
            if message.get("body"):
                await chunks.put(message["body"])
            if not message.get("more_body"):
                await chunks.put(None)

    headers = [(b"host", b"daybook.test"), (b"authorization", f"Bearer {user}".encode())]
    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET"}
    scope |= {"path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers, "scheme": "http"}
    scope |= {"server": ("daybook.test", 80), "client": ("test", 1), "root_path": ""}
    task = asyncio.create_task(app(scope, receive, send))
    try:
        status, found = await began
        yield Stream(status, found, chunks)
    finally:
        gone.set()
        with suppress(asyncio.CancelledError):
            await task
