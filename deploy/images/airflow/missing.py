"""Prints what of a hashed lock the base image does not have, as a lock of its own.

An official Airflow image has most of it already, in versions that its makers tested together: those stay, and `pip
check` then says whether all fits. A bare Python image has none, and gets the whole lock.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

AIRFLOW = "apache-airflow-core"
"""The one package whose version must be the lock's: Daybook's code was tested on it."""


def main(locks: list[str]) -> None:
    """Prints the blocks (name, version, hashes) that are missing here."""
    seen = set()  # whole blocks: one lock may want for Windows only what the other wants everywhere
    for lock in locks:
        for name, pinned, block in blocks(Path(lock).read_text()):
            have = installed(name)
            if name == AIRFLOW and have not in (None, pinned):
                sys.exit(
                    f"the base image has {AIRFLOW} {have}, and Daybook's locks are for {pinned}; take another base"
                )
            if have is None and block not in seen:
                sys.stdout.write(block)
            seen.add(block)


def blocks(lock: str) -> Iterator[tuple[str, str, str]]:
    """The lock's packages: name, version and text."""
    for block in re.split(r"^(?=\S)", lock, flags=re.MULTILINE):
        if found := re.match(r"([\w.-]+)==([^\s;]+)", block):
            yield found[1], found[2], block


def installed(name: str) -> str | None:
    """The version that is there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main(sys.argv[1:])
