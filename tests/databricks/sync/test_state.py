import hashlib
import json
import os
import time

import pytest

from daybook.databricks.sync import state
from daybook.databricks.sync.scanning import scan
from daybook.databricks.sync.state import Memory
from daybook.databricks.sync.tree import BLOCK_BYTES, File, Folder, Link, block_sizes


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that were read."""
    names = []
    read = state._read
    monkeypatch.setattr(state, "_read", lambda path: names.append(os.fsdecode(path).rsplit("/", 1)[1]) or read(path))
    return names


@pytest.fixture
def a_tree(project, environment):
    """The project's content; each time from what a new kernel would know."""
    return lambda: Memory.of(project.path, environment).tree(project.path, scan(project.settings(), None))


def long_ago(*files):
    """As if nobody had written to them for a while; their inode's time cannot be set, so that is waited for."""
    until = time.time_ns() + state.AT_REST_NS
    for file in files:
        os.utime(file, (1, 1))
    while time.time_ns() <= until:
        time.sleep(0.05)


@pytest.fixture
def at_once(monkeypatch):
    """Files are at rest as soon as they are written."""
    monkeypatch.setattr(state, "AT_REST_NS", -60_000_000_000)


def test_a_tree_tells_what_files_hold(project, a_tree):
    content = os.urandom(2 * BLOCK_BYTES + 5)
    project.put("sub/large", content)
    project.put("empty")
    project.put("run.sh", b"x").chmod(0o700)
    (project.path / "link").symlink_to("empty")
    digests = [hashlib.sha256(content[at : at + BLOCK_BYTES]).digest() for at in range(0, len(content), BLOCK_BYTES)]
    tree = a_tree()
    assert tree == {
        b"sub": Folder(),
        b"sub/large": File(len(content), False, b"".join(digests)),
        b"empty": File(0, False, b""),
        b"run.sh": File(1, True, hashlib.sha256(b"x").digest()),
        b"link": Link(b"empty"),
    }
    assert [block_sizes(tree)[digest] for digest in digests] == [BLOCK_BYTES, BLOCK_BYTES, 5]


def test_only_what_changed_is_read_again(project, a_tree, reads, at_once):
    for name in ("a", "b", "c"):
        project.put(name, name)
    a_tree()
    project.put("b", "other")
    reads.clear()
    tree = a_tree()
    assert reads == ["b"]
    assert tree[b"b"].blocks == hashlib.sha256(b"other").digest()


def test_a_change_that_keeps_size_and_time_is_noticed(project, a_tree, reads, at_once):
    file = project.put("a", "one")
    before = file.stat()
    a_tree()
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert a_tree()[b"a"].blocks == hashlib.sha256(b"two").digest()


def test_a_file_put_in_the_place_of_another_is_noticed(project, a_tree, at_once):
    file, other = project.put("a", "one"), project.put("b", "two")
    for each in (file, other):
        os.utime(each, (1, 1))
    a_tree()
    other.replace(file)
    assert a_tree()[b"a"].blocks == hashlib.sha256(b"two").digest()


def test_a_file_that_was_just_written_is_not_believed_until_it_is_at_rest(project, a_tree, reads):
    file = project.put("a", "one")
    a_tree()
    a_tree()
    assert reads == ["a", "a"]
    long_ago(file)
    a_tree()
    a_tree()
    assert reads == ["a"] * 3


def test_executable_bits_count(project, a_tree, at_once):
    file = project.put("a", "one")
    assert not a_tree()[b"a"].executable
    file.chmod(0o755)
    assert a_tree()[b"a"].executable


def test_what_is_remembered_is_for_the_user_alone(project, environment, a_tree, at_once, tmp_path):
    project.put("a", "one")
    a_tree()
    (kept,) = (tmp_path / "home/.cache/daybook/databricks").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


def test_names_that_are_no_text_are_remembered(project, a_tree, reads, at_once):
    project.put(b"\xff\n", "x")
    a_tree()
    assert list(a_tree()) == [b"\xff\n"]
    assert len(reads) == 1


@pytest.mark.parametrize(
    "content",
    [
        *["", "{", "[]", '"x"', '{"version": 1}', '{"version": 0, "block_bytes": 262144, "files": []}', "\xff"],
        *[
            '{"version": 1, "block_bytes": 262144, "files": [["a", 1]]}',
            '{"version": 1, "block_bytes": 1, "files": []}',
        ],
        '{"version": 1, "block_bytes": 262144, "files": [["a", 3, 1, 1, 1, 3, false, "no digits"]]}',
    ],
)
def test_what_is_not_understood_is_as_if_it_were_not_there(project, environment, a_tree, reads, content):
    project.put("a", "one")
    memory = Memory.of(project.path, environment)
    memory.path.parent.mkdir(parents=True)
    memory.path.write_bytes(content.encode("latin-1"))
    assert a_tree()[b"a"].size == 3
    assert reads == ["a"]


def test_a_home_that_cannot_be_written_to_costs_time_alone(project, a_tree, environment, tmp_path, at_once):
    project.put("a", "one")
    (tmp_path / "file").touch()
    environment["XDG_CACHE_HOME"] = str(tmp_path / "file")
    assert a_tree()[b"a"].size == 3


def test_without_a_home_nothing_is_remembered(project, at_once):
    project.put("a", "one")
    memory = Memory.of(project.path, {})
    assert memory.path is None
    assert memory.tree(project.path, scan(project.settings(), None))[b"a"].size == 3


def test_an_unchanged_project_is_remembered_without_writing(project, environment, a_tree, at_once):
    project.put("a", "one")
    a_tree()
    path = Memory.of(project.path, environment).path
    json.loads(path.read_text())
    before = path.stat()
    a_tree()
    assert path.stat() == before


def test_two_projects_do_not_share_what_is_remembered(environment, tmp_path):
    assert Memory.of(tmp_path / "a", environment).path != Memory.of(tmp_path / "b", environment).path


def test_what_is_no_file_any_more_since_the_scan_is_none(project, environment, tmp_path):
    (tmp_path / "secret").write_text("secret")
    gone, pipe, link = (project.put(name, "one") for name in ("gone", "pipe", "link"))
    found = scan(project.settings(), None)
    for file in (gone, pipe, link):
        file.unlink()
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "secret")
    assert Memory.of(project.path, environment).tree(project.path, found) == {}
