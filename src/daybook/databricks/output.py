"""Where what a cell shows goes."""

from __future__ import annotations

from typing import Protocol

from daybook.databricks.results import Message, stream

LEFT_OUT = "Of what the cell printed, {} characters are left out here: the driver keeps the end of it.\n"


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

    def hear_end(self, end: str, left_out: int) -> None:
        """Shows the end of what was printed, as far as it was not shown.

        Args:
            end: the last of it.
            left_out: how many characters came before that.
        """
        shown = len(self.text)
        if left_out > shown:
            self._output.show(stream(LEFT_OUT.format(left_out - shown), "stderr"))
        elif end.startswith(self.text[left_out:]):
            end = end[shown - left_out :]
        if end:
            self._output.show(stream(end))
