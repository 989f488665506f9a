"""The local stack's Spark server on its own; what stands in for Java takes clients, and counts them."""

from __future__ import annotations

import os
import socket
import sys
import time

import pytest

from cli.serving import free_ports
from daybook.cli.stack import kubeconfig, local_workspace, state
from daybook.cli.stack.components import SPARK
from daybook.cli.stack.launch import Watch
from daybook.cli.stack.ports import Ports
from daybook.cli.stack.processes import marked
from daybook.cli.stack.spark import local_server, start_server, stop_server
from daybook.contract.errors import InfrastructureFailed, InvalidRequest, InvalidSettings

# What was started goes on after the command; here it is this process's child until the test ends it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ENVIRONMENT = {"PATH": os.environ["PATH"]}
PYTHON = f"""#!{sys.executable}
import http.server, socket, sys, threading, time
words = sys.argv[1:]
clients = []
class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if "silent" in open(__file__ + ".mode").read() else 200)
        self.end_headers()
        self.wfile.write(f"{{len(clients)}} session(s) are online".encode())
def hold(client):
    if client.recv(1):  # who only looks whether somebody listens says nothing
        clients.append(client)
        client.recv(1)
        clients.remove(client)
    client.close()
if "serve" in words:
    if "no-java" in open(__file__ + ".mode").read():
        sys.exit("no Java will do")
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", int(words[words.index("--ui-port") + 1])), Pages)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    listening = socket.create_server(("127.0.0.1", int(words[words.index("--port") + 1])))
    while True:
        threading.Thread(target=hold, args=listening.accept()[:1]).start()
if "check" in words:
    place = words[words.index("--remote") + 1].removeprefix("sc://").split(":")
    while True:
        try:
            socket.create_connection(place).close()
            break
        except OSError:
            time.sleep(0.05)
"""


@pytest.fixture
def ports(project):
    api, pods, spark, ui = free_ports(4)
    found = Ports(api, pods, spark, ui)
    state.remember(project, found)
    kubeconfig.write_images(project)
    local_workspace.write_workspaces(project, found)
    return found


@pytest.fixture
def mode(project):
    """Says whether the stand-in finds its Java."""
    environment = project.root / ".venv-notebook"
    environment.unlink()
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").write_text(PYTHON)
    (environment / "bin" / "python").chmod(0o755)
    (environment / "bin" / "daybook").touch()
    file = environment / "bin" / "python.mode"
    file.write_text("")
    return file


@pytest.fixture
def said(project):
    lines: list[str] = []
    yield lines
    for process in marked(project.state):
        process.kill()


@pytest.fixture
def watch(said):
    return Watch(said.append, lambda name, what: None)


def test_it_is_started_alone_told_and_stopped(project, ports, mode, watch, said):
    assert local_server(project).state == "down"
    started = start_server(project, ENVIRONMENT, watch)
    assert (started.state, started.sessions) == ("answers", 0)
    assert (started.remote, started.ui) == (f"sc://127.0.0.1:{ports.spark}", f"http://127.0.0.1:{ports.spark_ui}")
    assert started.memory
    assert started.started_at
    assert list(state.alive(project)) == [SPARK]
    assert start_server(project, ENVIRONMENT, watch).pid == started.pid, "again is fine"
    stopped = stop_server(project, said.append, force=False)
    assert stopped.pid == started.pid
    assert local_server(project).state == "down"
    assert not marked(project.state)
    assert stop_server(project, said.append, force=False).pid is None


def test_one_that_is_used_is_stopped_only_by_force(project, ports, mode, watch, said):
    start_server(project, ENVIRONMENT, watch)
    with socket.create_connection(("127.0.0.1", ports.spark)) as client:
        client.sendall(b"s")
        deadline = time.monotonic() + 60
        while local_server(project).sessions != 1:  # it has to take the connection first
            assert time.monotonic() < deadline
        with pytest.raises(InvalidRequest, match=r"sessions are open \(1\).*--force"):
            stop_server(project, said.append, force=False)
        assert stop_server(project, said.append, force=True).pid is not None


def test_one_that_does_not_tell_whether_it_is_used_is_stopped_only_by_force(project, ports, mode, watch, said):
    start_server(project, ENVIRONMENT, watch)
    mode.write_text("silent")
    assert local_server(project).sessions is None
    with pytest.raises(InvalidRequest, match=r"do not tell whether sessions are open.*--force"):
        stop_server(project, said.append, force=False)
    assert stop_server(project, said.append, force=True).pid is not None


def test_one_that_does_not_start_says_why_and_leaves_nothing(project, ports, mode, watch):
    mode.write_text("no-java")
    with pytest.raises(InfrastructureFailed, match="no Java will do"):
        start_server(project, ENVIRONMENT, watch)
    assert local_server(project).state == "down"
    assert not marked(project.state)


def test_a_port_that_is_taken_is_named(project, ports, mode, watch):
    with socket.create_server(("127.0.0.1", ports.spark)), pytest.raises(InvalidSettings, match=f"port {ports.spark}"):
        start_server(project, ENVIRONMENT, watch)


def test_without_a_stack_there_is_nobody_to_serve(project, watch):
    with pytest.raises(InvalidRequest, match="daybook up"):
        start_server(project, ENVIRONMENT, watch)
