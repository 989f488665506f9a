"""The log never harms the run, whatever its file or stream does."""

import errno
import io
from pathlib import Path

import pytest

from daybook.contract.errors import ExitCode
from daybook.runner import log as logs
from daybook.runner.log import RunLog

FULL = Path("/dev/full")
"""Linux's own full disk: it opens, and every write fails."""


class FullDisk(io.StringIO):
    """A file that takes no character."""

    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")


def a_log(path, stream=None):
    return RunLog(path, stream or io.StringIO(), lambda: "now")


def test_lines_and_prints_are_kept_and_shown(tmp_path):
    stream = io.StringIO()
    with a_log(tmp_path / "log.txt", stream) as log:
        log.say("one")
        log.cell_printed("half a ")
        log.say("two")
        assert log.content() == b"now one\nhalf a \nnow two\n"
    assert stream.getvalue() == "one\nhalf a \ntwo\n"
    assert log.content() == (tmp_path / "log.txt").read_bytes()


def test_what_cells_print_is_kept_up_to_a_limit_and_the_runners_lines_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "LOG_BYTES", 11)
    stream = io.StringIO()
    with a_log(tmp_path / "log.txt", stream) as log:
        log.cell_printed("ßßß\n")
        log.cell_printed("ßßß\n")
        log.cell_printed("no more\n")
        log.say("last")
    told = "the rest of what cells print is not in the log, which holds 11 bytes of it\n"
    assert log.content().decode() == f"ßßß\nßß\nnow {told}now last\n"
    assert stream.getvalue() == f"ßßß\nßß\n{told}last\n"


def test_a_log_that_is_just_full_says_so_once_more_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "LOG_BYTES", 4)
    with a_log(tmp_path / "log.txt") as log:
        log.cell_printed("one\n")
        assert log.content() == b"one\n"
        for _ in range(3):
            log.cell_printed("two\n")
    assert log.content().count(b"the rest of what cells print") == 1


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_disk_that_is_full_costs_lines_of_the_file_only():
    stream = io.StringIO()
    with a_log(FULL, stream) as log:
        log.cell_printed("x" * 100_000)
        log.say("after")
        log.say("last")
    assert stream.getvalue().endswith("\nafter\nlast\n")


@pytest.mark.parametrize("fails_at", ["opening", "writing"])
def test_what_the_disk_does_not_take_is_held_in_memory(tmp_path, monkeypatch, fails_at):
    def opened(*_, **__):
        if fails_at == "opening":
            raise OSError(errno.ENOSPC, "No space left on device")
        return FullDisk()

    monkeypatch.setattr(Path, "open", opened)
    with a_log(tmp_path / "log.txt") as log:
        log.say("one")
        log.cell_printed("x" * 1_000_000)
        log.say("last")
    monkeypatch.undo()
    said = log.content().decode()
    assert "the disk did not take the log: No space left on device]" in said
    assert said.endswith("x\nnow last\n")
    assert len(said) < 400_000


def test_a_log_file_that_is_gone_is_told_of(tmp_path):
    with a_log(tmp_path / "log.txt") as log:
        log.say("one")
        log.content()
        (tmp_path / "log.txt").unlink()
        log.say("two")
        assert b"lines may be missing here" in log.content()
        log.say("three")
        assert log.content().endswith(b"now three\n")


def test_a_run_whose_disk_takes_no_log_leaves_everything_in_the_bucket(run, monkeypatch):
    real = Path.open

    def opened(path, mode="r", *given, **named):
        return FullDisk() if (path.name, mode) == ("log.txt", "w") else real(path, mode, *given, **named)

    monkeypatch.setattr(Path, "open", opened)
    ended = run("from daybook.notebook import outputs\nprint(outputs('a.txt').write_text('kept'))")
    monkeypatch.undo()
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert ended.manifest.succeeded
    assert (ended.folder / "outputs" / "a.txt").read_text() == "kept"
    said = (ended.folder / "log.txt").read_text()
    assert "the disk did not take the log" in said
    assert "succeeded [" in said.splitlines()[-1]
