"""What Maven is asked for when the Spark image is built with `--build-arg JARS=…`; Maven itself is not run here."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from deploy.rendered import PROJECT

SCRIPT = PROJECT / "deploy" / "images" / "spark" / "wanted.py"
POM = {"": "http://maven.apache.org/POM/4.0.0"}


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """An environment's packages with a Spark in it, as far as the script looks."""
    jars = tmp_path / "pyspark" / "jars"
    jars.mkdir(parents=True)
    (tmp_path / "pyspark" / "__init__.py").touch()
    (jars / "hadoop-client-api-3.5.0.jar").touch()
    (jars / "hadoop-client-runtime-3.5.0.jar").touch()
    return tmp_path


def ask(packages: Path, *wanted: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *wanted]
    environment = {"PYTHONPATH": str(packages)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def dependencies(pom: str) -> list[tuple[str, ...]]:
    found = ElementTree.fromstring(pom).findall("./dependencies/dependency", POM)
    return [
        tuple(each.findtext(name, namespaces=POM) or "" for name in ("groupId", "artifactId", "version"))
        for each in found
    ]


def test_s3a_is_of_the_version_of_sparks_own_hadoop(packages: Path) -> None:
    asked = ask(packages, "s3a", "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.10.0")
    assert dependencies(asked.stdout) == [
        ("org.apache.hadoop", "hadoop-aws", "3.5.0"),
        ("org.apache.iceberg", "iceberg-spark-runtime-4.0_2.13", "1.10.0"),
    ]


def test_what_spark_has_is_not_fetched_again(packages: Path) -> None:
    pom = ElementTree.fromstring(ask(packages, "io.delta:delta-spark_2.13:4.0.0").stdout)
    without = {
        (each.findtext("groupId", namespaces=POM), each.findtext("artifactId", namespaces=POM))
        for each in pom.iterfind(".//exclusion", POM)
    }
    assert {("org.apache.spark", "*"), ("org.scala-lang", "*"), ("org.apache.hadoop", "hadoop-client-api")} <= without


@pytest.mark.parametrize("wanted", ["s3", "a:b", "a:b:c:d", "a:b:1 --x", "a::1", "a:b:${env.HOME}", "a:b:<c/>"])
def test_what_is_no_coordinate_is_refused_by_name(packages: Path, wanted: str) -> None:
    asked = ask(packages, wanted)
    assert asked.returncode != 0
    assert repr(wanted) in asked.stderr
    assert not asked.stdout


def test_a_spark_of_two_hadoops_is_refused(packages: Path) -> None:
    (packages / "pyspark" / "jars" / "hadoop-client-api-3.4.1.jar").touch()
    assert "no one version of Hadoop" in ask(packages, "s3a").stderr
