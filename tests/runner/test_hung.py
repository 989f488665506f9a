"""Kernels that are there but do nothing: found out by their heartbeat, or by a reply that never comes."""

import os

import pytest

from daybook.contract.errors import ExitCode
from daybook.contract.manifest import Reason, State
from daybook.runner import client


@pytest.fixture
def impatient(monkeypatch):
    """Waits a few seconds where otherwise half a minute is waited."""
    monkeypatch.setattr(client, "HEARTBEAT_SECONDS", 0.3)
    monkeypatch.setattr(client, "SILENCE_SECONDS", 1.5)
    monkeypatch.setattr(client, "SILENT_END_SECONDS", 1.5)


def test_a_kernel_that_was_stopped_is_found_out(run, impatient):
    stopped = "import os, signal, time\nprint('so far', flush=True)\ntime.sleep(0.5)\n"
    stopped += "os.kill(os.getpid(), signal.SIGSTOP)"
    ended = run("1", stopped, "3")
    manifest = ended.manifest
    assert (manifest.state, manifest.reason) == (State.FAILED, Reason.KERNEL_UNAVAILABLE)
    assert ended.exit_code is ExitCode.INFRASTRUCTURE_FAILED
    assert "the kernel stopped answering in cell 2/3" in manifest.message
    assert ended.states == ["succeeded", "failed", "not_run"]
    assert ended.notebook["metadata"]["daybook"]["reason"] == "kernel_unavailable"
    assert ended.printed(1) == "so far\n"


def test_a_cell_that_keeps_the_interpreter_to_itself_is_no_hung_kernel(run, impatient):
    # Sleeps with the interpreter's lock held, for longer than the silence that a hung kernel is allowed.
    ended = run("import ctypes\nctypes.PyDLL(None).usleep(3_000_000)\nprint('awake')")
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert ended.printed(0) == "awake\n"


def test_a_cell_that_is_done_without_a_reply_is_not_waited_for_for_ever(run, impatient):
    mute = """
import os
ip = get_ipython()
kernel = ip.kernel
send = kernel.session.send
def mute(stream, message, *args, **kwargs):
    kind = message if isinstance(message, str) else message["header"]["msg_type"]
    return None if kind == "execute_reply" else send(stream, message, *args, **kwargs)
kernel.session.send = mute
"""
    ended = run(mute, "2", environment=dict(os.environ))
    assert ended.manifest.reason is Reason.KERNEL_UNAVAILABLE
    assert ended.states == ["failed", "not_run"]
