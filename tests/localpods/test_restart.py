"""localpods may end, be killed and come back; its shims too. What is said about pods stays true."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from localpods.really_started import Localpods, processes_with, wait_until

COUNT = "import time\nfor i in range(100000): print(i, flush=True); time.sleep(0.01)"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_running_pod_outlives_the_server_and_is_taken_up_again(
    own_localpods: Localpods, how: signal.Signals, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    finished = own_localpods.python("print('kept')")
    script = (
        "import os, time\nprint('before', flush=True)\n"
        f"while not os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\n"
        "print('after', flush=True)\nraise SystemExit(7)"
    )
    running = own_localpods.python(script)
    own_localpods.finished(finished)
    before = own_localpods.in_phase(running, "Running")
    child = own_localpods.record(running)["child"]["pid"]
    code = own_localpods.end(how)
    assert code == (0 if how == signal.SIGTERM else -signal.SIGKILL)
    os.kill(child, 0)  # still there
    own_localpods.start()
    after = own_localpods.get(running)
    assert after["status"]["phase"] == "Running"
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after == before  # to its resourceVersion: nobody was told in between that it is pending again
    gate.touch()
    assert own_localpods.terminated(running)["exitCode"] == 7
    assert own_localpods.log(running) == "before\nafter\n"
    assert own_localpods.get(finished)["status"]["phase"] == "Succeeded"
    assert own_localpods.log(finished) == "kept\n"
    assert [reason for reason, _ in own_localpods.events(running)] == ["Scheduled", "Pulled", "Created", "Started"]


def test_an_end_while_the_server_was_away_is_seen_afterwards(own_localpods: Localpods) -> None:
    name = own_localpods.run("/bin/sh", "-c", "sleep 0.5; exit 9")
    child = own_localpods.record(name)["child"]["pid"]
    own_localpods.end(signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{child}"))  # noqa: PTH110
    own_localpods.start()
    assert own_localpods.terminated(name)["exitCode"] == 9


def test_the_deadline_holds_while_the_server_is_away(own_localpods: Localpods) -> None:
    name = own_localpods.run("sleep", "63.7", spec={"activeDeadlineSeconds": 1})
    own_localpods.record(name)
    own_localpods.end(signal.SIGKILL)
    wait_until(lambda: not processes_with("sleep 63.7"))
    own_localpods.start()
    assert own_localpods.finished(name)["status"]["reason"] == "DeadlineExceeded"


def test_a_pod_being_deleted_goes_on_being_deleted(own_localpods: Localpods) -> None:
    name = own_localpods.run("/bin/sh", "-c", "trap '' TERM; echo set; while :; do sleep 0.1; done")
    wait_until(lambda: own_localpods.get(name)["status"]["phase"] == "Running" and own_localpods.log(name))
    own_localpods.delete(name, gracePeriodSeconds=2)
    own_localpods.end(signal.SIGKILL)
    own_localpods.start()
    assert own_localpods.gone(name)


def test_a_killed_shim_takes_its_container_along_and_the_pod_is_failed(own_localpods: Localpods) -> None:
    code = (
        "import subprocess,sys; subprocess.Popen(['sleep', '64.7'], start_new_session=True);"
        "subprocess.run(['sleep', '64.7'])"
    )
    name = own_localpods.python(code)
    wait_until(lambda: len(processes_with("sleep 64.7")) >= 2)
    os.kill(own_localpods.record(name)["shim"]["pid"], signal.SIGKILL)
    pod = own_localpods.finished(name)
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (pod["status"]["phase"], ended["exitCode"], ended["reason"]) == ("Failed", 137, "ContainerStatusUnknown")
    assert "was killed" in ended["message"]
    assert processes_with("sleep 64.7") == []


def test_a_container_without_shim_or_record_is_failed_truthfully_at_the_start(own_localpods: Localpods) -> None:
    name = own_localpods.run("/bin/sh", "-c", "sleep 65.7; exit 0")
    record = own_localpods.record(name)
    own_localpods.end(signal.SIGKILL)
    os.kill(record["shim"]["pid"], signal.SIGKILL)
    wait_until(lambda: not processes_with("sleep 65.7; exit 0"))  # the system ends the child with its shim
    own_localpods.start()
    ended = own_localpods.terminated(name)
    assert (ended["exitCode"], ended["reason"]) == (137, "ContainerStatusUnknown")
    assert f"pid {record['shim']['pid']}" in ended["message"]
    assert processes_with("sleep 65.7") == []


def test_a_recorded_number_that_another_process_has_now_is_left_alone(own_localpods: Localpods) -> None:
    name = own_localpods.run("sleep", "66.7")
    record = own_localpods.record(name)
    own_localpods.end(signal.SIGKILL)
    os.kill(record["shim"]["pid"], signal.SIGKILL)
    uid = next((own_localpods.state / "pods").iterdir()).name
    with subprocess.Popen(["sleep", "67.7"], start_new_session=True) as stranger:
        record["child"] = {"pid": stranger.pid, "created": 1.0}
        path = own_localpods.state / "pods" / uid / "containers" / "base" / "record.json"
        path.write_text(json.dumps(record))
        own_localpods.start()
        assert own_localpods.terminated(name)["reason"] == "ContainerStatusUnknown"
        assert stranger.poll() is None
        stranger.kill()


def test_a_pod_that_had_not_started_is_started(own_localpods: Localpods) -> None:
    images = own_localpods.images.read_text()
    own_localpods.images.write_text("{}")
    name = own_localpods.python("print('late')")
    wait_until(lambda: own_localpods.get(name)["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] != "x")
    own_localpods.end(signal.SIGKILL)
    own_localpods.images.write_text(images)
    own_localpods.start()
    assert own_localpods.finished(name)["status"]["phase"] == "Succeeded"


def test_versions_grow_over_a_restart_and_old_watches_are_told_to_list_again(own_localpods: Localpods) -> None:
    first = own_localpods.python("pass")
    version = int(own_localpods.finished(first)["metadata"]["resourceVersion"])
    own_localpods.end(signal.SIGKILL)
    own_localpods.start()
    with own_localpods.http() as http:
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": 1}
        answer = http.get("/api/v1/pods", params=query)
        assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")
        assert int(http.get("/api/v1/pods").json()["metadata"]["resourceVersion"]) > version
    second = own_localpods.python("pass")
    assert int(own_localpods.get(second)["metadata"]["resourceVersion"]) > version


def test_a_pod_that_cannot_be_read_is_kept_aside_and_the_others_go_on(own_localpods: Localpods) -> None:
    good, bad = own_localpods.python("pass"), own_localpods.python("pass")
    own_localpods.finished(good)
    uid = own_localpods.finished(bad)["metadata"]["uid"]
    own_localpods.end(signal.SIGTERM)
    (own_localpods.state / "pods" / uid / "pod.json").write_text("{ torn")
    own_localpods.start()
    assert own_localpods.get(good)["status"]["phase"] == "Succeeded"
    assert own_localpods.get(bad)["code"] == 404
    assert (own_localpods.state / "pods" / f"unreadable-{uid}").is_dir()
    assert uid in (own_localpods.folder / "server.log").read_text()


def test_two_servers_cannot_use_one_state_folder(own_localpods: Localpods) -> None:
    command = own_localpods.command()
    command[command.index("--port") + 1] = "0"
    second = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert second.returncode == 2
    assert "another localpods is using this folder" in second.stderr


def test_a_taken_port_is_one_clear_line(own_localpods: Localpods, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Localpods(tmp_path_factory.mktemp("other"))
    other.port = own_localpods.port
    ended = subprocess.run(other.command(), capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    assert f"port {own_localpods.port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_followed_log_goes_on_after_a_restart_without_loss_or_repetition(own_localpods: Localpods) -> None:
    name = own_localpods.python(COUNT)
    own_localpods.in_phase(name, "Running")
    first = _follow_until_cut(own_localpods, name, cut=lambda: own_localpods.end(signal.SIGKILL))
    own_localpods.start()
    last = first[-1].split(" ")[0]
    second = own_localpods.log(name, timestamps="true", sinceTime=last).splitlines()
    assert second[0] == first[-1]
    numbers = [int(line.split(" ")[1]) for line in [*first, *second[1:]]]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > len(first) > 20
    own_localpods.delete(name, gracePeriodSeconds=0)


def _follow_until_cut(localpods: Localpods, name: str, cut: object) -> list[str]:
    """Full lines that came before the server was killed under the reader."""
    received = bytearray()
    with localpods.http() as http:
        path = f"/api/v1/namespaces/default/pods/{name}/log"
        killer = threading.Timer(0.6, cut)  # type: ignore[arg-type]
        with http.stream("GET", path, params={"follow": "true", "timestamps": "true"}) as stream:
            killer.start()
            with contextlib.suppress(httpx.HTTPError):
                for part in stream.iter_raw():
                    received += part
        killer.join()
    return received.decode().split("\n")[:-1]


def test_only_so_many_finished_pods_are_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    few = Localpods(tmp_path_factory.mktemp("few"), "--keep-finished", "2")
    few.start()
    try:
        names = []
        for _ in range(4):
            names.append(few.python("pass"))
            few.finished(names[-1])
        wait_until(lambda: len(list((few.state / "pods").iterdir())) == 2)
        assert [few.get(name).get("code") for name in names[:2]] == [404, 404]
        assert [few.get(name)["kind"] for name in names[2:]] == ["Pod", "Pod"]
    finally:
        few.close()


def test_the_shim_gets_nothing_of_the_servers_environment(own_localpods: Localpods) -> None:
    name = own_localpods.run("sleep", "69.7")
    shim = psutil.Process(own_localpods.record(name)["shim"]["pid"])
    assert set(shim.environ()) <= {"PATH", "LC_CTYPE"}
    own_localpods.delete(name, gracePeriodSeconds=0)


def test_the_shim_itself_is_small(own_localpods: Localpods) -> None:
    """It runs beside every container: what the server needs must not creep into it."""
    code = "import sys, daybook.localpods.shim; print(sorted({name.split('.')[0] for name in sys.modules}))"
    imported = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("starlette", "uvicorn", "pydantic", "httpx", "cryptography", "asyncio"):
        assert f"'{heavy}'" not in imported
