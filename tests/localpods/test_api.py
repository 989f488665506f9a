"""The API as clients see it: who may ask, what is refused and how, lists, watches, patches, removal."""

from __future__ import annotations

import concurrent.futures
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from kubernetes import client, watch
from kubernetes.client.exceptions import ApiException

from daybook.localpods.kubeconfig import authority_file
from daybook.localpods.limits import MAX_BODY_BYTES
from localpods.really_started import IMAGE, TOKEN, Localpods, wait_until

PODS = "/api/v1/namespaces/default/pods"
SLEEP = {"name": "base", "image": IMAGE, "command": ["sleep", "60"]}
AS_TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


@pytest.fixture
def http(localpods: Localpods) -> Iterator[httpx.Client]:
    with localpods.http() as made:
        yield made


def body(name: str, **metadata: Any) -> dict[str, Any]:
    container = {"name": "base", "image": IMAGE, "command": ["true"]}
    return {"metadata": {"name": name, **metadata}, "spec": {"containers": [container]}}


def status_of(answer: httpx.Response) -> tuple[int, str]:
    found = answer.json()
    assert found["kind"] == "Status"
    assert found["code"] == answer.status_code
    return answer.status_code, found["reason"]


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"])
@pytest.mark.parametrize("path", ["/api/v1/pods", "/version", "/nothing", PODS])
def test_without_the_token_there_is_nothing_to_see(localpods: Localpods, header: str | None, path: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.get(localpods.server + path, headers=headers, trust_env=False)
    assert status_of(answer) == (401, "Unauthorized")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_whether_it_is_alive_may_be_asked_by_anyone(localpods: Localpods, path: str) -> None:
    assert httpx.get(localpods.server + path, trust_env=False).text == "ok"


def test_it_listens_on_loopback_only(localpods: Localpods) -> None:
    with socket.socket() as other:
        other.settimeout(2)
        addresses = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        for address in addresses - {"127.0.0.1"}:
            with pytest.raises(OSError):  # noqa: PT011
                other.connect((address, localpods.port))


def test_the_same_port_speaks_tls_with_the_certificate_of_the_kubeconfig(localpods: Localpods) -> None:
    context = ssl.create_default_context(cafile=str(authority_file(localpods.state)))
    address = f"https://127.0.0.1:{localpods.port}"
    assert httpx.get(f"{address}/readyz", verify=context, trust_env=False).text == "ok"
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"{address}/readyz", trust_env=False)
    assert (localpods.state / "tls" / "server.key").stat().st_mode & 0o777 == 0o600
    assert localpods.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_a_client_that_says_nothing_harms_nobody(localpods: Localpods) -> None:
    with socket.create_connection(("127.0.0.1", localpods.port)), localpods.http() as http:
        assert http.get("/version").status_code == 200
    with socket.create_connection(("127.0.0.1", localpods.port)) as broken:
        broken.sendall(b"\x16\x03\x01 this is no handshake")
    with localpods.http() as http:
        assert http.get("/version").status_code == 200


