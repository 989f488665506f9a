"""Pods as local processes: commands, environment, ends, limits."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

import psutil
import pytest

from localpods.really_started import IMAGE, Localpods, processes_with, wait_until

SHELL = "/bin/sh"


def shell(localpods: Localpods, script: str, **more: Any) -> str:
    return localpods.run(SHELL, "-c", script, **more)


def test_a_pod_that_ends_well_has_succeeded(localpods: Localpods) -> None:
    name = localpods.run(args=["-c", "print('done')"])
    pod = localpods.finished(name)
    status = pod["status"]
    assert status["phase"] == "Succeeded"
    assert (status["podIP"], status["hostIP"], status["qosClass"]) == ("127.0.0.1", "127.0.0.1", "BestEffort")
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert ended["startedAt"] <= ended["finishedAt"]
    assert ended["containerID"] == status["containerStatuses"][0]["containerID"]
    conditions = {one["type"]: (one["status"], one.get("reason")) for one in status["conditions"]}
    assert conditions["PodScheduled"] == conditions["Initialized"] == ("True", None)
    assert conditions["Ready"] == conditions["ContainersReady"] == ("False", "PodCompleted")
    assert [reason for reason, _ in localpods.events(name)] == ["Scheduled", "Pulled", "Created", "Started"]
    assert localpods.log(name) == "done\n"


def test_a_running_pod_is_ready(localpods: Localpods) -> None:
    name = localpods.run("sleep", "60")
    status = localpods.in_phase(name, "Running")["status"]
    assert status["containerStatuses"][0]["ready"] is True
    assert {one["type"]: one["status"] for one in status["conditions"]}["Ready"] == "True"
    localpods.delete(name, gracePeriodSeconds=0)
    assert localpods.gone(name)


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 3", 3), ("exit 143", 143), ("kill -9 $$$$", 137), ("kill -15 $$$$", 143), ("kill -6 $$$$", 134)],
)
def test_exit_codes_are_those_of_kubernetes(localpods: Localpods, script: str, code: int) -> None:
    ended = localpods.terminated(shell(localpods, script))
    assert (ended["exitCode"], ended["reason"]) == (code, "Error")


def test_a_command_that_is_not_there_is_a_start_error(localpods: Localpods) -> None:
    name = localpods.run("no-such-command")
    ended = localpods.terminated(name)
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert ended["message"] == "cannot start 'no-such-command': No such file or directory"
    assert ("Failed", f"Error: {ended['message']}") in localpods.events(name)
    assert localpods.log(name) == ""


def test_a_container_gets_only_the_environment_it_names(localpods: Localpods, monkeypatch: pytest.MonkeyPatch) -> None:
    env = [
        {"name": "GREETING", "value": "hello"},
        {"name": "BOTH", "value": "$(GREETING) $(NOBODY) $$(GREETING)"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "SPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    code = "import json,os,sys; print(json.dumps([dict(os.environ), os.getcwd(), sys.argv[1:]]))"
    more = {"env": env, "args": ["$(GREETING)", "$(POD)"], "resources": {"limits": {"memory": "512Mi"}}}
    name = localpods.run("/usr/bin/env", "-", "true") and localpods.run(sys.executable, "-c", code, **more)
    localpods.finished(name)
    found, cwd, arguments = json.loads(localpods.log(name))
    found.pop("LC_CTYPE", None)  # Python's own doing
    uid = localpods.get(name)["metadata"]["uid"]
    home = str(localpods.state / "pods" / uid / "home")
    assert found == {
        "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "HOSTNAME": name,
        "GREETING": "hello",
        "BOTH": "hello $(NOBODY) $(GREETING)",
        "POD": name,
        "SPACE": "default",
        "ADDRESS": "127.0.0.1",
        "LIMIT": "512",
    }
    assert cwd == home
    assert arguments == ["hello", name]


def test_home_is_the_pods_own_folder_whatever_the_pod_calls_it(localpods: Localpods) -> None:
    """A pod with a read-only root names a mount as its HOME; here that mount lies below the folder of the pod."""
    code = "import os; print(os.environ['HOME'], os.path.isdir(os.path.expanduser('~/home/daybook')))"
    name = localpods.python(
        code,
        env=[{"name": "HOME", "value": "/home/daybook"}],
        volumeMounts=[{"name": "home", "mountPath": "/home/daybook"}],
        spec={"volumes": [{"name": "home", "emptyDir": {"sizeLimit": "1Gi"}}]},
    )
    localpods.finished(name)
    uid = localpods.get(name)["metadata"]["uid"]
    assert localpods.log(name).split() == [str(localpods.state / "pods" / uid / "home"), "True"]


def test_secrets_reach_the_container_and_nothing_else(localpods: Localpods) -> None:
    value = "s3cr3t-value-of-the-test"
    folder = localpods.secrets / "default" / "credentials"
    folder.mkdir(parents=True)
    (folder / "password").write_text(value)
    (folder / "user").write_text("someone")
    env = [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "password"}}},
        {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "none", "optional": True}}},
    ]
    code = "import os; print(len(os.environ['PASSWORD']), os.environ['S_user'], 'MAYBE' in os.environ)"
    from_all = [{"prefix": "S_", "secretRef": {"name": "credentials"}}, {"secretRef": {"name": "no", "optional": True}}]
    name = localpods.python(code, env=env, envFrom=from_all)
    assert localpods.finished(name)["status"]["phase"] == "Succeeded"
    assert localpods.log(name) == f"{len(value)} someone False\n"
    kept = [path for path in localpods.state.rglob("*") if path.is_file() and value.encode() in path.read_bytes()]
    assert kept == []
    assert value not in (localpods.folder / "server.log").read_text()
    assert value not in json.dumps(localpods.get(name))


def test_a_missing_secret_keeps_the_container_waiting_until_it_is_there(localpods: Localpods) -> None:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "later", "key": "a"}}}]
    name = localpods.python("import os; print(os.environ['A'])", env=env)

    def waiting() -> Any:
        statuses = localpods.get(name)["status"].get("containerStatuses") or [{"state": {}}]
        return statuses[0]["state"].get("waiting", {}).get("message") == 'secret "later" not found'

    wait_until(waiting)
    assert localpods.get(name)["status"]["phase"] == "Pending"
    folder = localpods.secrets / "default" / "later"
    folder.mkdir(parents=True)
    (folder / "a").write_text("now")
    assert localpods.finished(name)["status"]["phase"] == "Succeeded"
    assert localpods.log(name) == "now\n"


def test_an_unknown_image_is_not_pulled_and_the_message_says_what_there_is(localpods: Localpods) -> None:
    name = localpods.run(image="daybook/unknown:1")
    seen = set()

    def waiting() -> dict[str, Any]:
        state = (localpods.get(name)["status"].get("containerStatuses") or [{"state": {}}])[0]["state"]
        found: dict[str, Any] = state.get("waiting", {})
        seen.add(found.get("reason"))
        return found

    wait_until(lambda: waiting().get("reason") == "ImagePullBackOff")
    assert "ErrImagePull" in seen
    assert 'no image "daybook/unknown" on this machine; images that exist: daybook/test' in waiting()["message"]
    assert localpods.get(name)["status"]["phase"] == "Pending"
    assert {"Failed", "BackOff"} <= {reason for reason, _ in localpods.events(name)}
    localpods.delete(name)
    assert localpods.gone(name)


def test_a_malformed_image_is_an_invalid_image_name(localpods: Localpods) -> None:
    name = localpods.run(image="Not An Image")
    wait_until(lambda: localpods.get(name)["status"].get("containerStatuses"))
    state = localpods.get(name)["status"]["containerStatuses"][0]["state"]
    assert state["waiting"]["reason"] in ("InvalidImageName", "ContainerCreating")
    localpods.delete(name)


def test_init_containers_run_one_after_the_other_before_the_others(localpods: Localpods) -> None:
    def init(name: str, script: str) -> dict[str, Any]:
        return {"name": name, "image": IMAGE, "command": [SHELL, "-c", script]}

    volume = {"name": "shared", "emptyDir": {}}
    mount = {"name": "shared", "mountPath": "/shared"}
    first = init("first", "echo 1 > shared/a") | {"volumeMounts": [mount]}
    second = init("second", "cat shared/a; echo 2 >> shared/a") | {"volumeMounts": [mount]}
    spec = {"initContainers": [first, second], "volumes": [volume]}
    name = shell(localpods, "cat a", spec=spec, volumeMounts=[mount], workingDir="/shared")
    status = localpods.finished(name)["status"]
    assert status["phase"] == "Succeeded"
    assert localpods.log(name, container="base") == "1\n2\n"
    assert localpods.log(name, container="second") == "1\n"
    assert [one["ready"] for one in status["initContainerStatuses"]] == [True, True]


def test_a_failed_init_container_fails_the_pod_and_nothing_else_starts(localpods: Localpods) -> None:
    failing = {"name": "failing", "image": IMAGE, "command": [SHELL, "-c", "exit 4"]}
    name = shell(localpods, "echo never", spec={"initContainers": [failing]})
    status = localpods.finished(name)["status"]
    assert status["phase"] == "Failed"
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 4
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
    assert {one["type"]: one["status"] for one in status["conditions"]}["Initialized"] == "False"


def test_all_containers_of_a_pod_run_at_once_and_one_failure_fails_it(localpods: Localpods) -> None:
    # Each waits for the other's file: one after the other they would never end.
    def container(mine: str, other: str, code: int) -> dict[str, Any]:
        script = f"touch $HOME/{mine}; while [ ! -e $HOME/{other} ]; do sleep 0.02; done; exit {code}"
        return {"name": mine, "image": IMAGE, "command": [SHELL, "-c", script]}

    name = localpods.create({"containers": [container("a", "b", 0), container("b", "a", 5)]})
    status = localpods.finished(name)["status"]
    assert status["phase"] == "Failed"
    codes = {one["name"]: one["state"]["terminated"]["exitCode"] for one in status["containerStatuses"]}
    assert codes == {"a": 0, "b": 5}


def test_the_memory_limit_holds_over_all_processes(localpods: Localpods) -> None:
    hog = "import time; held = bytearray(60_000_000); time.sleep(60)"
    code = f"import subprocess,sys; [subprocess.Popen([sys.executable, '-c', {hog!r}]) for _ in '12'][0].wait()"
    name = localpods.python(code, resources={"limits": {"memory": "100M"}})
    status = localpods.finished(name)["status"]
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert (status["phase"], ended["exitCode"], ended["reason"]) == ("Failed", 137, "OOMKilled")
    assert processes_with("held = bytearray(60_000_000)") == []


def test_memory_within_the_limit_is_left_alone(localpods: Localpods) -> None:
    code = "import time; held = bytearray(20_000_000); time.sleep(0.8)"
    name = localpods.python(code, resources={"limits": {"memory": "200M"}})
    assert localpods.finished(name)["status"]["phase"] == "Succeeded"


def test_the_deadline_ends_a_running_pod(localpods: Localpods) -> None:
    began = time.time()
    name = localpods.run("sleep", "60", spec={"activeDeadlineSeconds": 1})
    status = localpods.finished(name)["status"]
    assert 1.0 <= time.time() - began < 10
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143


def test_the_deadline_kills_what_does_not_listen(localpods: Localpods) -> None:
    spec = {"activeDeadlineSeconds": 1, "terminationGracePeriodSeconds": 0}
    name = shell(localpods, "trap '' TERM; while :; do sleep 0.1; done", spec=spec)
    status = localpods.finished(name)["status"]
    assert (status["reason"], status["containerStatuses"][0]["state"]["terminated"]["exitCode"]) == (
        "DeadlineExceeded",
        137,
    )


def test_the_deadline_ends_a_pod_that_waits_for_its_image(localpods: Localpods) -> None:
    name = localpods.run(image="daybook/unknown", spec={"activeDeadlineSeconds": 1})
    status = localpods.finished(name)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")


def test_delete_sends_sigterm_and_lets_the_container_end_in_its_grace(localpods: Localpods) -> None:
    code = (
        "import signal,sys,time\n"
        "def end(*_): print('ending', flush=True); time.sleep(0.5); print('ended', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(60)"
    )
    name = localpods.python(code)
    wait_until(lambda: localpods.get(name)["status"]["phase"] == "Running" and "ready" in localpods.log(name))
    with localpods.http() as http:
        path = f"/api/v1/namespaces/default/pods/{name}"
        with http.stream("GET", f"{path}/log", params={"follow": "true"}) as followed:
            answer = http.delete(path, params={"gracePeriodSeconds": 20}).json()
            assert answer["metadata"]["deletionGracePeriodSeconds"] == 20
            assert localpods.get(name)["metadata"]["deletionTimestamp"] == answer["metadata"]["deletionTimestamp"]
            assert followed.read() == b"ready\nending\nended\n"
    assert localpods.gone(name)


def test_delete_kills_after_the_grace_whatever_is_left_of_the_tree(localpods: Localpods) -> None:
    marker = "61.734"
    script = f"trap '' TERM; setsid sleep {marker} & (trap '' TERM; sleep {marker}) & wait; wait; wait"
    name = shell(localpods, script, spec={"terminationGracePeriodSeconds": 1})
    wait_until(lambda: len(processes_with(f"sleep {marker}")) >= 2)
    began = time.monotonic()
    localpods.delete(name)
    assert localpods.gone(name)
    assert time.monotonic() - began >= 0.9
    assert processes_with(f"sleep {marker}") == []


def test_a_second_delete_can_only_shorten_the_grace(localpods: Localpods) -> None:
    name = shell(localpods, "trap '' TERM; echo set; while :; do sleep 0.1; done")
    wait_until(lambda: localpods.get(name)["status"]["phase"] == "Running" and localpods.log(name))
    localpods.delete(name, gracePeriodSeconds=60)
    localpods.delete(name, gracePeriodSeconds=90)
    assert localpods.get(name)["metadata"]["deletionGracePeriodSeconds"] == 60
    localpods.delete(name, gracePeriodSeconds=0)
    assert localpods.gone(name)


def test_what_a_container_leaves_behind_ends_with_it(localpods: Localpods) -> None:
    marker = "62.734"
    name = shell(localpods, f"setsid sleep {marker} & sleep {marker} & exit 0")
    assert localpods.finished(name)["status"]["phase"] == "Succeeded"
    assert processes_with(f"sleep {marker}") == []


def test_a_failed_container_tells_the_end_of_its_log_when_asked_to(localpods: Localpods) -> None:
    script = "seq 1 1000; echo the reason >&2; exit 1"
    told = localpods.terminated(shell(localpods, script, terminationMessagePolicy="FallbackToLogsOnError"))
    assert told["message"].endswith("1000\nthe reason\n")
    assert len(told["message"]) <= 2048
    assert len(told["message"].splitlines()) == 80
    untold = localpods.terminated(shell(localpods, script))
    assert "message" not in untold
    well = localpods.terminated(shell(localpods, "echo x", terminationMessagePolicy="FallbackToLogsOnError"))
    assert "message" not in well


def test_a_working_folder_that_exists_is_used_and_another_falls_back_to_home(localpods: Localpods) -> None:
    for wanted, expected in (("/usr", "/usr"), ("/no/such/folder", None), ("relative", None)):
        name = localpods.run("pwd", workingDir=wanted)
        home = localpods.state / "pods" / localpods.get(name)["metadata"]["uid"] / "home"
        localpods.finished(name)
        assert localpods.log(name).strip() == (expected or str(home))


def test_a_working_folder_in_a_volume_is_the_volume_even_where_the_machine_has_such_a_folder(
    localpods: Localpods,
) -> None:
    volume = {"volumes": [{"name": "work", "emptyDir": {}}]}
    mounts = [{"name": "work", "mountPath": "/usr/lib"}]
    name = shell(localpods, "pwd; touch mine", spec=volume, workingDir="/usr/lib", volumeMounts=mounts)
    localpods.finished(name)
    folder = localpods.state / "pods" / localpods.get(name)["metadata"]["uid"]
    assert (folder / "volumes" / "work" / "mine").exists()
    assert (folder / "home" / "usr" / "lib" / "mine").exists()


def test_a_volume_can_lie_in_another(localpods: Localpods) -> None:
    spec = {"volumes": [{"name": name, "emptyDir": {}} for name in ("outer", "inner")]}
    mounts = [{"name": "outer", "mountPath": "/data"}, {"name": "inner", "mountPath": "/data/in"}]
    name = shell(
        localpods, "touch data/in/mine ../volumes/outer/in/mine && ls ../volumes/inner", spec=spec, volumeMounts=mounts
    )
    localpods.finished(name)
    assert localpods.log(name) == "mine\n"


def test_each_pod_has_a_home_of_its_own_that_goes_with_it(localpods: Localpods) -> None:
    script = "mkdir -p $HOME/sealed/in && touch $HOME/sealed/in/a && chmod -R a-w $HOME/sealed; pwd"
    name = shell(localpods, script)
    localpods.finished(name)
    folder = localpods.state / "pods" / localpods.get(name)["metadata"]["uid"]
    assert (folder / "home" / "sealed" / "in" / "a").exists()
    assert (localpods.state.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o700, 0o700)
    localpods.delete(name)
    wait_until(lambda: not folder.exists())


def test_a_container_cannot_reach_the_servers_descriptors_or_terminal(localpods: Localpods) -> None:
    name = localpods.python("import os; print(sorted(os.listdir('/proc/self/fd'))[:4], os.getsid(0) == os.getpid())")
    assert localpods.finished(name)["status"]["phase"] == "Succeeded"
    assert localpods.log(name) == "['0', '1', '2', '3'] True\n"  # 3 is the listing itself


def test_a_signal_from_outside_is_an_end_like_any_other(localpods: Localpods) -> None:
    name = localpods.run("sleep", "60")
    child = localpods.record(name)["child"]["pid"]
    os.kill(child, signal.SIGKILL)
    assert localpods.terminated(name)["exitCode"] == 137
    assert not psutil.pid_exists(child)
