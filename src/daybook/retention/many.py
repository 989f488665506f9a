"""Doing one thing to many runs or pods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from daybook.contract.errors import InfrastructureFailed
from daybook.retention.report import Report

AT_ONCE = 16
"""How many are read, sealed or removed at a time."""

FAILURES = 5
"""After so many the rest is left to the next sweep: a bucket that is away fails every run, each after its retries."""

T = TypeVar("T")
R = TypeVar("R")


def each_of(items: Sequence[T], do: Callable[[T], R], report: Report) -> list[R]:
    """Does it to each, several at a time; a failure is told and leaves the others alone.

    Raises:
        InfrastructureFailed: more than a few have failed; the rest was not begun.
    """
    done: list[R] = []
    failed = len(report.failures)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="sweep") as pool:
        for start in range(0, len(items), AT_ONCE):
            for future in [pool.submit(do, item) for item in items[start : start + AT_ONCE]]:
                try:
                    done.append(future.result())
                except InfrastructureFailed as error:
                    report.fail(str(error))
            if len(report.failures) - failed >= FAILURES:
                raise InfrastructureFailed("too much has failed; the next sweep tries again")
    return done