def test_discovery(http: httpx.Client) -> None:
    assert http.get("/version").json()["gitVersion"].startswith("v1.")
    assert http.get("/api").json()["versions"] == ["v1"]
    assert http.get("/apis").json()["groups"] == []
    resources = {one["name"]: one["verbs"] for one in http.get("/api/v1").json()["resources"]}
    assert set(resources) == {"pods", "pods/log", "pods/status", "events", "namespaces", "secrets", "services"}
    assert "deletecollection" in resources["pods"]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/apis/apps/v1/deployments", (404, "NotFound")),
        ("GET", "/api/v1/nodes", (404, "NotFound")),
        ("GET", f"{PODS}/none", (404, "NotFound")),
        ("GET", f"{PODS}/none/log", (404, "NotFound")),
        ("DELETE", f"{PODS}/none", (404, "NotFound")),
        ("GET", "/api/v1/namespaces/Not_Valid", (404, "NotFound")),
        ("GET", "/api/v1/namespaces/Not_Valid/pods", (404, "NotFound")),
        ("GET", "/api/v1/namespaces/../../pods", (404, "NotFound")),
        ("GET", "/api/v1/namespaces/..%2f..%2fetc/pods", (404, "NotFound")),
        ("GET", f"{PODS}/..%2f..%2fpasswd", (404, "NotFound")),
        ("PUT", f"{PODS}/none", (405, "MethodNotAllowed")),
        ("POST", "/api/v1/pods", (405, "MethodNotAllowed")),
        ("POST", "/api/v1/namespaces", (405, "MethodNotAllowed")),
        ("GET", "/api/v1/pods?labelSelector=a+b", (400, "BadRequest")),
        ("GET", "/api/v1/pods?fieldSelector=spec.x%3D1", (400, "BadRequest")),
        ("GET", "/api/v1/pods?watch=perhaps", (400, "BadRequest")),
        ("GET", "/api/v1/pods?watch=1&timeoutSeconds=-1", (400, "BadRequest")),
        ("GET", "/api/v1/pods?watch=1&resourceVersion=x", (400, "BadRequest")),
        ("GET", "/api/v1/pods?watch=1&sendInitialEvents=true", (400, "BadRequest")),
    ],
)
def test_what_is_not_there_or_not_understood(
    http: httpx.Client, method: str, path: str, expected: tuple[int, str]
) -> None:
    answer = http.request(method, path)
    assert status_of(answer) == expected


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"", {}, (400, "BadRequest")),
        (b"[]", {}, (400, "BadRequest")),
        (b"{", {}, (400, "BadRequest")),
        (b"\xff\xfe", {}, (400, "BadRequest")),
        (b'{"kind": "Service", "apiVersion": "v1"}', {}, (400, "BadRequest")),
        (b"{}", {"content-type": "application/vnd.kubernetes.protobuf"}, (415, "UnsupportedMediaType")),
        (b"{}", {}, (422, "Invalid")),
        (b"[" * 100_000, {}, (400, "BadRequest")),
        (b'{"a":' * 150 + b"1" + b"}" * 150, {}, (400, "BadRequest")),
        (b'{"metadata": {"name": NaN}}', {}, (400, "BadRequest")),
        (b'{"metadata": {"name": 1e999}}', {}, (400, "BadRequest")),
        (b'{"metadata": {"\\ud800": 1}}', {}, (400, "BadRequest")),
        (b'{"metadata": "' + b"x" * (MAX_BODY_BYTES + 1) + b'"}', {}, (413, "RequestEntityTooLarge")),
    ],
)
def test_bodies_that_are_no_pod(
    http: httpx.Client, content: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert status_of(http.post(PODS, content=content, headers=headers)) == expected


def test_an_invalid_pod_is_refused_with_every_fault_and_nothing_starts(http: httpx.Client) -> None:
    container = {
        "name": "Base",
        "image": "",
        "env": [{"name": "a=b"}],
        "volumeMounts": [{"name": "v", "mountPath": ""}],
    }
    spec = {
        "restartPolicy": "Always",
        "activeDeadlineSeconds": 0,
        "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
        "containers": [container],
    }
    answer = http.post(PODS, json={"metadata": {"name": "bad", "labels": {"ok": "not ok"}}, "spec": spec})
    assert status_of(answer) == (422, "Invalid")
    fields = {one["field"] for one in answer.json()["details"]["causes"]}
    assert fields == {
        "metadata.labels",
        "spec.restartPolicy",
        "spec.activeDeadlineSeconds",
        "spec.volumes[0].hostPath",
        "spec.containers[0].name",
        "spec.containers[0].image",
        "spec.containers[0].env[0].name",
        "spec.containers[0].volumeMounts[0].name",
        "spec.containers[0].volumeMounts[0].mountPath",
    }
    assert all(field in answer.json()["message"] for field in fields)
    assert http.get(f"{PODS}/bad").status_code == 404


def test_what_has_no_effect_is_said_on_the_pod(http: httpx.Client, localpods: Localpods) -> None:
    name = localpods.run("true", spec={"nodeSelector": {"a": "b"}}, resources={"limits": {"cpu": "1", "memory": "1Gi"}})
    annotations = localpods.get(name)["metadata"]["annotations"]
    assert annotations == {"localpods/unheeded": "nodeSelector, base.resources.limits[cpu]"}


def test_the_refusals_of_create(http: httpx.Client) -> None:
    assert http.post(PODS, json=body("taken")).status_code == 201
    assert status_of(http.post(PODS, json=body("taken"))) == (409, "AlreadyExists")
    assert status_of(http.post(PODS, json=body("x", namespace="other"))) == (400, "BadRequest")
    assert status_of(http.post(PODS, json=body("x", resourceVersion="1"))) == (400, "BadRequest")
    assert status_of(http.post(PODS, params={"dryRun": "Some"}, json=body("x"))) == (400, "BadRequest")
    dry = http.post(PODS, params={"dryRun": "All"}, json=body("dry"))
    assert (dry.status_code, dry.json()["status"]["phase"]) == (201, "Pending")
    assert http.get(f"{PODS}/dry").status_code == 404
    assert http.post(PODS, json=body("taken") | {"metadata": {"generateName": "taken-"}}).status_code == 201


def test_the_client_creates_lists_and_deletes(api: client.CoreV1Api, localpods: Localpods) -> None:
    spec = client.V1PodSpec(containers=[client.V1Container(name="base", image=IMAGE, command=["sleep", "60"])])
    metadata = client.V1ObjectMeta(name="by-client", labels={"made": "by-client", "tier": "one"})
    made = api.create_namespaced_pod("elsewhere", client.V1Pod(metadata=metadata, spec=spec))
    assert made.spec.restart_policy == "Never"
    assert made.spec.termination_grace_period_seconds == 30
    for selector, count in (
        ("made=by-client", 1),
        ("made==by-client,tier in (one,two)", 1),
        ("made=by-client,tier notin (one)", 0),
        ("made=by-client,!tier", 0),
        ("made=by-client,tier,!other", 1),
        ("made!=by-client,made", 0),
    ):
        assert len(api.list_pod_for_all_namespaces(label_selector=selector).items) == count, selector
    assert api.list_namespaced_pod("default", label_selector="made=by-client").items == []
    chosen = "metadata.name=by-client,metadata.namespace=elsewhere,status.phase!=Failed"
    assert [one.metadata.name for one in api.list_pod_for_all_namespaces(field_selector=chosen).items] == ["by-client"]
    assert {"default", "elsewhere"} <= {one.metadata.name for one in api.list_namespace().items}
    assert api.read_namespace("anything").status.phase == "Active"
    wrong = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))
    with pytest.raises(ApiException) as refused:
        api.delete_namespaced_pod("by-client", "elsewhere", body=wrong)
    assert refused.value.status == 409
    right = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=made.metadata.uid), grace_period_seconds=0)
    assert api.delete_namespaced_pod("by-client", "elsewhere", body=right).metadata.deletion_timestamp is not None
    wait_until(lambda: not api.list_namespaced_pod("elsewhere").items)


