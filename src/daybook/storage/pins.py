"""Pins: a small object beside the manifest by which retention leaves a run alone."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from daybook.contract import keys
from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.request import Frozen
from daybook.storage.mapping import ObjectMissing, ObjectTooLarge

if TYPE_CHECKING:
    from daybook.storage.records import RunRecord

_MAX_BYTES = 64 * 1024


class Pin(Frozen):
    """Who wants a run to stay, since when, and why."""

    by: str | None = None
    at: str | None = Field(default=None, description="ISO 8601, UTC")
    why: str | None = None


def pin_of(record: RunRecord) -> Pin | None:
    """The pin of a run; None where it has none. One that cannot be read pins as well.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    try:
        return Pin.model_validate_json(record.store.read(keys.PIN, _MAX_BYTES))
    except ObjectMissing:
        return None
    except (ValidationError, ObjectTooLarge):
        return Pin()


def pin_run(record: RunRecord, pin: Pin) -> None:
    """Pins a run; a pin that is there already is replaced.

    Raises:
        InvalidRequest: there is no such run any more; it may have been removed this very moment.
        StoreFailed: the bucket does not answer.
    """
    record.store.write(keys.PIN, pin.model_dump_json(indent=2).encode(), "application/json")
    # Looked at only now: a sweep looks for the pin after it has taken the manifest away, so one of us sees the other.
    if record.read() is None:
        unpin_run(record)
        raise InvalidRequest("cannot pin", [Fault(record.store.url, "there is no such run any more")])


def unpin_run(record: RunRecord) -> None:
    """Takes a run's pin away; one that has none is fine.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    with suppress(ObjectMissing):
        record.store.delete(keys.PIN)
