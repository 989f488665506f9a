"""Pinning a run, in the name of whoever is at the keyboard."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime

from daybook.cli.finding import Found, find_run
from daybook.cli.settings import Settings
from daybook.contract.errors import Fault, InvalidRequest
from daybook.storage import Pin, pin_run, unpin_run


def pinned_by_me(settings: Settings, text: str, why: str | None) -> tuple[str, Pin]:
    """Pins the run that a text means; gives its id and the pin.

    Raises:
        InvalidRequest: there is no such run, or it is being removed.
        StoreFailed: a workspace's bucket does not answer.
    """
    found = _found(settings, text)
    pin = Pin(by=_me(), at=datetime.now(UTC).isoformat(timespec="seconds"), why=why)
    pin_run(found.record, pin)
    return found.manifest.run_id, pin


def unpinned(settings: Settings, text: str) -> str:
    """Takes away the pin of the run that a text means; gives its id.

    Raises:
        InvalidRequest: there is no such run.
        StoreFailed: a workspace's bucket does not answer.
    """
    found = _found(settings, text)
    unpin_run(found.record)
    return found.manifest.run_id


def _found(settings: Settings, text: str) -> Found:
    found = find_run(settings, text)
    if found is None:
        raise InvalidRequest("which run?", [Fault("RUN", f"no run fits {text!r}; `daybook runs` lists them")])
    return found


def _me() -> str | None:
    """The user's name on this machine; nobody vouches for it, and nothing depends on it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None