def test_patches_change_labels_and_annotations_and_nothing_that_runs(http: httpx.Client) -> None:
    path = f"{PODS}/patched"
    http.post(PODS, json=body("patched", labels={"keep": "1", "drop": "1"}))

    def patch(kind: str, content: Any) -> httpx.Response:
        return http.patch(path, content=json.dumps(content), headers={"content-type": f"application/{kind}"})

    found = patch("merge-patch+json", {"metadata": {"labels": {"drop": None, "new": "1"}}}).json()
    assert found["metadata"]["labels"] == {"keep": "1", "new": "1"}
    found = patch("strategic-merge-patch+json", {"metadata": {"annotations": {"a": "b"}}}).json()
    assert found["metadata"]["annotations"] == {"a": "b"}
    found = patch("json-patch+json", [{"op": "add", "path": "/metadata/labels/by~1json", "value": "x"}]).json()
    assert found["metadata"]["labels"]["by/json"] == "x"
    assert int(found["metadata"]["resourceVersion"]) > 0
    assert status_of(patch("merge-patch+json", {"spec": {"restartPolicy": "Always"}})) == (422, "Invalid")
    assert status_of(patch("merge-patch+json", {"status": {"phase": "Failed"}})) == (422, "Invalid")
    assert status_of(patch("merge-patch+json", {"metadata": {"name": "other", "uid": "1"}})) == (422, "Invalid")
    assert status_of(patch("merge-patch+json", {"metadata": None})) == (422, "Invalid")
    assert status_of(patch("merge-patch+json", {"metadata": {"labels": {"a b": "c d"}}})) == (422, "Invalid")
    assert status_of(patch("merge-patch+json", {"metadata": {"labels": ["a"]}})) == (422, "Invalid")
    assert status_of(patch("merge-patch+json", {"metadata": {"resourceVersion": "1"}})) == (409, "Conflict")
    assert status_of(patch("merge-patch+json", [])) == (400, "BadRequest")
    assert status_of(patch("json-patch+json", {})) == (400, "BadRequest")
    assert status_of(patch("json-patch+json", [{"op": "remove", "path": "/metadata/nothing"}])) == (400, "BadRequest")
    assert status_of(patch("apply-patch+yaml", {})) == (415, "UnsupportedMediaType")
    assert http.get(path).json()["metadata"]["labels"] == {"keep": "1", "new": "1", "by/json": "x"}


