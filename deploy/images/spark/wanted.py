"""Writes the `pom.xml` by which Maven fetches jars, with all that they need, for the Spark that is installed here.

    python wanted.py s3a org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.10.0 > pom.xml

`s3a` is hadoop-aws of exactly the version of Hadoop that Spark brings; another one fails at run time, not at the build.
"""

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.sax.saxutils import escape

S3A = "org.apache.hadoop:hadoop-aws"
THERE = (
    "org.apache.spark:*",
    "org.apache.hadoop:hadoop-common",
    "org.apache.hadoop:hadoop-client",
    "org.apache.hadoop:hadoop-client-api",
    "org.apache.hadoop:hadoop-client-runtime",
    "org.scala-lang:*",
    "org.slf4j:*",
)
"""What Spark has already: a second copy, of another version, breaks it."""
PARTS = 3
COORDINATE = re.compile(r"[\w.-]+")


def main(wanted: list[str]) -> None:
    """Prints it; something that is no coordinate is refused by name."""
    dependencies = "".join(_dependency(_coordinates(each)) for each in wanted)
    sys.stdout.write(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>daybook</groupId><artifactId>spark-jars</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{dependencies}</dependencies></project>\n"
    )


def _coordinates(text: str) -> tuple[str, str, str]:
    parts = (f"{S3A}:{hadoop_version(_jars())}" if text == "s3a" else text).split(":")
    if len(parts) != PARTS or not all(COORDINATE.fullmatch(part) for part in parts):
        sys.exit(f"{text!r} is neither s3a nor group:artifact:version")
    group, artifact, version = parts
    return group, artifact, version


def _dependency(coordinates: tuple[str, str, str]) -> str:
    names = zip(("groupId", "artifactId", "version"), coordinates, strict=True)
    told = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in names)
    without = "".join(
        f"<exclusion><groupId>{group}</groupId><artifactId>{artifact}</artifactId></exclusion>"
        for group, artifact in (each.split(":") for each in THERE)
    )
    return f"<dependency>{told}<exclusions>{without}</exclusions></dependency>"


def hadoop_version(jars: Path) -> str:
    """The version of Hadoop among Spark's jars."""
    found = [re.fullmatch(r"hadoop-client-api-(.+)\.jar", path.name) for path in jars.iterdir()]
    versions = [match[1] for match in found if match]
    if len(versions) != 1:
        sys.exit(f"{jars} holds no one version of Hadoop: {versions}")
    return versions[0]


def _jars() -> Path:
    package = find_spec("pyspark")
    if package is None or package.origin is None:
        sys.exit("there is no Spark in this environment")
    return Path(package.origin).parent / "jars"


if __name__ == "__main__":
    main(sys.argv[1:])
