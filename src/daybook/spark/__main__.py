"""`python -m daybook.spark serve|pod|executor|check|release|archive`: what set-up, stack, pods and runner call."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from daybook.contract.errors import DaybookError, ExitCode, InfrastructureFailed
from daybook.contract.variables import POD_ADDRESS_VARIABLE, SPARK_STATE_VARIABLE
from daybook.spark.executor import become_executor
from daybook.spark.process import DEFAULT_MEMORY
from daybook.spark.server import ServerOptions, read_token, serve
from daybook.spark.session import READY_LIMIT_SECONDS

_LEAST_URGENT = 19


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> ExitCode:
    """Runs one command; an error is one message on stderr and the exit code that goes with it."""
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.command == "serve":
            serve(
                ServerOptions(chosen.port, chosen.token_file, chosen.state, chosen.ui_port, chosen.memory), environment
            )
        elif chosen.command == "pod":
            return _pod(environment)
        elif chosen.command == "archive":
            _archive(environment, chosen.background)
        elif chosen.command == "executor":
            become_executor(environment)
        elif chosen.command == "release":
            _release(environment)
        else:
            _check(chosen.remote, chosen.token_file, chosen.timeout)
    except DaybookError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command speaks here
        return error.exit_code
    return ExitCode.SUCCEEDED


def _pod(environment: Mapping[str, str]) -> ExitCode:
    # pydantic, which the others do without
    from daybook.contract.spark_pod import SPARK_READY_FILE
    from daybook.spark.announcing import Announcing
    from daybook.spark.pod import read_pod, serve_in_pod

    pod = read_pod(environment)
    try:
        return serve_in_pod(environment)
    except DaybookError as error:
        ready = Path(environment[SPARK_STATE_VARIABLE]) / SPARK_READY_FILE
        address = environment[POD_ADDRESS_VARIABLE]
        announcing = Announcing.of(pod, address, ready, environment, lambda text: print(text, file=sys.stderr))  # noqa: T201
        announcing.refused(str(error))
        raise


def _archive(environment: Mapping[str, str], background: bool) -> None:
    from daybook.spark.archive import make_archive

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.INTERRUPTED))  # so that nothing of it is left
    if background:
        os.nice(_LEAST_URGENT)
    try:
        made = make_archive(environment, lambda text: print(text, file=sys.stderr))  # noqa: T201
    except OSError as error:
        raise InfrastructureFailed(f"cannot write Java's archive: {error}") from error
    print(made)  # noqa: T201


def _release(environment: Mapping[str, str]) -> None:
    from daybook.spark.lifetime import release_all

    sessions = [json.loads(line) for line in sys.stdin if line.strip()]
    print(release_all([(each["session_id"], each["user_id"]) for each in sessions], environment))  # noqa: T201


def _check(remote: str, token_file: Path | None, limit_seconds: float) -> None:
    token = read_token(token_file) if token_file else None
    from daybook.spark.connect import check

    found = check(remote, token, limit_seconds=limit_seconds, say=lambda text: print(text, file=sys.stderr))  # noqa: T201
    print(json.dumps(found))  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m daybook.spark", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starts = commands.add_parser("serve", help="become a Spark Connect server on loopback, until SIGTERM")
    starts.add_argument("--port", type=int, required=True, help="port of the Connect service")
    starts.add_argument("--token-file", type=Path, required=True, help="file with the pre-shared key")
    starts.add_argument("--state", type=Path, required=True, help="folder for warehouse, temporary files, settings")
    starts.add_argument("--ui-port", type=int, help="port of Spark's pages; none without it")
    starts.add_argument("--memory", default=DEFAULT_MEMORY, help="Java heap, as 1g or 512m (default: %(default)s)")
    commands.add_parser("pod", help="run the Spark Connect server that this pod is for, until nobody uses it")
    makes = commands.add_parser("archive", help="make the archive of classes that servers start faster with, once")
    makes.add_argument("--background", action="store_true", help="leave the processor to everything else")
    commands.add_parser("executor", help="become an executor, as Spark's Kubernetes scheduler asks of an image")
    commands.add_parser("release", help="end the sessions named on standard input, on the server of the environment")
    checks = commands.add_parser("check", help="wait until a server answers a real query; prints its application")
    checks.add_argument("--remote", required=True, help="sc://host:port")
    checks.add_argument("--token-file", type=Path, help="file with the pre-shared key")
    checks.add_argument(
        "--timeout", type=float, default=READY_LIMIT_SECONDS, help="seconds to wait (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