def test_the_client_patches_as_the_operator_does(api: client.CoreV1Api, localpods: Localpods) -> None:
    name = localpods.run("true")
    patched = api.patch_namespaced_pod(name, "default", {"metadata": {"labels": {"already_checked": "True"}}})
    assert patched.metadata.labels == {"already_checked": "True"}


def test_a_watch_tells_a_pods_whole_life_in_order(api: client.CoreV1Api, localpods: Localpods) -> None:
    version = api.list_namespaced_pod("default").metadata.resource_version
    name = localpods.run("sleep", "0.3", name="watched")
    seen: list[tuple[str, str]] = []
    versions: list[int] = []
    stream = watch.Watch().stream(
        api.list_namespaced_pod,
        "default",
        field_selector="metadata.name=watched",
        resource_version=version,
        timeout_seconds=15,
    )
    for event in stream:
        seen.append((event["type"], event["object"].status.phase))
        versions.append(int(event["object"].metadata.resource_version))
        if event["object"].status.phase == "Succeeded" and event["type"] != "DELETED":
            localpods.delete(name)
        if event["type"] == "DELETED":
            break
    phases = list(dict.fromkeys(phase for _, phase in seen))
    assert seen[0] == ("ADDED", "Pending")
    assert phases == ["Pending", "Running", "Succeeded"]
    assert versions == sorted(versions)
    assert len(set(versions)) == len(versions)


def test_a_watch_by_label_sees_objects_come_and_go(http: httpx.Client) -> None:
    http.post(PODS, json=body("turning", labels={"turning": "off"}))
    query = {"watch": "true", "labelSelector": "turning=on", "timeoutSeconds": "10"}
    headers = {"content-type": "application/merge-patch+json"}
    seen = []
    with http.stream("GET", PODS, params=query) as stream:
        for value in ("on", "off"):
            http.patch(f"{PODS}/turning", json={"metadata": {"labels": {"turning": value}}}, headers=headers)
        for line in stream.iter_lines():
            seen.append(json.loads(line)["type"])
            if seen[-1] == "DELETED":
                break
    assert seen[0] == "ADDED"
    assert seen[-1] == "DELETED"


def test_a_watch_ends_when_its_time_is_over_and_can_begin_with_what_there_is(http: httpx.Client) -> None:
    http.post(PODS, json=body("present"))
    query = {"watch": "1", "timeoutSeconds": "1", "fieldSelector": "metadata.name=present"}
    lines = http.get(PODS, params=query).text.splitlines()
    assert json.loads(lines[0])["type"] == "ADDED"
    query |= {"sendInitialEvents": "true", "allowWatchBookmarks": "true", "resourceVersionMatch": "NotOlderThan"}
    kinds = [json.loads(line)["type"] for line in http.get(PODS, params=query).text.splitlines()]
    assert "BOOKMARK" in kinds


def test_events_are_listed_watched_and_selected_by_pod(api: client.CoreV1Api, localpods: Localpods) -> None:
    name = localpods.run("true")
    pod = localpods.finished(name)
    selector = f"involvedObject.name={name},involvedObject.uid={pod['metadata']['uid']}"
    found = api.list_namespaced_event("default", field_selector=selector)
    assert [one.reason for one in found.items] == ["Scheduled", "Pulled", "Created", "Started"]
    assert found.items[3].involved_object.field_path == "spec.containers{base}"
    stream = watch.Watch().stream(api.list_namespaced_event, "default", field_selector=selector, timeout_seconds=1)
    assert [event["object"].reason for event in stream] == ["Scheduled", "Pulled", "Created", "Started"]
    one = api.read_namespaced_event(found.items[0].metadata.name, "default")
    assert one.reason == "Scheduled"


def test_tables_for_kubectl(http: httpx.Client, localpods: Localpods) -> None:
    localpods.finished(localpods.run("true", name="tabled"))
    for path in (PODS, f"{PODS}/tabled", "/api/v1/events", "/api/v1/namespaces"):
        found = http.get(path, headers=AS_TABLE).json()
        assert found["kind"] == "Table"
        width = len(found["columnDefinitions"])
        assert all(len(row["cells"]) == width for row in found["rows"])
    row = http.get(f"{PODS}/tabled", headers=AS_TABLE, params={"includeObject": "Object"}).json()["rows"][0]
    assert row["cells"][:4] == ["tabled", "0/1", "Completed", "0"]
    assert row["object"]["kind"] == "Pod"


