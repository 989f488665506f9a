"""The objects this API serves, and who wants to know when they change.

Objects are plain JSON and never changed in place: a change is a new object, so a watcher may keep the old one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from daybook.localpods.api.errors import expired
from daybook.localpods.limits import WATCH_BACKLOG, WATCH_HISTORY
from daybook.localpods.versions import Versions

Json = dict[str, Any]
ChangeKind = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True)
class Change:
    """One change of one object.

    Attributes:
        kind: what happened.
        version: the resourceVersion of this change.
        new: the object afterwards; of a deleted one as it last was, with this version.
        old: the object before; None of an added one.
    """

    kind: ChangeKind
    version: int
    new: Json
    old: Json | None


class Subscription:
    """The changes of one collection as they come. An iteration ends when the subscriber is too slow."""

    def __init__(self, backlog: list[Change]) -> None:
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue()
        for change in backlog:
            self._queue.put_nowait(change)

    def offer(self, change: Change) -> None:
        """Called by the collection."""
        if self._queue.qsize() < WATCH_BACKLOG:
            self._queue.put_nowait(change)
        elif self._queue.qsize() == WATCH_BACKLOG:
            self._queue.put_nowait(None)

    async def next(self) -> Change | None:
        """The next change; None when some had to be dropped and the subscriber must list again."""
        return await self._queue.get()


class Collection:
    """All objects of one kind, by namespace and name.

    Args:
        versions: shared by all collections, as in Kubernetes.
        keep: called with each object that is new or has changed, to save it; not with what is loaded.
        forget: called with each object that is removed.
    """

    def __init__(
        self, versions: Versions, keep: Callable[[Json], None] | None, forget: Callable[[Json], None] | None
    ) -> None:
        self._versions = versions
        self._keep = keep or (lambda _: None)
        self._forget = forget or (lambda _: None)
        self._objects: dict[tuple[str, str], Json] = {}
        self._history: deque[Change] = deque(maxlen=WATCH_HISTORY)
        self._complete_since = versions.current
        self._subscriptions: set[Subscription] = set()

    @property
    def version(self) -> int:
        """The version a list of this collection has now."""
        return self._versions.current

    def __iter__(self) -> Iterator[Json]:
        return iter(list(self._objects.values()))

    def get(self, namespace: str, name: str) -> Json | None:
        """The object, or None."""
        return self._objects.get((namespace, name))

    def load(self, one: Json) -> None:
        """Takes in an object that an earlier process saved; no change for anybody."""
        self._objects[_key(one)] = one

    def put(self, one: Json) -> Json:
        """Adds or replaces an object; returns it with its new resourceVersion."""
        version = self._versions.next()
        new = {**one, "metadata": {**one["metadata"], "resourceVersion": str(version)}}
        old = self._objects.get(_key(one))
        self._keep(new)
        self._objects[_key(one)] = new
        self._publish(Change("MODIFIED" if old else "ADDED", version, new, old))
        return new

    def remove(self, namespace: str, name: str) -> None:
        """Removes an object; nothing happens when it is gone already."""
        old = self._objects.pop((namespace, name), None)
        if old is None:
            return
        self._forget(old)
        version = self._versions.next()
        new = {**old, "metadata": {**old["metadata"], "resourceVersion": str(version)}}
        self._publish(Change("DELETED", version, new, old))

    def subscribe(self, after: int | None) -> Subscription:
        """Changes after a version, or from now on. Give it back to `unsubscribe`.

        Raises:
            ApiError: 410, the changes since then are no longer known.
        """
        backlog: list[Change] = []
        if after is not None:
            if after < self._complete_since:
                raise expired(after)
            backlog = [change for change in self._history if change.version > after]
        subscription = Subscription(backlog)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ends a subscription; twice is fine."""
        self._subscriptions.discard(subscription)

    def _publish(self, change: Change) -> None:
        if len(self._history) == self._history.maxlen:
            self._complete_since = self._history[0].version
        self._history.append(change)
        for subscription in self._subscriptions:
            subscription.offer(change)


def _key(one: Json) -> tuple[str, str]:
    return one["metadata"]["namespace"], one["metadata"]["name"]
