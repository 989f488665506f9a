"""The smaller parts: images, expansion, secrets, pod status, versions, changes, ages, clients, settings."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daybook.contract.errors import InfrastructureFailed, InvalidSettings
from daybook.localpods.api.errors import ApiError
from daybook.localpods.api.tables import age, pod_word
from daybook.localpods.api.validation import with_defaults
from daybook.localpods.client import end_all, is_ready, unfinished_pods
from daybook.localpods.images import ImageProblem, find_image, load_images, repository
from daybook.localpods.launching import expand
from daybook.localpods.record import Cause, Ending, ProcessId, Record
from daybook.localpods.secrets import Secrets
from daybook.localpods.status import Started, State, Waiting, pod_status
from daybook.localpods.store import Change, Collection
from daybook.localpods.versions import Versions
from localpods.really_started import TOKEN, Localpods, wait_until


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("daybook/notebook", "daybook/notebook"),
        ("daybook/notebook:1.2", "daybook/notebook"),
        ("ghcr.io/daybook/notebook:1.2", "daybook/notebook"),
        ("localhost/daybook/notebook", "daybook/notebook"),
        ("registry:5000/daybook/notebook:1@sha256:" + "a" * 64, "daybook/notebook"),
        ("daybook/notebook@sha256:" + "a" * 64, "daybook/notebook"),
        ("python", "python"),
        ("python:3.11-slim", "python"),
        ("a/b/c/d", "a/b/c/d"),
    ],
)
def test_an_image_is_known_by_its_name_alone(reference: str, name: str) -> None:
    assert repository(reference) == name


@pytest.mark.parametrize(
    "reference", ["A/b", "a b", "a/", "/a", "a:", "a@sha256:1", "../a", "a//b", "a:b:c", "registry:5000/", ""]
)
def test_what_is_no_image_name(reference: str) -> None:
    with pytest.raises(ImageProblem) as refused:
        repository(reference)
    assert refused.value.reason == "InvalidImageName"


def test_a_broken_images_file_names_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "images.json"
    path.write_text(
        json.dumps(
            {
                "a": {"prefix": "relative", "entrypoint": []},
                "b:1": {"prefix": "/x", "entrypoint": ["x"], "env": {"A": 1}, "more": 1},
                "c": "x",
                "good": {"prefix": "/x", "entrypoint": ["y"], "env": {"PATH": "/z"}},
            }
        )
    )
    with pytest.raises(InvalidSettings) as refused:
        load_images(path)
    assert {fault.where for fault in refused.value.faults} == {
        "a.prefix",
        "a.entrypoint",
        "b:1",
        "b:1.env",
        "b:1.more",
        "c",
    }
    path.write_text("[]")
    with pytest.raises(InvalidSettings):
        load_images(path)
    path.write_text("{")
    with pytest.raises(ImageProblem) as unpulled:
        find_image(path, "good")
    assert unpulled.value.reason == "ErrImagePull"
    path.write_text(json.dumps({"good": {"prefix": "/x", "entrypoint": ["y"], "env": {"PATH": "/z"}}}))
    assert find_image(path, "good:1").environment() == {"PATH": "/z"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$(C)", "$(C)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $ $(", "$A ${A} $ $("),
        ("$(A", "$(A"),
        ("", ""),
    ],
)
def test_references_to_variables_are_expanded_as_in_kubernetes(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


def test_secrets_never_come_from_outside_their_folder(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "key").write_text("x")
    folder = tmp_path / "secrets"
    (folder / "ns" / "good").mkdir(parents=True)
    (folder / "ns" / "good" / "key").write_text("line\n")
    secrets = Secrets(folder)
    assert secrets.read("ns", "good") == {"key": "line\n"}
    for namespace, name in (("..", "outside"), ("ns", ".."), ("ns", "../../outside"), ("ns", "none"), ("", "ns")):
        assert secrets.read(namespace, name) is None
    assert Secrets(None).read("ns", "good") is None
    (folder / "ns" / "good" / "raw").write_bytes(b"\xff\xfe-secret")
    with pytest.raises(ValueError, match='key "raw" of secret "ns/good" is not UTF-8 text') as refused:
        secrets.read("ns", "good")
    assert "secret-" not in repr(refused.value.__cause__)


def pod(**spec: Any) -> dict[str, Any]:
    containers = [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]
    made = with_defaults({"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": containers, **spec}})
    return made | {"status": {"phase": "Pending", "startTime": "2026-01-01T00:00:00Z"}}


def ended(code: int, cause: Cause = "exited") -> State:
    return Started(Record(ProcessId(1, 1.0), ProcessId(2, 1.0), 10.0, Ending(code, cause, 11.0)))


RUNNING = Started(Record(ProcessId(1, 1.0), ProcessId(2, 1.0), 10.0))
WAITING = Waiting("ContainerCreating")


@pytest.mark.parametrize(
    ("a", "b", "ended_by", "phase", "reason"),
    [
        (WAITING, WAITING, None, "Pending", None),
        (RUNNING, WAITING, None, "Pending", None),
        (ended(0), WAITING, None, "Pending", None),
        (RUNNING, RUNNING, None, "Running", None),
        (RUNNING, ended(1), None, "Running", None),
        (ended(0), ended(0), None, "Succeeded", None),
        (ended(0), ended(1), None, "Failed", None),
        (ended(137, "lost"), ended(0), None, "Failed", None),
        (ended(143, "deadline"), ended(143, "deadline"), None, "Failed", "DeadlineExceeded"),
        (ended(0, "deadline"), ended(0, "deadline"), None, "Failed", "DeadlineExceeded"),
        (WAITING, WAITING, "deadline", "Failed", "DeadlineExceeded"),
        (WAITING, WAITING, "stopped", "Failed", None),
        (RUNNING, WAITING, "stopped", "Pending", None),
        (ended(143, "stopped"), ended(0, "stopped"), "stopped", "Failed", None),
    ],
)
def test_the_phase_follows_from_the_containers(
    a: State, b: State, ended_by: Cause | None, phase: str, reason: str | None
) -> None:
    status = pod_status(pod(), {"a": a, "b": b}, ended_by)
    assert (status["phase"], status.get("reason")) == (phase, reason)


def test_conditions_keep_the_time_they_turned() -> None:
    first = pod()
    earlier = pod_status(first, {"a": RUNNING, "b": RUNNING}, None)
    for one in earlier["conditions"]:
        one["lastTransitionTime"] = "2020-01-01T00:00:00Z"
    later = pod_status(first | {"status": earlier}, {"a": ended(0), "b": ended(0)}, None)
    turned = {one["type"]: one["lastTransitionTime"] != "2020-01-01T00:00:00Z" for one in later["conditions"]}
    assert turned == {
        "PodScheduled": False,
        "PodReadyToStartContainers": False,
        "Initialized": False,
        "ContainersReady": True,
        "Ready": True,
    }


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m"}}, "Guaranteed"),
        ({"limits": {"memory": "1Gi"}}, "Burstable"),
    ],
)
def test_the_quality_of_service_class(resources: dict[str, Any], expected: str) -> None:
    made = pod(containers=[{"name": "a", "image": "x", "resources": resources}])
    assert pod_status(made, {"a": WAITING}, None)["qosClass"] == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (2700, "45m"),
        (11_220, "3h7m"),
        (93_600, "26h"),
        (432_000, "5d"),
    ],
)
def test_ages_as_kubectl_writes_them(seconds: int, text: str) -> None:
    assert age("1970-01-01T00:00:00Z", now=seconds) == text
    assert age(None) == "<unknown>"


def test_the_status_column_tells_the_most_telling_reason() -> None:
    def word(*states: dict[str, Any], init: tuple[dict[str, Any], ...] = (), **metadata: str) -> str:
        statuses = {"containerStatuses": [{"state": state} for state in states]}
        return pod_word(
            {
                "metadata": metadata,
                "status": {"phase": "Pending", "initContainerStatuses": [{"state": one} for one in init], **statuses},
            }
        )

    done = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    assert word() == "Pending"
    assert word({"waiting": {"reason": "ErrImagePull"}}) == "ErrImagePull"
    assert word({"running": {}}, init=(done, {"running": {}})) == "Init:1/2"
    assert word({}, init=({"terminated": {"exitCode": 1, "reason": "Error"}},)) == "Init:Error"
    assert word({"running": {}}, deletionTimestamp="2026-01-01T00:00:00Z") == "Terminating"


def thing(name: str, value: int = 0) -> dict[str, Any]:
    return {"metadata": {"namespace": "n", "name": name}, "value": value}


def test_versions_never_repeat_over_any_number_of_restarts(tmp_path: Path) -> None:
    seen: list[int] = []
    for _ in range(3):
        versions = Versions(tmp_path / "versions")
        seen += [versions.next() for _ in range(1500)]
    assert seen == sorted(set(seen))


@pytest.mark.anyio
async def test_a_subscriber_gets_every_change_after_its_version_once(tmp_path: Path) -> None:
    things = Collection(Versions(tmp_path / "versions"), None, None)
    first = things.put(thing("a"))
    version = int(first["metadata"]["resourceVersion"])
    things.put(thing("a", 1))
    subscription = things.subscribe(version)
    things.put(thing("b"))
    things.remove("n", "a")
    things.remove("n", "none")
    changes = [await asyncio.wait_for(subscription.next(), 1) for _ in range(3)]
    assert [(one.kind, one.new["metadata"]["name"]) for one in changes if isinstance(one, Change)] == [
        ("MODIFIED", "a"),
        ("ADDED", "b"),
        ("DELETED", "a"),
    ]
    things.unsubscribe(subscription)
    things.unsubscribe(subscription)


@pytest.mark.anyio
async def test_who_asks_for_forgotten_changes_or_is_too_slow_must_list_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daybook.localpods.store.WATCH_HISTORY", 3)
    monkeypatch.setattr("daybook.localpods.store.WATCH_BACKLOG", 2)
    things = Collection(Versions(tmp_path / "versions"), None, None)
    slow = things.subscribe(None)
    versions = [int(things.put(thing("a", number))["metadata"]["resourceVersion"]) for number in range(6)]
    with pytest.raises(ApiError) as refused:
        things.subscribe(versions[1])
    assert refused.value.code == 410
    things.subscribe(versions[2])
    assert [(await slow.next()) is None for _ in range(3)] == [False, False, True]


def test_end_all_ends_what_runs_and_keeps_what_has_finished(own_localpods: Localpods) -> None:
    assert end_all(own_localpods.server, TOKEN, 5) == []
    finished = own_localpods.run("true")
    own_localpods.finished(finished)
    running = [own_localpods.run("sleep", "68.7") for _ in range(2)]
    waiting = own_localpods.run(image="daybook/none")
    for name in running:
        own_localpods.in_phase(name, "Running")
    expected = sorted(f"default/{name}" for name in [*running, waiting])
    assert sorted(unfinished_pods(own_localpods.server, TOKEN)) == expected
    assert sorted(end_all(own_localpods.server, TOKEN, 20)) == expected
    assert unfinished_pods(own_localpods.server, TOKEN) == []
    assert own_localpods.get(finished)["status"]["phase"] == "Succeeded"
    deaf = own_localpods.run("/bin/sh", "-c", "trap '' TERM; echo set; while :; do sleep 0.1; done")
    wait_until(lambda: own_localpods.get(deaf)["status"]["phase"] == "Running" and own_localpods.log(deaf))
    with pytest.raises(InfrastructureFailed, match=deaf):
        end_all(own_localpods.server, TOKEN, 0.3, grace_seconds=30)
    assert end_all(own_localpods.server, TOKEN, 20, grace_seconds=0) == [f"default/{deaf}"]


def test_a_server_that_is_not_there_is_not_ready_and_a_clear_error() -> None:
    nobody = "http://127.0.0.1:1"
    assert is_ready(nobody) is False
    with pytest.raises(InfrastructureFailed, match=r"localpods at http://127\.0\.0\.1:1"):
        end_all(nobody, TOKEN, 1)


def test_a_wrong_token_is_a_clear_error(localpods: Localpods) -> None:
    with pytest.raises(InfrastructureFailed, match="401"):
        unfinished_pods(localpods.server, "wrong")


def test_every_fault_of_the_start_is_named_at_once_and_nothing_is_left(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x")
    token.chmod(0o644)
    arguments = ["--state", str(tmp_path / "state"), "--port", "70000", "--images", str(tmp_path / "none.json")]
    arguments += ["--token-file", str(token), "--secrets", str(tmp_path / "none"), "--keep-finished", "-1"]
    command = [sys.executable, "-m", "daybook.localpods", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    for fault in ("others can read it", "--port", "--secrets", "--keep-finished"):
        assert fault in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "state").exists()


def test_what_it_writes_is_its_owners_alone(localpods: Localpods) -> None:
    localpods.finished(localpods.run("true"))
    for path in localpods.state.rglob("*"):
        if not path.is_symlink() and "home" not in path.parts:
            assert stat.S_IMODE(os.lstat(path).st_mode) & 0o077 == 0, path
