"""`python -m daybook.localpods --state DIR --port N --images FILE.json --token-file FILE [--secrets DIR]`."""

from __future__ import annotations

import argparse
import logging
import stat
import sys
from pathlib import Path

from daybook.contract.errors import DaybookError, Fault, InvalidSettings
from daybook.localpods.limits import KEEP_FINISHED_PODS
from daybook.localpods.server import Settings, serve

_MAX_PORT = 65535


def main(arguments: list[str] | None = None) -> int:
    """Serves until it is told to end; returns the exit code."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        serve(_settings(given))
    except DaybookError as problem:
        sys.stderr.write(f"localpods: {problem}\n")
        return int(problem.exit_code)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m daybook.localpods",
        description="Speaks the Pod slice of the Kubernetes API on 127.0.0.1 and runs pods as local processes.",
    )
    parser.add_argument("--state", type=Path, required=True, help="folder of its state; made when missing")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--images", type=Path, required=True, help="JSON file: which image is which environment")
    parser.add_argument("--token-file", type=Path, required=True, help="file that holds the bearer token")
    parser.add_argument("--secrets", type=Path, help="folder of <namespace>/<secret>/<key> files")
    parser.add_argument(
        "--keep-finished", type=int, default=KEEP_FINISHED_PODS, help="finished pods that stay (%(default)s)"
    )
    return parser


def _settings(given: argparse.Namespace) -> Settings:
    faults = []
    token = ""
    try:
        token = given.token_file.read_text().strip()
        if given.token_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            faults.append(Fault(str(given.token_file), "others can read it; chmod 600 it"))
        if not token or not token.isascii():
            faults.append(Fault(str(given.token_file), "must hold a token in ASCII"))
    except OSError as problem:
        faults.append(Fault("--token-file", str(problem)))
    if not 0 <= given.port <= _MAX_PORT:
        faults.append(Fault("--port", f"must be between 0 and {_MAX_PORT}"))
    if given.keep_finished < 0:
        faults.append(Fault("--keep-finished", "must be at least 0"))
    if given.secrets is not None and not given.secrets.is_dir():
        faults.append(Fault("--secrets", f"{given.secrets} is not a folder"))
    if faults:
        raise InvalidSettings("localpods cannot start", faults)
    return Settings(given.state, given.port, given.images, token, given.secrets, given.keep_finished)


if __name__ == "__main__":
    sys.exit(main())
