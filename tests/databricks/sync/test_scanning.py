import os
import socket
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from databricks.sync.conftest import Project
from daybook.contract.errors import InvalidRequest
from daybook.databricks.settings import SyncSettings
from daybook.databricks.sync.errors import FileSizeError, FilesUnreadable
from daybook.databricks.sync.scanning import NAMED_AT_MOST, scan

MEGABYTE = 2**20


def scanned(project, **given):
    return scan(project.settings(**given), None)


def test_files_and_folders_are_found_whatever_they_are_called(project):
    names = [b"a b", b"quo\"te's", b"new\nline", "ünï/cödé".encode(), b"\xff\xfe", b"...", b"-rf", b"a\\b", b"$(x)`y`"]
    for name in names:
        project.put(name)
    (project.path / "empty").mkdir()
    found = scanned(project)
    assert sorted(found.files) == sorted(names)
    assert sorted(found.folders) == [b"empty", "ünï".encode()]
    assert found.skipped == []


def test_what_is_no_file_is_left_out_and_said(project, tmp_path, monkeypatch):
    project.put("kept")
    monkeypatch.chdir(project.path)
    os.mkfifo("pipe\nline")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    found = scanned(project)
    assert list(found.files) == [b"kept"]
    assert sorted(found.skipped) == [
        "pipe\\nline was left out: it is a named pipe, not a file",
        "socket was left out: it is a socket, not a file",
    ]


def test_links_within_stay_links_and_lead_to_the_same(project):
    project.put("data/real.csv")
    links = {
        "near.csv": "data/real.csv",
        "data/beside.csv": "real.csv",
        "data/deep/far.csv": "../real.csv",
        "absolute.csv": str(project.path / "data/real.csv"),
        "around.csv": "../project/data/real.csv",
        "folder": "data",
        "top": ".",
        "by-a-link.csv": "near.csv",
    }
    (project.path / "data/deep").mkdir()
    for name, target in links.items():
        (project.path / name).symlink_to(target)
    assert scanned(project).links == {
        b"near.csv": b"data/real.csv",
        b"data/beside.csv": b"real.csv",
        b"data/deep/far.csv": b"../real.csv",
        b"absolute.csv": b"data/real.csv",
        b"around.csv": b"data/real.csv",
        b"folder": b"data",
        b"top": b".",
        b"by-a-link.csv": b"data/real.csv",
    }


def test_links_that_lead_out_or_to_nothing_that_is_sent_are_left_out_and_said(project, tmp_path):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "project-other").mkdir()
    project.put("ignored.log")
    targets = {
        "out": "../secret",
        "root": "/",
        "sibling": "../project-other",
        "gone": "nothing",
        "to-log": "ignored.log",
    }
    for name, target in targets.items():
        (project.path / name).symlink_to(target)
    (project.path / "loop").symlink_to("loop")
    found = scanned(project, exclude=("*.log",))
    assert found.files == {}
    assert found.links == {}
    assert sorted(found.skipped) == [
        "gone was left out: the link leads to nothing that is sent",
        "loop was left out: the link leads to nothing that is sent",
        "out was left out: the link leads out of the folder",
        "root was left out: the link leads out of the folder",
        "sibling was left out: the link leads out of the folder",
        "to-log was left out: the link leads to nothing that is sent",
    ]


def test_folders_that_link_to_each_other_are_walked_once(project):
    project.put("a/x")
    project.put("b/y")
    (project.path / "a/b").symlink_to("../b")
    (project.path / "b/a").symlink_to("../a")
    found = scanned(project)
    assert sorted(found.files) == [b"a/x", b"b/y"]
    assert found.links == {b"a/b": b"../b", b"b/a": b"../a"}


def test_a_source_that_is_a_link_is_the_folder_it_leads_to(project, tmp_path):
    project.put("x")
    (project.path / "l").symlink_to("x")
    (tmp_path / "link").symlink_to("project")
    found = scan(SyncSettings(source=tmp_path / "link"), None)
    assert list(found.files) == [b"x"]
    assert found.links == {b"l": b"x"}


def test_every_file_above_the_limit_is_named_with_the_limit_and_the_total_too(project):
    project.put("small", b"x")
    project.put("just\nright", b"x" * MEGABYTE)
    project.put("data/more", b"x" * (MEGABYTE + 1))
    project.put("most", b"x" * 2 * MEGABYTE)
    with pytest.raises(FileSizeError) as failure:
        scanned(project, max_file_size_mb=1, max_size_mb=4)
    assert str(failure.value) == (
        "The project is too large for the cluster, so nothing was sent. Exclude files, or raise the limit:\n"
        "  - most: 2.0 MB (2097152 bytes), and max_file_size_mb is 1\n"
        "  - data/more: 1.0 MB (1048577 bytes), and max_file_size_mb is 1\n"
        "  - total: 4.0 MB (4194306 bytes) in 4 files, and max_size_mb is 4"
    )
    assert isinstance(failure.value, InvalidRequest)


def test_files_that_stay_at_home_do_not_count(project):
    project.put("big", b"x" * 2 * MEGABYTE)
    project.put("small", b"x")
    assert list(scanned(project, max_file_size_mb=1, max_size_mb=1, exclude=("big",)).files) == [b"small"]


def test_a_limit_may_be_a_part_of_a_megabyte_or_nothing_at_all(project):
    project.put("x", b"12")
    assert scanned(project, max_size_mb=2 / MEGABYTE).files
    with pytest.raises(FileSizeError, match=r"x: 0\.0 MB \(2 bytes\), and max_file_size_mb is 0$"):
        scanned(project, max_file_size_mb=0)


def test_of_very_many_files_the_largest_are_named(project):
    for number in range(NAMED_AT_MOST + 5):
        project.put(f"{number}", b"x" * (number + 1))
    with pytest.raises(FileSizeError) as failure:
        scanned(project, max_file_size_mb=0)
    assert len(failure.value.faults) == NAMED_AT_MOST + 1
    assert str(failure.value).endswith("and 5 more")


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_a_source_that_is_no_folder_is_said(project, name):
    project.put("file")
    with pytest.raises(FilesUnreadable, match=f"{name}: .*(No such file|Not a directory)"):
        scan(SyncSettings(source=project.path / name), None)


def test_all_that_cannot_be_read_is_named():
    """In a process of a user who is not root, whom no permission would stop."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        for name in ("good", "locked/x", "secret.txt", "also secret\n"):
            project.put(name, "x")
        project.path.chmod(0o755)
        for name in ("secret.txt", "also secret\n", "locked"):
            (project.path / name).chmod(0)
        said = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(AS_SOMEBODY_ELSE), folder],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        (project.path / "locked").chmod(0o700)
    summary = "Files of the project cannot be read, so nothing was sent. Make them readable, or exclude them"
    assert said.stdout == (
        f"{summary}: locked: Permission denied\n"
        f"{summary}:\n  - also secret\\n: Permission denied\n  - secret.txt: Permission denied\n"
        "1 file\n"
    )


AS_SOMEBODY_ELSE = """
    import os, sys
    from pathlib import Path
    from daybook.databricks.settings import SyncSettings
    from daybook.databricks.sync.scanning import scan
    from daybook.databricks.sync.state import Memory
    from daybook.databricks.sync.errors import FilesUnreadable
    if os.getuid() == 0:
        os.setgroups([])
        os.setuid(65534)
    source = Path(sys.argv[1])
    for exclude in ((), ("locked",), ("l*", "*secret*")):
        try:
            print(len(Memory(None).tree(source, scan(SyncSettings(source=source, exclude=exclude), None))), "file")
        except FilesUnreadable as error:
            print(error)
"""
