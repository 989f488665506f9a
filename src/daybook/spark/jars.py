"""What the jars of a Spark can do: S3A, Delta Lake, Iceberg, told by their names and versions.

Names of files are all that is looked at: jars are the image's, whose builder chose them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from daybook.contract.errors import Fault

DELTA, ICEBERG = "delta", "iceberg"
DELTA_OF_SPARK = {"4.0": ("4.0",), "4.1": ("4.1", "4.2", "4.3")}
"""Delta's releases by Spark's, for jars whose name does not tell: `delta-spark_2.13-4.0.1.jar`.

Since Delta 4.1 there are jars whose name does (`delta-spark_4.1_2.13-4.3.0.jar`), which are taken at their word, as
Iceberg's are, which always name their Spark. None is known for Spark 4.2 and 4.3.
"""

TABLE_SETTINGS = {
    DELTA: {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    },
    ICEBERG: {
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.iceberg": "org.apache.iceberg.spark.SparkCatalog",
    },
}
_DELTA_JAR = re.compile(r"delta-spark(?:_(\d+\.\d+))?_2\.1[23]-(\d+\.\d+)[^/]*\.jar")
_ICEBERG_JAR = re.compile(r"iceberg-spark-runtime-(\d+\.\d+)_2\.1[23]-(\d+\.\d+)[^/]*\.jar")
_S3A_JAR = re.compile(r"hadoop-aws-(\d[\w.]*?)\.jar")
_HADOOP_JAR = re.compile(r"hadoop-client-api-(\d[\w.]*?)\.jar")
_SDK_JAR = re.compile(r"(?:aws-sdk-java-)?bundle-2[\w.]*\.jar")


@dataclass(frozen=True)
class Installed:
    """The Spark of an image.

    Attributes:
        version: such as `4.3.0`.
        jars: file names in Spark's jars folder.
    """

    version: str
    jars: Collection[str] = ()

    @property
    def minor(self) -> str:
        """Major and minor version: `4.3`."""
        return ".".join(self.version.split(".")[:2])


def installed(home: Path) -> Installed:
    """The Spark of this environment."""
    text = (home / "version.py").read_text(encoding="utf-8")
    match = re.search(r"__version__[^=\n]*=\s*['\"]([^'\"]+)['\"]", text)
    return Installed(match[1] if match else "unknown", sorted(path.name for path in (home / "jars").iterdir()))


def s3a_faults(installed: Installed) -> list[Fault]:
    """Why this Spark cannot reach a bucket in S3; none where it can."""
    hadoop = next(_versions(_HADOOP_JAR, installed), None)
    found = list(_versions(_S3A_JAR, installed))
    wanted = f"hadoop-aws-{hadoop}.jar" if hadoop else "the hadoop-aws jar of its Hadoop"
    if not found:
        return [Fault("S3A", f"the image's Spark {installed.version} cannot reach S3: add {wanted} to its jars")]
    faults = []
    if hadoop and hadoop not in found:
        faults.append(
            Fault("S3A", f"hadoop-aws-{found[0]}.jar is not of the image's Hadoop {hadoop}: it takes {wanted}")
        )
    if not any(_SDK_JAR.fullmatch(jar) for jar in installed.jars):
        faults.append(Fault("S3A", "AWS's SDK is missing: add the bundle-2….jar that hadoop-aws names to Spark's jars"))
    return faults


def table_faults(name: str, installed: Installed) -> list[Fault]:
    """Why this Spark has no tables of that format; none where it has.

    Args:
        name: `delta` or `iceberg`.
        installed: the Spark.
    """
    found = sorted(_spark_of_tables(name, installed))
    if not found:
        return [Fault(name, f"the image's Spark {installed.version} has no jar of it; {_known(name, installed)}")]
    if any(minor == installed.minor for _, minor in found):
        return _storage_fault(name, installed)
    jar, minor = found[0]
    made = f"is for Spark {minor}" if minor else "is for no Spark that is known here"
    return [Fault(name, f"{jar} {made} and the image has {installed.version}; {_known(name, installed)}")]


def table_settings(names: Collection[str], warehouse: str, metastore: str | None = None) -> dict[str, str]:
    """The catalogues and SQL extensions of the formats, together.

    Args:
        names: of formats.
        warehouse: where Iceberg's tables lie.
        metastore: the Hive metastore that knows them; None for a catalogue that is a folder.
    """
    merged: dict[str, str] = {}
    for name in names:
        for setting, value in TABLE_SETTINGS[name].items():
            merged[setting] = f"{merged[setting]},{value}" if setting in merged else value
    if ICEBERG in names:
        merged["spark.sql.catalog.iceberg.type"] = "hive" if metastore else "hadoop"
        merged["spark.sql.catalog.iceberg.warehouse"] = warehouse
        if metastore:
            merged["spark.sql.catalog.iceberg.uri"] = metastore
    return merged


def _storage_fault(name: str, installed: Installed) -> list[Fault]:
    if name == DELTA and not any(jar.startswith("delta-storage-") for jar in installed.jars):
        return [Fault(name, "delta-storage-….jar, which delta-spark needs, is missing among Spark's jars")]
    return []


def _known(name: str, installed: Installed) -> str:
    if name == ICEBERG:
        return f"it takes iceberg-spark-runtime-{installed.minor}_2.13-….jar, where Iceberg has one"
    releases = DELTA_OF_SPARK.get(installed.minor)
    if releases is None:
        return f"it takes delta-spark_{installed.minor}_2.13-….jar, which no release is known here to have"
    return f"it takes Delta {' or '.join(releases)} (delta-spark and delta-storage)"


def _spark_of_tables(name: str, installed: Installed) -> Iterator[tuple[str, str]]:
    for jar in installed.jars:
        if name == ICEBERG and (found := _ICEBERG_JAR.fullmatch(jar)):
            yield jar, found[1]
        elif name == DELTA and (found := _DELTA_JAR.fullmatch(jar)):
            yield jar, found[1] or next((minor for minor, all_ in DELTA_OF_SPARK.items() if found[2] in all_), "")


def _versions(pattern: re.Pattern[str], installed: Installed) -> Iterator[str]:
    return (found[1] for jar in installed.jars if (found := pattern.fullmatch(jar)))
