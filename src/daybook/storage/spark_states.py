"""What a workspace's Spark servers say of themselves: one small object each, which the server itself writes.

And what a server is told: that a run is on its way to it, which holds nothing there before its pod has started.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from pydantic import ValidationError

from daybook.contract import keys
from daybook.contract.spark_state import FORGOTTEN_SECONDS, SparkServerState
from daybook.storage.mapping import ObjectMissing, ObjectTooLarge
from daybook.storage.store import Store

MOST = 50
"""So many of a workspace's servers are told; there are as many as sizes and settings that runs ask for at once."""
_MAX_BYTES = 64 * 1024


def tell_spark_state(store: Store, state: SparkServerState) -> None:
    """Writes what a server says now.

    Raises:
        StoreFailed: the bucket does not take it.
    """
    store.write(keys.spark_state_key(state.name), state.model_dump_json().encode(), "application/json")


def forget_spark_state(store: Store, name: str) -> None:
    """Takes away what a server said; one that said nothing is fine.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    with suppress(ObjectMissing):
        store.delete(keys.spark_state_key(name))


def spark_states(store: Store, now: datetime | None = None) -> tuple[SparkServerState, ...]:
    """The servers of a workspace, the newest first; what cannot be read, or is a day old, is left out.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    moment = now or datetime.now(UTC)
    found = []
    for each in store.objects(f"{keys.SPARK_STATES}/"):
        with suppress(ObjectMissing, ObjectTooLarge, ValidationError):
            state = SparkServerState.model_validate_json(store.read(each.key, _MAX_BYTES))
            if (moment - state.told_at).total_seconds() < FORGOTTEN_SECONDS:
                found.append(state.seen(moment))
        if len(found) == MOST:
            break
    return tuple(sorted(found, key=lambda each: each.started_at, reverse=True))


def send_to_spark(store: Store, name: str) -> None:
    """Notes that a run is on its way to a server.

    Raises:
        StoreFailed: the bucket does not take it.
    """
    store.write(keys.spark_sent_key(name), b"")


def sent_to_spark(store: Store, name: str) -> datetime | None:
    """When a run was last sent to a server, by the bucket's clock; None where none was for long.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    with suppress(ObjectMissing):
        return store.info(keys.spark_sent_key(name)).modified
    return None


def forget_old_spark_states(store: Store, now: datetime) -> None:
    """Takes away what is a day old: of servers that were killed, since others take theirs away themselves.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    for each in [*store.objects(f"{keys.SPARK_STATES}/"), *store.objects(f"{keys.SPARK_SENT}/")]:
        if (now - each.modified).total_seconds() >= FORGOTTEN_SECONDS:
            with suppress(ObjectMissing):
                store.delete(each.key)
