"""A project and its folder on the stand-in's driver, over real HTTP, with a real Python there."""

import os
import shutil
import threading
from pathlib import Path

import pytest
from databricks.sdk.core import DatabricksError

from databricks.standin import Fault
from databricks.sync.conftest import Context
from daybook.databricks.errors import RemoteFailed
from daybook.databricks.interruption import Interrupted
from daybook.databricks.sync import state, synchronising
from daybook.databricks.sync.errors import FileSizeError, SyncFailed
from daybook.databricks.sync.scanning import scan as scan_once

LARGE = 3_000_000
"""More than travels within commands."""


@pytest.fixture
def sync(make):
    return make()


def remote_files(sync):
    """What lies in the remote folder: the content of files, the targets of links, None for folders."""
    top = os.fsencode(sync.remote_folder)
    found = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, top)
            if os.path.islink(path):
                found[relative] = os.readlink(path)
            else:
                found[relative] = None if os.path.isdir(path) else Path(os.fsdecode(path)).read_bytes()
    return found


def test_the_first_time_everything_is_sent(project, sync, remote):
    project.put("job.py", "x = 1")
    project.put("data/a.csv", "1")
    project.put("run.sh", "#").chmod(0o755)
    (project.path / "empty").mkdir()
    (project.path / "link").symlink_to("data/a.csv")
    report = sync.synchronise(remote)
    expected = {b"job.py": b"x = 1", b"data": None, b"data/a.csv": b"1", b"run.sh": b"#", b"empty": None}
    assert remote_files(sync) == {**expected, b"link": b"data/a.csv"}
    assert (report.files, report.sent_files, report.removed_files, report.notes) == (3, 3, 0, ())
    assert report.sent_bytes > 0
    assert len(remote.commands) == 1


def test_cells_import_and_open_what_was_sent(project, sync, remote):
    project.put("helpers/module.py", "def answer(): return 42")
    sync.synchronise(remote)
    folder = sync.remote_folder
    code = f"import sys; sys.path.insert(0, {folder!r}); from helpers.module import answer; print(answer())"
    assert remote.run_python(code) == "42"
    project.put("helpers/other.py", "x = 43")
    sync.synchronise(remote)
    assert remote.run_python("from helpers.other import x; print(x)") == "43"


def test_many_files_travel_as_uploads(standin, project, sync, remote):
    content = {f"d{number % 7}/{number}".encode(): os.urandom(40_000) for number in range(100)}
    for name, data in content.items():
        project.put(name, data)
    report = sync.synchronise(remote)
    assert {name: data for name, data in remote_files(sync).items() if data is not None} == content
    assert standin.files.imported
    assert report.sent_files == 100
    assert report.sent_bytes > 4_000_000


def test_an_unchanged_project_costs_one_look_and_one_question(standin, project, sync, remote, monkeypatch):
    monkeypatch.setattr(state, "AT_REST_NS", -60_000_000_000)
    for number in range(100):
        project.put(f"{number}", os.urandom(1000))
    sync.synchronise(remote)
    monkeypatch.setattr(state, "_read", lambda path: pytest.fail(f"{path} was read"))
    monkeypatch.setattr(sync._memory, "_save", lambda files: pytest.fail("what is known was written"))
    before, asked = len(remote.commands), len(standin.asked)
    report = sync.synchronise(remote)
    assert (report.files, report.sent_files, report.sent_bytes) == (100, 0, 0)
    assert [len(command) < 500 for command in remote.commands[before:]] == [True]
    assert {each.path for each in standin.asked[asked:]} == {"/api/1.2/commands/execute", "/api/1.2/commands/status"}


