"""One command on the cluster: handed over once, asked for until it is through, cancelled when nobody wants it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from databricks.sdk.service.compute import CommandStatus, CommandStatusResponse, Results, ResultType

from daybook.databricks.connection import may_have_arrived
from daybook.databricks.context import Context
from daybook.databricks.errors import CommandCancelled, CommandTimedOut, ContextLost, HandoverUnsure, RemoteFailed
from daybook.databricks.interruption import Interrupted
from daybook.databricks.polling import next_wait
from daybook.databricks.refusals import FOREIGN, in_our_words

_UNDER_WAY = frozenset({CommandStatus.QUEUED, CommandStatus.RUNNING, CommandStatus.CANCELLING})


@dataclass(frozen=True)
class Told:
    """What a command came to.

    Attributes:
        id: the command's.
        results: None where it told none.
        failed: whether Databricks calls it an error.
        interrupted: whether somebody interrupted it, and it was through before the word arrived.
    """

    id: str
    results: Results | None
    failed: bool
    interrupted: bool = False


class Command:
    """Runs code in a context."""

    def __init__(self, context: Context, heard: Callable[[str], None] | None = None) -> None:
        """Prepares it.

        Args:
            context: an open one.
            heard: told what the command has printed so far, where Databricks tells it early.
        """
        self._context = context
        self._api = context.api
        self._limits = context.limits
        self._interruption = context.interruption
        self._heard = heard or (lambda _: None)
        self.id = ""

    def run(self, code: str, limit_seconds: float | None) -> Told:
        """Runs it to its end.

        Raises:
            Interrupted: somebody asked; the command has been cancelled.
            CommandTimedOut: it took longer than the limit; it has been cancelled.
            CommandCancelled: somebody else cancelled it.
            ContextLost: its context is gone.
            RemoteFailed: nobody can tell what it came to.
            DatabricksFailed: it could not be handed over.
        """
        try:
            self.id = self._hand_over(code)
            return self._until_ended(limit_seconds)
        except Interrupted:
            if not self.id:
                raise
            told = self._cancelled()
            if told is not None and not told.failed:
                return replace(told, interrupted=True)
            raise
        finally:
            self._context.touched()

    def _hand_over(self, code: str) -> str:
        self._interruption.wait(0)  # who asked after the last answer of the command before meant this one
        self._context.check_idle()
        try:
            return self._context.patience.answer(partial(self._submit, code), may_repeat=self._may_submit_again)
        except FOREIGN as error:
            raise in_our_words(error, "handing the cell over", self._context.host) from error

    def _submit(self, code: str) -> str:
        with self._context.clock.once():
            return self._context.submit(code)

    def _may_submit_again(self, error: Exception) -> bool:
        if may_have_arrived(error):
            self._context.raise_if_lost(error, certainly=True)
            raise HandoverUnsure(
                "the connection to Databricks broke while the cell was handed over: it may be running there, "
                "and is not sent a second time; restart the kernel, or look at the cluster's Spark UI"
            ) from error
        return self._has_context(error)

    def _has_context(self, error: Exception) -> bool:
        self._context.raise_if_lost(error)
        return True

    def _until_ended(self, limit_seconds: float | None) -> Told:
        began = time.monotonic()
        while True:
            age = time.monotonic() - began
            if limit_seconds is not None and age > limit_seconds:
                self._cancelled()
                raise CommandTimedOut(
                    f"took longer than {limit_seconds:g} s and was cancelled; raise command_seconds, or leave it unset"
                )
            wait = next_wait(age, self._limits.longest_poll)
            self._interruption.wait(wait if limit_seconds is None else min(wait, max(0.0, limit_seconds - age)))
            told = self._status()
            if told.status not in _UNDER_WAY:
                return self._judged(told)
            self._hear(told)

    def _status(self) -> CommandStatusResponse:
        """Asks, again and again where the trouble may pass.

        Raises:
            ContextLost: its context is gone.
            RemoteFailed: Databricks cannot be asked any more.
        """
        ask = partial(self._api.command_status, self._context.cluster_id, self._context.id, self.id)
        try:
            return self._context.patience.answer(ask, may_repeat=self._has_context)
        except FOREIGN as error:
            why = in_our_words(error, "asking what became of the cell", self._context.host)
            raise RemoteFailed(f"{why}. The cell may still be running on the cluster") from error

    def _judged(self, told: CommandStatusResponse) -> Told:
        """A command at its end. What is not known to have gone well has failed."""
        results = told.results
        if told.status is CommandStatus.FINISHED:
            return Told(self.id, results, failed=results is not None and _is_error(results))
        if told.status is CommandStatus.ERROR:
            if results is None or not _is_error(results):
                self._context.raise_if_lost(None)
                raise RemoteFailed("Databricks says that the command failed, and not why; look at the driver's log")
            return Told(self.id, results, failed=True)
        if told.status is CommandStatus.CANCELLED:
            self._context.raise_if_lost(None)
            raise CommandCancelled("the command was cancelled on the cluster, not from here")
        with suppress(*FOREIGN):
            self._cancel()
        raise RemoteFailed("Databricks tells a state of the command that is not known here; the command was cancelled")

    def _hear(self, told: CommandStatusResponse) -> None:
        results = told.results
        if results is not None and results.result_type is ResultType.TEXT and isinstance(results.data, str):
            self._heard(results.data)

    def _cancelled(self) -> Told | None:
        """Cancels it and waits until it has ended; None where it does not end, or not with a result."""
        self._interruption.settle()
        deadline = time.monotonic() + self._limits.cancel
        try:
            self._cancel()
            while time.monotonic() < deadline:
                told = self._status()
                if told.status not in _UNDER_WAY:
                    failed = told.status is not CommandStatus.FINISHED or (
                        told.results is None or _is_error(told.results)
                    )
                    return Told(self.id, told.results, failed)
                self._interruption.wait(next_wait(0.5, self._limits.longest_poll))
        except ContextLost:
            raise
        except (*FOREIGN, RemoteFailed, Interrupted):
            return None
        return None

    def _cancel(self) -> None:
        self._api.cancel(cluster_id=self._context.cluster_id, context_id=self._context.id, command_id=self.id)


def _is_error(results: Results) -> bool:
    if results.result_type is ResultType.ERROR:
        return True
    return results.result_type is None and bool(results.cause)
