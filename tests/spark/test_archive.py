"""What must hold of the archive of classes. Making one takes half a minute, so no test does."""

import fcntl
import os
import sys
from pathlib import Path

import pytest

from daybook.contract.errors import InfrastructureFailed
from daybook.spark import archive
from daybook.spark.archive import archive_file, make_archive
from daybook.spark.java import Java, find_java
from daybook.spark.process import spark_home
from daybook.spark.server import server_command


@pytest.fixture
def java(tmp_path):
    program = tmp_path / "jdk" / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return Java(program, 21, "test")


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    return tmp_path / "environment"


def test_each_java_and_each_spark_has_a_file_of_its_own(java, prefix, tmp_path):
    first = archive_file(java, tmp_path)
    assert first == archive_file(java, tmp_path)
    assert first.is_relative_to(prefix)
    assert archive_file(java, tmp_path / "other") != first
    (tmp_path / "jars").mkdir()  # another Spark in the same place
    assert archive_file(java, tmp_path) != first
    first = archive_file(java, tmp_path)
    java.executable.write_text("#!/bin/sh\n# upgraded\n")
    assert archive_file(java, tmp_path) != first


def test_links_to_an_environment_lead_to_the_same_file_name(java, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "jdk")
    linked = Java(tmp_path / "link" / "bin" / "java", 21, "test")
    assert archive_file(linked, tmp_path).name == archive_file(java, tmp_path).name


def test_one_that_is_there_is_not_made_again(prefix):
    environment = dict(os.environ)
    target = archive_file(find_java(environment), spark_home())
    target.parent.mkdir(parents=True)
    target.write_bytes(b"there")
    assert make_archive(environment, pytest.fail) == target


def test_two_processes_do_not_make_one_at_once(prefix):
    folder = archive_file(find_java(os.environ), spark_home()).parent
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InfrastructureFailed, match="another process"):
            make_archive(os.environ, lambda _: None)


def test_a_file_that_was_cut_short_is_found_out_before_a_server_crashes_on_it(tmp_path):
    draft = tmp_path / "spark.jsa"
    draft.write_bytes(b"\xde\xad" * 50_000)
    with pytest.raises(InfrastructureFailed, match="will not do"):
        archive._try_out(find_java(os.environ), spark_home(), draft)


def test_what_a_killed_one_left_is_removed(tmp_path):
    left = tmp_path / ".making-x"
    left.mkdir()
    (left / "spark.jsa").write_bytes(b"half")
    with archive._alone(tmp_path):
        assert not left.exists()


def test_a_server_is_started_with_it(java, tmp_path):
    shared = "-XX:SharedArchiveFile=/x.jsa"
    command = server_command(java, tmp_path, "1g", tmp_path, tmp_path, [shared])
    assert command.index(shared) < command.index("-cp")
    assert shared not in server_command(java, tmp_path, "1g", tmp_path, tmp_path)
    # The archive holds for one spelling of the path only, and links give it two.
    assert str(Path(tmp_path).resolve() / "jars" / "*") in command
