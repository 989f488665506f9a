"""How soon a command is asked for again: at once while it is young, ever more rarely as it grows old."""

from __future__ import annotations

SOONEST_SECONDS = 0.01
"""The first wait; the answer itself takes a round trip, so that this is seldom felt."""
SHARE = 0.025
"""Of the command's age that is waited: what asking adds stays below this share of what the command takes.

Five seconds take some 80 questions, a minute twice as many. How often Databricks lets itself be asked for commands is
not documented; where it says that it is too often, the SDK waits as long as it is told to.
"""


def next_wait(age_seconds: float, longest_seconds: float) -> float:
    """Seconds until the next question about something that was begun `age_seconds` ago."""
    return min(longest_seconds, max(SOONEST_SECONDS, SHARE * age_seconds))
