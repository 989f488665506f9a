"""Whether what Daybook needs is there: looked at within a time limit, and not anew for everybody who asks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from daybook.contract import keys
from daybook.contract.errors import DaybookError
from daybook.web.world import World
from daybook.workspaces import Workspace

LIMIT_SECONDS = 2.0
"""How long the buckets may take to answer, all together; probes give up soon after."""
FRESH_SECONDS = 5.0
"""For so long the last look counts."""
LOOKS_AT_ONCE = 4

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """What a look has found.

    Attributes:
        workspaces: whether they can be read.
        catalogue: whether it can be read.
        total: how many buckets there are.
        unreachable: the workspaces whose buckets did not answer in time.
    """

    workspaces: bool
    catalogue: bool
    total: int = 0
    unreachable: tuple[str, ...] = ()

    @property
    def has_buckets(self) -> bool:
        """Whether any bucket answers: one team's bucket that does not is no reason to send everybody away."""
        return self.total == 0 or len(self.unreachable) < self.total


class Readiness:
    """Looks at what Daybook needs.

    Args:
        world: which is looked at.
        clock: seconds, never set back.
    """

    def __init__(self, world: World, clock: Callable[[], float] = time.monotonic) -> None:
        self._world = world
        self._clock = clock
        self._threads = ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="readiness")
        self._alone = threading.Lock()
        self._last: tuple[Found, float] | None = None
        self._underway: dict[str, Future[None]] = {}

    def look(self) -> Found:
        """What is there now, or was some seconds ago; may block as long as the limit."""
        with self._alone:
            if self._last is None or self._clock() - self._last[1] > FRESH_SECONDS:
                self._last = (self._found(), self._clock())
            return self._last[0]

    def _found(self) -> Found:
        has_catalogue = _works(lambda: self._world.catalogue())
        try:
            workspaces = list(self._world.workspaces())
        except (DaybookError, OSError) as error:
            _LOG.warning("not ready: %s", error)
            return Found(workspaces=False, catalogue=has_catalogue)
        looks = {each.name: self._begin(each) for each in workspaces}
        wait(looks.values(), LIMIT_SECONDS)
        failed = tuple(name for name, look in looks.items() if not look.done() or look.exception() is not None)
        return Found(workspaces=True, catalogue=has_catalogue, total=len(looks), unreachable=failed)

    def _begin(self, workspace: Workspace) -> Future[None]:
        """Begins a look at a bucket; one that has not come back yet is waited for, and no second one sent after it."""
        found = self._underway.get(workspace.name)
        if found is None or found.done():
            found = self._underway[workspace.name] = self._threads.submit(self._reach, workspace)
        return found

    def _reach(self, workspace: Workspace) -> None:
        # Says whether the bucket answers and lets us list, and reads no more than the names of years.
        self._world.bucket(workspace).children(keys.RUNS)


def _works(look: Callable[[], object]) -> bool:
    try:
        look()
    except (DaybookError, OSError) as error:
        _LOG.warning("not ready: %s", error)
        return False
    return True
