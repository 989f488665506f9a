"""Readiness probes that execute a command, in the container's own environment; other kinds are not heeded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from daybook.localpods.launching import led
from daybook.localpods.record import Launch

Json = dict[str, Any]

_PERIOD_SECONDS: Final = 10
_TIMEOUT_SECONDS: Final = 1
_FAILURES: Final = 3
"""Kubernetes' own defaults."""


@dataclass(frozen=True)
class Probe:
    """A readiness probe.

    Attributes:
        command: what is executed; exit code 0 is ready.
        delay: seconds before the first look.
        period: seconds between two looks.
        timeout: seconds that one look may take.
        failures: so many in a row make a ready container unready.
        successes: so many in a row make it ready.
    """

    command: tuple[str, ...]
    delay: float
    period: float
    timeout: float
    failures: int
    successes: int

    @classmethod
    def of(cls, container: Json) -> Probe | None:
        """A container's; None where it has none that executes a command."""
        given = container.get("readinessProbe") or {}
        command = (given.get("exec") or {}).get("command")
        if not command:
            return None
        return cls(
            tuple(command),
            delay=float(given.get("initialDelaySeconds") or 0),
            period=float(given.get("periodSeconds") or _PERIOD_SECONDS),
            timeout=float(given.get("timeoutSeconds") or _TIMEOUT_SECONDS),
            failures=int(given.get("failureThreshold") or _FAILURES),
            successes=int(given.get("successThreshold") or 1),
        )

    def led(self, lead: Callable[[str], str]) -> Probe:
        """The probe, each word of whose command was led to where its path is here."""
        return replace(self, command=tuple(map(lead, self.command)))

    async def watch(self, launch: Callable[[], Launch | None], tell: Callable[[bool], None]) -> None:
        """Looks again and again, and tells each change; returns only when it is cancelled.

        Args:
            launch: what the container was started with; None while that cannot be told.
            tell: hears whether the container is ready now. It begins as not ready.
        """
        ready, row = False, 0
        await asyncio.sleep(self.delay)
        while True:
            known = launch()
            good = known is not None and await self._look(known)
            row = row + 1 if good is not ready else 0
            if row >= (self.failures if ready else self.successes):
                ready, row = good, 0
                tell(ready)
            await asyncio.sleep(self.period)

    async def _look(self, launch: Launch) -> bool:
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                env=launch.env,
                cwd=launch.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            return False
        try:
            return await asyncio.wait_for(process.wait(), self.timeout) == 0
        except TimeoutError:
            return False
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


class Readiness:
    """Which containers of a pod are not ready, although they run.

    Args:
        containers: the pod's.
        tell: hears of a container by its name that it is ready now, or not any more.

    Attributes:
        unready: the names of those whose probe has not succeeded yet, or does not any more.
    """

    def __init__(self, containers: Sequence[Json], tell: Callable[[str, bool], None]) -> None:
        self.unready = {one["name"] for one in containers if Probe.of(one) is not None}
        self._tell = tell

    async def alongside(
        self,
        following: Coroutine[Any, Any, None],
        container: Json,
        home: Path,
        launch: Callable[[], Launch | None],
    ) -> None:
        """Looks, while a container is followed to its end, whether it is ready, where it says how.

        Args:
            following: follows the container.
            container: which.
            home: the pod's; mounts lie below it.
            launch: what the container was started with; None while that cannot be told.
        """
        probe = Probe.of(container)
        if probe is None:
            await following
            return
        here = probe.led(lambda path: led(path, container, home))
        probing = asyncio.create_task(here.watch(launch, lambda ready: self._set(container["name"], ready)))
        try:
            await following
        finally:
            probing.cancel()

    def _set(self, name: str, ready: bool) -> None:
        if ready:
            self.unready.discard(name)
        else:
            self.unready.add(name)
        self._tell(name, ready)
