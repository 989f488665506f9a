"""kubectl through the kubeconfig that localpods writes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localpods.really_started import IMAGE, Localpods, wait_until

KUBECTL = shutil.which("kubectl", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on this machine; README says what it is for")


def kubectl(localpods: Localpods, *arguments: str, given: str | None = None, fails: bool = False) -> str:
    command = [str(KUBECTL), "--kubeconfig", str(localpods.kubeconfig), *arguments]
    environment = {"HOME": str(localpods.folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout + done.stderr


def test_get_shows_what_it_shows_of_a_cluster(localpods: Localpods) -> None:
    good = localpods.python("print('x')", name="shown-good")
    bad = localpods.python("raise SystemExit(2)", name="shown-bad")
    running = localpods.run("sleep", "60", name="shown-running")
    for name in (good, bad):
        localpods.finished(name)
    localpods.in_phase(running, "Running")
    rows = {line.split()[0]: line.split() for line in kubectl(localpods, "get", "pods").splitlines()}
    assert rows["NAME"] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert rows[good][1:4] == ["0/1", "Completed", "0"]
    assert rows[bad][1:4] == ["0/1", "Error", "0"]
    assert rows[running][1:4] == ["1/1", "Running", "0"]
    wide = kubectl(localpods, "get", "pod", running, "-o", "wide")
    assert "127.0.0.1" in wide
    assert "localpods" in wide
    found = json.loads(kubectl(localpods, "get", "pod", good, "-o", "json"))
    assert found["status"]["phase"] == "Succeeded"
    everywhere = kubectl(localpods, "get", "pods", "-A", "-l", "!nothing", "--field-selector", "status.phase=Running")
    assert running in everywhere
    assert good not in everywhere
    kubectl(localpods, "delete", "pod", running, "--grace-period=1")
    assert "not found" in kubectl(localpods, "get", "pod", running, fails=True)


def test_describe_tells_state_and_events(localpods: Localpods) -> None:
    name = localpods.python("raise SystemExit(5)")
    localpods.finished(name)
    told = kubectl(localpods, "describe", "pod", name)
    for expected in ("Status:           Failed", "Exit Code:    5", "Scheduled", "Started container base", IMAGE):
        assert expected in told


def test_logs_come_whole_in_parts_and_as_they_grow(localpods: Localpods) -> None:
    code = "import time\nfor i in range(20): print('line', i, flush=True); time.sleep(0.03)"
    name = localpods.python(code)
    localpods.in_phase(name, "Running")
    followed = kubectl(localpods, "logs", "-f", name)
    assert followed.splitlines() == [f"line {number}" for number in range(20)]
    assert kubectl(localpods, "logs", name, "--tail", "2") == "line 18\nline 19\n"
    assert kubectl(localpods, "logs", name, "--timestamps", "--tail=1").endswith("Z line 19\n")
    assert "not found" in kubectl(localpods, "logs", name, "--previous", fails=True)


def test_wait_sees_readiness_an_end_and_a_removal(localpods: Localpods) -> None:
    name = localpods.run("sleep", "1")
    assert "condition met" in kubectl(localpods, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=20s")
    succeeded = "--for=jsonpath={.status.phase}=Succeeded"
    assert "condition met" in kubectl(localpods, "wait", succeeded, f"pod/{name}", "--timeout=20s")
    kubectl(localpods, "delete", "pod", name, "--wait=false")
    kubectl(localpods, "wait", "--for=delete", f"pod/{name}", "--timeout=20s")


def test_apply_label_annotate_and_watch(localpods: Localpods) -> None:
    container = {"name": "main", "image": IMAGE, "command": [sys.executable, "-c", "print(1)"]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "applied", "labels": {"one": "1"}},
        "spec": {"containers": [container]},
    }
    assert "created" in kubectl(localpods, "apply", "-f", "-", given=json.dumps(pod))
    localpods.finished("applied")
    pod["metadata"] = {"name": "applied", "labels": {"one": "2"}}
    assert "configured" in kubectl(localpods, "apply", "-f", "-", given=json.dumps(pod))
    kubectl(localpods, "label", "pod", "applied", "two=2")
    kubectl(localpods, "annotate", "pod", "applied", "note=some text")
    metadata = localpods.get("applied")["metadata"]
    assert metadata["labels"] == {"one": "2", "two": "2"}
    assert metadata["annotations"]["note"] == "some text"
    environment = {"HOME": str(localpods.folder), "PATH": "/usr/bin:/bin"}
    command = [str(KUBECTL), "--kubeconfig", str(localpods.kubeconfig), "get", "pods", "-w", "-l", "one=2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().split()[:3] == ["NAME", "READY", "STATUS"]
        assert watching.stdout.readline().split()[:3] == ["applied", "0/1", "Completed"]
        kubectl(localpods, "label", "pod", "applied", "three=3")
        assert watching.stdout.readline().split()[0] == "applied"
        watching.terminate()
    wait_until(lambda: kubectl(localpods, "delete", "pods", "-l", "one=2"))
    assert localpods.gone("applied")
