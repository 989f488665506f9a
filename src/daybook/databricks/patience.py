"""Asking again while what failed may pass by itself: a fault of the line or the server ends no wait at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from daybook.databricks.interruption import Interruption
from daybook.databricks.polling import next_wait
from daybook.databricks.refusals import FOREIGN, passing
from daybook.databricks.settings import Limits

AGAIN_SECONDS = 1.0
"""Counts as the age of what has just failed: the wait begins with that share of it, and grows."""
Answer = TypeVar("Answer")


class Patience:
    """How long a workspace that fails to answer is asked again: within `Limits.unreachable`."""

    def __init__(self, limits: Limits, interruption: Interruption) -> None:
        self._limits = limits
        self._interruption = interruption

    def answer(
        self,
        ask: Callable[[], Answer],
        *,
        may_repeat: Callable[[Exception], bool] = lambda _: True,
    ) -> Answer:
        """Asks until there is an answer.

        Args:
            ask: a call of the SDK.
            may_repeat: told each error of it; says whether it may be asked again, or raises what is to end the wait.

        Raises:
            Exception: one of `FOREIGN`, which the last question met: it does not pass, or has not.
            Interrupted: somebody asked meanwhile.
        """
        began = time.monotonic()
        while True:
            try:
                return ask()
            except FOREIGN as error:
                age = time.monotonic() - began
                if not may_repeat(error) or not passing(error) or age > self._limits.unreachable:
                    raise
            self._interruption.wait(next_wait(age + AGAIN_SECONDS, self._limits.longest_poll))
