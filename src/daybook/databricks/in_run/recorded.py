"""What a notebook recorded on the cluster, on its way into the runner's file."""

from __future__ import annotations

import json
from pathlib import Path

_KINDS = frozenset({"result", "spark"})
"""What a notebook may tell; what is told of the cluster is the kernel's own to say."""


class Recorded:
    """Keeps each line once and at once, whichever context tells it: what has come is not lost with what has not.

    Attributes:
        count: bytes that have come; the next context goes on from there.
    """

    def __init__(self, file: Path) -> None:
        """Nothing has come yet.

        Args:
            file: the runner's.
        """
        self.count = 0
        self._file = file
        self._begun = b""

    def take(self, part: bytes) -> None:
        """Takes the next bytes; a line that only begins in them waits for its end."""
        self.count += len(part)
        *lines, self._begun = (self._begun + part).split(b"\n")
        self._keep(lines)

    def end(self) -> None:
        """There are no more: the last line may have no end."""
        last, self._begun = self._begun, b""
        self._keep([last])

    def _keep(self, lines: list[bytes]) -> None:
        with self._file.open("ab") as events:
            events.write(b"".join(event for each in lines if (event := _event(each))))


def _event(line: bytes) -> bytes | None:
    """A line of the notebook's own, written anew; None for what is none."""
    try:
        event = json.loads(line)
        if isinstance(event, dict) and event.get("kind") in _KINDS:
            return json.dumps(event).encode() + b"\n"
    except (ValueError, RecursionError, TypeError):
        pass  # the last line was cut, or somebody else wrote into the file
    return None