def test_of_a_change_that_alone_is_sent_within_one_command(project, sync, remote):
    large = bytearray(os.urandom(LARGE))
    project.put("large", bytes(large))
    for number in range(50):
        project.put(f"{number}", os.urandom(1000))
    sync.synchronise(remote)
    large[LARGE // 2] ^= 1
    project.put("large", bytes(large))
    before = len(remote.commands)
    report = sync.synchronise(remote)
    assert remote_files(sync)[b"large"] == large
    assert report.sent_files == 1
    assert report.sent_bytes < 300_000
    assert len(remote.commands) == before + 1


def test_deletions_are_applied(project, sync, remote):
    for name in ("a", "d/b", "d/e/c"):
        project.put(name, name)
    (project.path / "link").symlink_to("a")
    sync.synchronise(remote)
    shutil.rmtree(project.path / "d")
    (project.path / "a").unlink()
    (project.path / "link").unlink()
    report = sync.synchronise(remote)
    assert remote_files(sync) == {}
    assert (report.files, report.sent_files, report.removed_files) == (0, 0, 4)


def test_a_rename_sends_no_content(project, sync, remote):
    content = os.urandom(LARGE)
    project.put("old/large", content)
    sync.synchronise(remote)
    (project.path / "old").rename(project.path / "new")
    report = sync.synchronise(remote)
    assert remote_files(sync) == {b"new": None, b"new/large": content}
    assert (report.sent_files, report.removed_files) == (0, 1)
    assert report.sent_bytes < 2000


def test_files_may_change_places(project, sync, remote):
    project.put("a", "first")
    project.put("b", "second")
    sync.synchronise(remote)
    (project.path / "a").rename(project.path / "c")
    (project.path / "b").rename(project.path / "a")
    (project.path / "c").rename(project.path / "b")
    assert sync.synchronise(remote).sent_files == 0
    assert remote_files(sync) == {b"a": b"second", b"b": b"first"}


HOSTILE = [
    *[
        b"quo'te\".py",
        b"new\nline",
        b"tab\t",
        b"\\",
        b"$(touch x)",
        b"`x`",
        b"; rm -rf *",
        b"%s%d{}",
        b"-rf",
        b"...",
        b"a b ",
    ],
    *["ünïcödé/日本".encode(), b"\xff\xfe\x80", b"'''", b'"""', b"\x1b[0m", b"#", b"~", b"*", b"x" * 255],
]


@pytest.mark.parametrize("large", [False, True])
def test_names_are_what_they_are_and_nothing_else(project, sync, remote, large):
    for name in HOSTILE:
        project.put(name, os.urandom(200_000) if large else name)
    sync.synchronise(remote)
    sent = {name for name, data in remote_files(sync).items() if data is not None}
    assert sent == set(HOSTILE)
    for name in HOSTILE:
        (project.path / os.fsdecode(name)).unlink()
    sync.synchronise(remote)
    assert {name for name, data in remote_files(sync).items() if data is not None} == set()


def test_no_name_ever_stands_in_source(project, sync, remote):
    project.put("a_very_special_name.py", "x")
    sync.synchronise(remote)
    (project.path / "a_very_special_name.py").unlink()
    sync.synchronise(remote)
    assert not any("special" in command for command in remote.commands)


def test_too_much_is_refused_before_anything_is_sent(standin, project, make, remote):
    project.put("big", b"x" * 2**20 + b"x")
    before = len(standin.asked)
    with pytest.raises(FileSizeError, match="big"):
        make(max_file_size_mb=1).synchronise(remote)
    assert len(standin.asked) == before


def test_what_was_left_out_is_told_once(project, sync, remote):
    os.mkfifo(project.path / "pipe")
    assert sync.synchronise(remote).notes == ("pipe was left out: it is a named pipe, not a file",)
    assert sync.synchronise(remote).notes == ()


def test_an_interrupted_synchronisation_goes_on_from_what_arrived(standin, project, sync, remote):
    sync._sender.uploads = None
    content = {f"{number}".encode(): os.urandom(300_000) for number in range(20)}
    for name, data in content.items():
        project.put(name, data)
    standin.faults.add(Fault("/commands/execute", 400, after=4, body={"error": "on purpose"}))
    with pytest.raises(Exception, match="on purpose"):
        sync.synchronise(remote)
    arrived = sum(path.stat().st_size for path in (Path(sync.remote_folder).parent / "blocks").iterdir())
    assert arrived > 1_000_000
    report = sync.synchronise(remote)
    assert remote_files(sync) == content
    assert report.sent_bytes < 6_000_000 - arrived + 10_000


def test_uploads_that_arrived_are_not_sent_again(standin, project, sync, remote):
    project.put("large", os.urandom(20_000_000))
    body = {"error_code": "SOMETHING", "message": "on purpose"}
    standin.faults.add(Fault("/workspace/import", 500, after=1, body=body))
    run = remote.run_python
    remote.run_python = lambda code: run(code) if len(remote.commands) < 2 else 1 / 0
    with pytest.raises(ZeroDivisionError):
        sync.synchronise(remote)
    remote.run_python = run
    report = sync.synchronise(remote)
    assert report.sent_bytes < 13_000_000
    assert remote_files(sync)[b"large"] == (project.path / "large").read_bytes()


def test_a_lost_context_on_the_same_driver_sends_nothing_again(standin, project, sync, remote, client):
    project.put("large", os.urandom(LARGE))
    sync.synchronise(remote)
    standin.contexts.lose_all()
    with pytest.raises(Exception, match="no context"):
        sync.synchronise(remote)
    assert sync.synchronise(Context(client)).sent_bytes < 1000


def test_on_a_fresh_driver_everything_is_sent_again(standin, project, sync, remote, client):
    project.put("large", os.urandom(LARGE))
    project.put("small", "x")
    sync.synchronise(remote)
    standin.contexts.lose_all()
    shutil.rmtree(standin.root / "driver")
    report = sync.synchronise(Context(client))
    assert report.sent_files == 2
    assert remote_files(sync)[b"small"] == b"x"


@pytest.mark.parametrize("gone", ["all of it", "the files"])
def test_a_folder_that_cells_removed_is_filled_again(project, sync, remote, gone):
    project.put("a", "x")
    sync.synchronise(remote)
    folder = Path(sync.remote_folder)
    shutil.rmtree(folder if gone == "the files" else folder.parent)
    assert sync.synchronise(remote).sent_files == 1
    assert remote_files(sync) == {b"a": b"x"}


def test_what_cells_wrote_stays(project, sync, remote):
    project.put("a", "x")
    sync.synchronise(remote)
    (Path(sync.remote_folder) / "result.csv").write_text("1")
    (Path(sync.remote_folder) / "a").write_text("by a cell")
    project.put("b", "y")
    sync.synchronise(remote)
    assert remote_files(sync) == {b"a": b"by a cell", b"b": b"y", b"result.csv": b"1"}


def test_what_could_not_be_applied_fails_and_is_whole_the_next_time(project, sync, remote):
    project.put("a", "x")
    sync.synchronise(remote)
    in_the_way = Path(sync.remote_folder) / "b"
    in_the_way.mkdir()
    (in_the_way / "mine").touch()
    project.put("b", "y")
    project.put("a", "z")
    for _ in range(2):
        with pytest.raises(
            SyncFailed, match="'b' is a file of the project, and on the driver a folder that cells made"
        ):
            sync.synchronise(remote)
    (in_the_way / "mine").unlink()
    sync.synchronise(remote)
    assert remote_files(sync) == {b"a": b"z", b"b": b"y"}


def test_a_file_that_changes_while_it_is_sent_is_sent_as_it_is_then(project, sync, remote, monkeypatch):
    project.put("a", "x")
    scan, times = scan_once, []

    def changing(*args):
        found = scan(*args)
        times.append(1)
        return found

    tree = sync._memory.tree

    def and_then(*args):
        found = tree(*args)
        if len(times) == 1:
            project.put("a", "changed")
        return found

    monkeypatch.setattr(synchronising, "scan", changing)
    monkeypatch.setattr(sync._memory, "tree", and_then)
    sync.synchronise(remote)
    assert len(times) == 2
    assert remote_files(sync) == {b"a": b"changed"}


def test_a_file_that_never_stops_changing_fails_the_cell_and_is_named(project, sync, remote, monkeypatch):
    tree = sync._memory.tree

    def and_then(*args):
        found = tree(*args)
        project.put("log", os.urandom(10))
        return found

    project.put("log", "x")
    monkeypatch.setattr(sync._memory, "tree", and_then)
    with pytest.raises(SyncFailed, match="log changes faster than it can be sent"):
        sync.synchronise(remote)
    assert not remote.commands or remote_files(sync) == {}


def test_a_plan_that_is_longer_than_a_command_travels_too(project, sync, remote, monkeypatch):
    monkeypatch.setattr(synchronising, "PLAN_BYTES", 1000)
    content = {f"{number:040}".encode(): str(number).encode() for number in range(500)}
    for name, data in content.items():
        project.put(name, data)
    sync.synchronise(remote)
    assert remote_files(sync) == content
    for name in list(content)[:400]:
        (project.path / os.fsdecode(name)).rename(project.path / f"moved-{os.fsdecode(name)}")
    assert sync.synchronise(remote).sent_files == 0
    assert len(remote_files(sync)) == 500


def test_every_kernel_has_a_folder_of_its_own(project, make, remote):
    project.put("a", "x")
    one, other, of_a_run = make(), make(), make("run-1")
    for sync in (one, other, of_a_run):
        sync.synchronise(remote)
    assert len({each.remote_folder for each in (one, other, of_a_run)}) == 3
    assert "-project-run-1-" in of_a_run.remote_folder
    one.remove(remote)
    assert remote_files(other) == remote_files(of_a_run) == {b"a": b"x"}


def test_removing_leaves_nothing_behind(standin, project, sync, remote):
    project.put("large", os.urandom(LARGE))
    (project.path / "self").symlink_to(".")
    sync.synchronise(remote)
    temporary = standin.root / "driver/tmp"
    (temporary / "others").mkdir()
    sync.remove(remote)
    sync.remove(remote)
    assert os.listdir(temporary) == ["others"]
    assert [path for path in standin.files.root.rglob("*") if path.is_file()] == []
    sync.synchronise(remote)
    assert len(remote_files(sync)) == 2


def test_removing_what_was_never_made_asks_nothing(standin, sync, remote):
    before = len(standin.asked)
    sync.remove(remote)
    assert len(standin.asked) == before


def test_a_folder_that_cannot_be_removed_is_told(project, sync, remote):
    project.put("a", "x")
    sync.synchronise(remote)
    base = Path(sync.remote_folder).parent
    base.chmod(0o755)
    with pytest.raises(RemoteFailed, match="is not the private folder"):
        sync.remove(remote)


def test_the_remote_folder_is_known_before_anything_is_sent(sync):
    assert sync.remote_folder.startswith("/tmp/daybook-project-")


def uploaded(standin):
    return [path for path in standin.files.root.rglob("*") if path.is_file()]


def test_uploads_are_removed_at_the_end_of_a_session_whose_cell_does_not_stop(
    standin, project, sync, sessions, monkeypatch
):
    project.put("data", os.urandom(LARGE))
    ask, arrived, gate = sync._driver.ask, threading.Event(), threading.Event()

    def stuck(remote, do, **asked):
        if do == "store":
            arrived.set()
            gate.wait()
        return ask(remote, do, **asked)

    monkeypatch.setattr(sync._driver, "ask", stuck)
    session = sessions.new(lambda: sync)
    thread, _, errors = session.begin("print('ran')")
    try:
        assert arrived.wait(60)
        assert uploaded(standin)
        session.session.close(0.1)
        assert uploaded(standin) == []
    finally:
        gate.set()
    thread.join()
    assert [type(error) for error in errors] == [Interrupted]


def test_uploads_are_removed_where_the_driver_cannot_be_asked_any_more(standin, project, sync, remote):
    project.put("data", os.urandom(LARGE))
    standin.faults.add(Fault("/workspace/delete", 403, body={"error_code": "PERMISSION_DENIED", "message": "no"}))
    with pytest.raises(SyncFailed, match="could not be removed"):
        sync.synchronise(remote)
    assert uploaded(standin)
    standin.contexts.lose_all()
    with pytest.raises(DatabricksError):
        sync.remove(remote)
    assert uploaded(standin) == []
