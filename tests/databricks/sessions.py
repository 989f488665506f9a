"""Sessions on the stand-in, in this process: what a cell showed, and how it ended."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from daybook.databricks.connection import connect
from daybook.databricks.in_run.companion import Companion
from daybook.databricks.interruption import Interruption
from daybook.databricks.results import Message
from daybook.databricks.session import Session
from daybook.databricks.settings import Limits, Settings, SyncSettings

CLUSTER = "0123-456789-abcdefgh"
END_SECONDS = 240.0
NO_FILES = SyncSettings(enabled=False)


@dataclass
class Shown:
    """An output that keeps what it is given."""

    messages: list[Message] = field(default_factory=list)
    waited_for: list[str] = field(default_factory=list)
    seen: threading.Event = field(default_factory=threading.Event)

    def show(self, message: Message) -> None:
        self.messages.append(message)
        self.seen.set()

    def progress(self, text: str) -> None:
        self.waited_for.append(text)

    def printed(self, name: str = "stdout") -> str:
        streams = (each.content for each in self.messages if each.kind == "stream")
        return "".join(each["text"] for each in streams if each["name"] == name)

    def looked_at(self) -> list[dict[str, Any]]:
        return [each.content["data"] for each in self.messages if each.kind == "display_data"]


class Sessions:
    """Makes sessions on one stand-in, and ends them all."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._open: list[Session] = []

    def new(
        self,
        make_synchroniser: Any = None,
        cluster: str = CLUSTER,
        companion: Companion | None = None,
        **limits: float | None,
    ) -> Running:
        settings = Settings(cluster_id=cluster, host=self._host, limits=Limits(**limits), sync=NO_FILES)
        interruption = Interruption()
        session = Session(settings, connect(settings, interruption), interruption, make_synchroniser, companion)
        self._open.append(session)
        return Running(session, interruption)

    def close(self) -> None:
        for session in self._open:
            session.close(END_SECONDS)


class Running:
    """A session whose cells are run as the kernel runs them."""

    def __init__(self, session: Session, interruption: Interruption) -> None:
        self.session, self.interruption = session, interruption

    def run(self, source: str, *, batch: bool = True, shown: Shown | None = None) -> Shown:
        shown = shown or Shown()
        with self.interruption.cell():
            self.session.run_cell(source, shown, batch=batch)
        return shown

    def end(self) -> None:
        """Ends it, however busy the machine is."""
        self.session.close(END_SECONDS)

    def begin(self, source: str) -> tuple[threading.Thread, Shown, list[BaseException]]:
        """Runs a cell in another thread; its error, if any, comes into the list."""
        shown, errors = Shown(), []

        def run() -> None:
            try:
                self.run(source, shown=shown)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread, shown, errors
