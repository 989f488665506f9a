"""Commands: handed to their context's process one after another; their status is asked for until they are through."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from databricks.standin.app import ApiError, Request, Router
from databricks.standin.cutting import LIMIT, cut

if TYPE_CHECKING:
    from databricks.standin.interpreter import Interpreter
    from databricks.standin.world import StandIn


class Command:
    """One command: `status` and `results` as the API tells them."""

    def __init__(self, context_id: str, code: str) -> None:
        self.id = uuid.uuid4().hex
        self.context_id, self.code = context_id, code
        self.status = "Queued"
        self.results: dict[str, Any] | None = None
        self.printed = ""
        self.cancelled = False


class Commands:
    """All commands of all contexts.

    Attributes:
        least_seconds: what the shortest command takes on a cluster.
        tells_early: whether the status of a running command carries what it has printed so far.
        cancelled_as: the status that a cancelled command ends in: `Finished`, as the API documents it today, with an
            error that tells of it, or `Cancelled`, as it was.
        text_limit: characters of a text result, before its middle is cut out and it is called truncated; what runtimes
            up to 16.4 LTS have.
        answers: results that are given in place of the next ones, for what a process does not do by itself.
    """

    def __init__(self, world: StandIn) -> None:
        self._world = world
        self.all: dict[str, Command] = {}
        self.least_seconds = 0.0
        self.tells_early = False
        self.cancelled_as = "Finished"
        self.text_limit = LIMIT
        self.answers: list[tuple[str, dict[str, Any] | None]] = []

    def execute(self, request: Request) -> dict[str, Any]:
        given = request.json
        context_id = str(given.get("contextId"))
        interpreter = self._world.contexts.find(str(given.get("clusterId")), context_id, request.user)
        if given.get("language") != interpreter.language:
            raise ApiError(400, "InvalidLanguage", f"the context speaks {interpreter.language}")
        command = Command(context_id, str(given.get("command", "")))
        self.all[command.id] = command
        threading.Thread(target=self._run, args=(command, interpreter), daemon=True).start()
        return {"id": command.id}

    def status(self, request: Request) -> dict[str, Any]:
        command = self._find(request.query, request.user)
        found: dict[str, Any] = {"id": command.id, "status": command.status, "results": command.results}
        if command.status == "Running" and self.tells_early and command.printed:
            found["results"] = {"resultType": "text", "data": command.printed}
        return found

    def cancel(self, request: Request) -> dict[str, Any]:
        command = self._find(request.json, request.user)
        if command.status in ("Queued", "Running"):
            command.cancelled, command.status = True, "Cancelling"
            interpreter = self._world.contexts.find(str(request.json["clusterId"]), command.context_id, request.user)
            threading.Thread(target=_end, args=(command, interpreter), daemon=True).start()
        return {"id": command.id}

    def _find(self, given: dict[str, Any], user: str) -> Command:
        context_id = str(given.get("contextId"))
        self._world.contexts.find(str(given.get("clusterId")), context_id, user)
        command = self.all.get(str(given.get("commandId")))
        if command is None or command.context_id != context_id:
            raise ApiError(404, "CommandNotFound", "no such command")
        return command

    def _run(self, command: Command, interpreter: Interpreter) -> None:
        with interpreter.turn:
            if not command.cancelled:
                command.status = "Running"
                began = time.monotonic()
                result = interpreter.run(command.code, lambda text: self._printed(command, text))
                time.sleep(max(0.0, self.least_seconds - (time.monotonic() - began)))
            if command.cancelled:
                error = {"resultType": "error", "summary": "Command cancelled", "cause": "CommandCancelledException"}
                command.results = error if self.cancelled_as == "Finished" else None
                command.status = self.cancelled_as
            elif self.answers:
                command.status, command.results = self.answers.pop(0)
            else:
                command.results = self._cut(result)
                command.status = "Finished"

    def _printed(self, command: Command, text: str) -> None:
        command.printed += text

    def _cut(self, result: dict[str, Any]) -> dict[str, Any]:
        text = result.get("data")
        if isinstance(text, str) and len(text) > self.text_limit:
            return {**result, "data": cut(text, self.text_limit), "truncated": True}
        return result


def _end(command: Command, interpreter: Interpreter) -> None:
    """Interrupts it until it has ended, since its process may be about to begin with it."""
    while command.status == "Cancelling":
        interpreter.interrupt()
        time.sleep(0.05)


def add_to(router: Router, world: StandIn) -> Commands:
    commands = Commands(world)
    router.add("POST", "/api/1.2/commands/execute", commands.execute)
    router.add("GET", "/api/1.2/commands/status", commands.status)
    router.add("POST", "/api/1.2/commands/cancel", commands.cancel)
    return commands
