"""Where what a cell shows goes."""

from __future__ import annotations

from typing import Protocol

from daybook.databricks.results import Message, stream


class Output(Protocol):
    """Where a cell's output goes."""

    def show(self, message: Message) -> None:
        """Among the cell's outputs."""
        ...

    def progress(self, text: str) -> None:
        """What is being waited for; the next one takes its place."""
        ...


class Heard:
    """Text that is shown as it grows, and only once."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.text = ""

    def hear(self, text: str) -> None:
        """Shows what is new in it."""
        if not text.startswith(self.text) or len(text) == len(self.text):
            return
        self._output.show(stream(text[len(self.text) :]))
        self.text = text
