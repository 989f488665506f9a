"""A Spark Connect server on loopback: `local[*]`, a pre-shared key, all its files below one folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daybook.contract.errors import Fault, InvalidRequest, InvalidSettings
from daybook.contract.variables import SPARK_TOKEN_VARIABLE
from daybook.spark.archive import archive_file
from daybook.spark.configuration import plain_configuration
from daybook.spark.java import Java, find_java
from daybook.spark.process import (
    COMMON_SETTINGS,
    DEFAULT_MEMORY,
    LOOPBACK,
    checked_memory,
    java_command,
    java_environment,
    spark_home,
    write_properties,
)

MINIMUM_TOKEN_CHARACTERS = 16
UI_SETTING = "spark.daybook.ui"
"""Where the server's pages are; clients read it for the record of a run."""
_CONNECT_SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
_LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss,SSS} %p %c{1}: %m%n%ex
logger.connect.name = org.apache.spark.sql.connect.service.SparkConnectServer
logger.connect.level = info
"""


@dataclass(frozen=True)
class ServerOptions:
    """What a server is started with.

    Attributes:
        port: of the Connect service.
        token_file: holds the pre-shared key.
        state: folder for warehouse, temporary files and settings; one server a folder.
        ui_port: of Spark's pages; None for no pages.
        memory: Java heap, as Java writes it.
    """

    port: int
    token_file: Path
    state: Path
    ui_port: int | None = None
    memory: str = DEFAULT_MEMORY


def serve(options: ServerOptions, environment: Mapping[str, str]) -> None:
    """Becomes the server's Java process; comes back only by raising. SIGTERM ends the server cleanly.

    Raises:
        InvalidRequest: the token, a port or the memory will not do; names every fault.
        InvalidSettings: no usable Java or Spark, or another server lives in the state folder.
    """
    token = read_token(options.token_file)
    memory = checked_memory(options.memory)
    require_free(LOOPBACK, {"--port": options.port, "--ui-port": options.ui_port})
    home, java = spark_home(), find_java(environment)
    state = options.state.absolute()
    temporary = prepare(state)
    write_properties(state / "spark.properties", server_settings(options, state))
    archive = archive_file(java, home)
    shared = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
    command = server_command(java, home, memory, state, temporary, shared)
    variables = {**java_environment(environment, home), SPARK_TOKEN_VARIABLE: token}
    os.chdir(state)
    os.execve(command[0], command, variables)  # noqa: S606 - no shell is wanted


def server_command(
    java: Java,
    home: Path,
    memory: str,
    state: Path,
    temporary: Path,
    options: Sequence[str] = (),
    address: str = LOOPBACK,
) -> list[str]:
    """The server's command line; the key and all settings travel by the environment and a private file."""
    command = java_command(
        java,
        home,
        memory,
        temporary,
        ["--properties-file", str(state / "spark.properties"), "--class", _CONNECT_SERVER, "spark-internal"],
        address,
    )
    logging = f"-Dlog4j2.configurationFile={(state / 'log4j2.properties').as_uri()}"
    return [command[0], logging, *options, *command[1:]]


def server_settings(options: ServerOptions, state: Path) -> dict[str, str]:
    """Spark's settings for the server, without its key."""
    pages = {"spark.ui.enabled": "false"}
    if options.ui_port is not None:
        pages = {"spark.ui.port": str(options.ui_port), UI_SETTING: f"http://{LOOPBACK}:{options.ui_port}"}
    return {
        **plain_configuration("local"),
        **COMMON_SETTINGS,
        **pages,
        "spark.app.name": "daybook",
        "spark.connect.grpc.binding.address": LOOPBACK,
        "spark.connect.grpc.binding.port": str(options.port),
        "spark.port.maxRetries": "0",
        "spark.sql.warehouse.dir": (state / "warehouse").as_uri(),
        "spark.local.dir": str(state / "tmp"),
    }


def read_token(path: Path) -> str:
    """The pre-shared key in a file.

    Raises:
        InvalidRequest: the file cannot be read or holds no usable key.
    """
    try:
        token = path.read_text().strip()
    except OSError as error:
        raise InvalidRequest("cannot read the Spark token", [Fault(str(path), str(error.strerror))]) from error
    if (
        len(token) < MINIMUM_TOKEN_CHARACTERS
        or not token.isascii()
        or any(not letter.isprintable() for letter in token)
    ):
        raise InvalidRequest(
            "the Spark token will not do",
            [Fault(str(path), f"it must be at least {MINIMUM_TOKEN_CHARACTERS} printable ASCII characters")],
        )
    return token


def require_free(host: str, ports: Mapping[str, int | None]) -> None:
    """Makes sure that nothing listens there yet; Java would say so in a page of its own words.

    Args:
        host: an address of this machine.
        ports: by what a person calls them; None is no port.

    Raises:
        InvalidRequest: some cannot be used; every one is named.
    """
    faults = []
    for option, port in ports.items():
        if port is None:
            continue
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except (OSError, OverflowError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                faults.append(Fault(option, f"port {port} cannot be used ({reason}); choose another"))
    if faults:
        raise InvalidRequest("cannot start the Spark Connect server", faults)


def prepare(state: Path) -> Path:
    """Makes the server's folder and takes it for this process and what it becomes; gives the temporary folder in it.

    Raises:
        InvalidSettings: another server lives there, or it cannot be written.
    """
    temporary = state / "tmp"
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(state / "lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The lock goes with the process through exec, and ends with it however it ends.
        os.set_inheritable(lock, True)
        with suppress(FileNotFoundError):
            shutil.rmtree(temporary)
        temporary.mkdir(mode=0o700)
        (state / "log4j2.properties").write_text(_LOGGING)
    except BlockingIOError as error:
        raise InvalidSettings(f"another Spark Connect server lives in {state}; stop it, or give --state DIR") from error
    except OSError as error:
        raise InvalidSettings(
            "cannot use the state folder", [Fault(str(state), str(error.strerror or error))]
        ) from error
    return temporary
