"""The Python process of the notebook's context: prepared once, and asked now and then whether it is still the same.

The context's id outlives it: `dbutils.library.restartPython()`, a crash or the driver's lack of memory put another one
in its place, with none of the notebook's variables. No answer of Databricks tells of that.
"""

from __future__ import annotations

import time

from daybook.databricks.model import Remote
from daybook.databricks.remote_code import Kept, ask_code, new_token, read_answer, start_code

ASK_SECONDS = 10.0
"""For a short question; a driver that is too busy to answer it need not."""
PROVEN_SECONDS = 30.0
"""So long it counts as still the same: a question before every cell would double what a short cell takes."""


class PythonProcess:
    """What is known of it.

    Attributes:
        is_prepared: as far as is known.
        may_end: a cell has asked for another one.
    """

    def __init__(self) -> None:
        """None is known yet."""
        self.is_prepared = False
        self.may_end = False
        self._token = ""
        self._proven = 0.0

    def prepare(self, remote: Remote, seconds: float) -> None:
        """Prepares the one that there is: `input()` fails at once, and what cells print is kept.

        Raises:
            RemoteFailed: it cannot be prepared.
        """
        self._token = new_token()
        remote.run_python(start_code(self._token), limit_seconds=seconds)
        self.is_prepared = True
        self._is_the_same()

    def is_in_doubt(self) -> bool:
        """Whether it should be asked for before a cell is handed over."""
        return self.may_end or time.monotonic() - self._proven > PROVEN_SECONDS

    def ask(self, remote: Remote, seconds: float | None = None) -> Kept | None:
        """What it keeps of the cell before; where it is another process, it counts as not prepared from here on.

        Args:
            remote: its context.
            seconds: it may take; None for a short question in passing.

        Returns:
            None where it does not say.

        Raises:
            RemoteFailed: it cannot be asked.
        """
        kept = read_answer(remote.run_python(ask_code(), limit_seconds=seconds or ASK_SECONDS))
        if kept is not None and kept.token == self._token:
            self._is_the_same()
        elif kept is not None:
            self.is_prepared = False
        return kept

    def is_gone(self) -> None:
        """Its context is."""
        self.is_prepared = False

    def _is_the_same(self) -> None:
        self.may_end, self._proven = False, time.monotonic()