def test_the_status_is_the_pod(http: httpx.Client, localpods: Localpods) -> None:
    name = localpods.run("true")
    localpods.finished(name)
    assert http.get(f"{PODS}/{name}/status").json() == http.get(f"{PODS}/{name}").json()


def test_parts_of_a_log(http: httpx.Client, localpods: Localpods) -> None:
    name = localpods.python("import time\nfor i in range(3): print('line', i, flush=True); time.sleep(0.4)")
    localpods.finished(name)
    stamped = localpods.log(name, timestamps="true").splitlines()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z line \d", line) for line in stamped)
    second = stamped[1].split(" ")[0]
    assert localpods.log(name, sinceTime=second) == "line 1\nline 2\n"
    later = datetime.fromisoformat(second) + timedelta(microseconds=1)
    assert localpods.log(name, sinceTime=later.astimezone(UTC).isoformat()) == "line 2\n"
    assert localpods.log(name, sinceSeconds=3600, tailLines=1) == "line 2\n"
    assert localpods.log(name, tailLines=0) == ""
    assert localpods.log(name, limitBytes=9) == "line 0\nli"
    assert localpods.log(name, follow="true", tailLines=2) == "line 1\nline 2\n"
    path = f"{PODS}/{name}/log"
    for query in (
        {"previous": "true"},
        {"container": "other"},
        {"tailLines": "-1"},
        {"sinceSeconds": "0"},
        {"limitBytes": "0"},
        {"sinceTime": "yesterday"},
        {"sinceTime": second, "sinceSeconds": "1"},
        {"follow": "perhaps"},
    ):
        assert status_of(http.get(path, params=query)) == (400, "BadRequest"), query


def test_a_log_of_several_containers_needs_a_name_and_one_that_waits_has_none(
    http: httpx.Client, localpods: Localpods
) -> None:
    two = [{"name": name, "image": IMAGE, "command": ["echo", name]} for name in ("one", "two")]
    name = localpods.create({"containers": two})
    localpods.finished(name)
    refused = http.get(f"{PODS}/{name}/log")
    assert "choose one of: [one two]" in refused.json()["message"]
    assert localpods.log(name, container="two") == "two\n"
    waiting = localpods.run(image="daybook/none")
    wait_until(lambda: localpods.get(waiting)["status"].get("containerStatuses"))
    assert "is waiting to start" in http.get(f"{PODS}/{waiting}/log").json()["message"]
    localpods.delete(waiting)


def test_many_followers_of_a_flood_each_get_every_byte(localpods: Localpods) -> None:
    lines = 30_000
    name = localpods.python(f"import time; time.sleep(0.3)\nfor i in range({lines}): print('a line of some length', i)")
    localpods.in_phase(name, "Running", "Succeeded")
    with concurrent.futures.ThreadPoolExecutor(4) as readers:
        found = list(readers.map(lambda _: localpods.log(name, follow="true"), range(4)))
    expected = "".join(f"a line of some length {number}\n" for number in range(lines))
    assert [len(one) for one in found] == [len(expected)] * 4
    assert set(found) == {expected}


def test_follow_shows_lines_while_the_container_runs(http: httpx.Client, localpods: Localpods) -> None:
    name = localpods.run("/bin/sh", "-c", "echo first; while [ ! -e go ]; do sleep 0.02; done; echo second")
    wait_until(lambda: localpods.get(name)["status"]["phase"] == "Running")
    home = localpods.state / "pods" / localpods.get(name)["metadata"]["uid"] / "home"
    with http.stream("GET", f"{PODS}/{name}/log", params={"follow": "true"}) as stream:
        parts = stream.iter_text()
        assert next(parts) == "first\n"
        threading.Timer(0.1, (home / "go").touch).start()
        assert "".join(parts) == "second\n"


def test_deletecollection_removes_what_is_selected(http: httpx.Client, localpods: Localpods) -> None:
    for number in range(3):
        http.post(PODS, json=body(f"many-{number}", labels={"many": str(number % 2)}))
    for number in range(3):
        localpods.finished(f"many-{number}")
    answer = http.delete(PODS, params={"labelSelector": "many=0", "gracePeriodSeconds": "0"})
    assert [one["metadata"]["name"] for one in answer.json()["items"]] == ["many-0", "many-2"]
    left = http.get(PODS, params={"labelSelector": "many"}).json()["items"]
    assert [one["metadata"]["name"] for one in left] == ["many-1"]
