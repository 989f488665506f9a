"""What is refused of a pod, each with the field to look at; names by table."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybook.localpods.api.names import (
    is_data_key,
    is_dns_label,
    is_dns_subdomain,
    is_label_value,
    is_qualified_name,
    is_variable_name,
)
from daybook.localpods.api.unheeded import unheeded
from daybook.localpods.api.validation import pod_faults, with_defaults
from daybook.localpods.images import Image
from daybook.localpods.launching import ConfigProblem, launch_of
from daybook.localpods.secrets import Secrets
from daybook.localpods.status import Waiting, pod_status

GOOD: dict[str, Any] = {
    "metadata": {"name": "good", "labels": {"a": "b"}, "annotations": {"x/y": "anything at all"}},
    "spec": {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 5,
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"operator": "Exists"}],
        "serviceAccountName": "someone",
        "securityContext": {"runAsUser": 1000},
        "volumes": [
            {"name": "work", "emptyDir": {}},
            {"name": "maybe", "secret": {"secretName": "s", "optional": True}},
        ],
        "initContainers": [{"name": "first", "image": "x"}],
        "containers": [
            {
                "name": "base",
                "image": "daybook/notebook:1",
                "command": ["a"],
                "args": [""],
                "env": [
                    {"name": "A", "value": ""},
                    {"name": "lower.dotted-too"},
                    {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}},
                    {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                ],
                "envFrom": [{"secretRef": {"name": "s"}}],
                "resources": {"limits": {"memory": "1Gi", "cpu": "2"}, "requests": {"memory": "512Mi"}},
                "securityContext": {"readOnlyRootFilesystem": True},
                "livenessProbe": {"exec": {"command": ["true"]}},
                "volumeMounts": [{"name": "work", "mountPath": "/work"}],
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ],
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """GOOD with one thing replaced; `containers.0.env.0.name` leads to it."""
    pod = copy.deepcopy(GOOD)
    target: Any = pod
    *steps, last = path.split(".")
    for step in steps:
        target = target[int(step)] if isinstance(target, list) else target[step]
    if isinstance(target, list):
        target[int(last)] = value
    else:
        target[last] = value
    return pod


def test_a_good_pod_has_no_faults() -> None:
    assert pod_faults(GOOD) == []


BASE = "spec.containers.0"


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        *((("metadata", bad, "metadata")) for bad in (None, [], "x")),
        *((("spec", bad, "spec")) for bad in (None, [], "x")),
        *(
            ("metadata.name", bad, "metadata.name")
            for bad in ("", "A", "a_b", "-a", "a-", "..", "a/b", "a" * 254, 7, "é")
        ),
        ("metadata.labels", ["x"], "metadata.labels"),
        ("metadata.labels", {"a": 1}, "metadata.labels"),
        ("metadata.labels", {"": "x"}, "metadata.labels"),
        ("metadata.annotations", {"a": 1}, "metadata.annotations"),
        ("metadata.annotations", {"a": "x" * 300_000}, "metadata.annotations"),
        *(("spec.containers", bad, "spec.containers") for bad in (None, [], {}, "x")),
        ("spec.containers", ["x"], "spec.containers[0]"),
        ("spec.initContainers", {}, "spec.initContainers"),
        ("spec.initContainers.0.name", "base", "spec.containers[0].name"),
        ("spec.initContainers.0.restartPolicy", "Always", "spec.initContainers[0].restartPolicy"),
        *(("spec.restartPolicy", bad, "spec.restartPolicy") for bad in ("Always", "OnFailure", "never", 1)),
        *(("spec.activeDeadlineSeconds", bad, "spec.activeDeadlineSeconds") for bad in (0, -1, 1.5, "5", True, 2**31)),
        ("spec.terminationGracePeriodSeconds", -1, "spec.terminationGracePeriodSeconds"),
        ("spec.volumes.0.name", "a/../b", "spec.volumes[0].name"),
        ("spec.volumes.1.name", "work", "spec.volumes[1].name"),
        ("spec.volumes.0", {"name": "work", "emptyDir": {}, "secret": {}}, "spec.volumes[0]"),
        ("spec.volumes.0", {"name": "work", "secret": {}}, "spec.volumes[0].secret.secretName"),
        (
            "spec.volumes.0",
            {"name": "work", "secret": {"secretName": "s", "items": [{"key": "k", "path": "../k"}]}},
            "spec.volumes[0].secret.items[0].path",
        ),
        (
            "spec.volumes.0",
            {"name": "work", "projected": {"sources": [{"serviceAccountToken": {"path": "/token"}}]}},
            "spec.volumes[0].projected.sources[0].serviceAccountToken.path",
        ),
        (
            "spec.volumes.0",
            {"name": "work", "projected": {"sources": [{"downwardAPI": {}}]}},
            "spec.volumes[0].projected.sources[0].downwardAPI",
        ),
        *(
            ("spec.volumes.0", {"name": "work", kind: {}}, f"spec.volumes[0].{kind}")
            for kind in ("hostPath", "persistentVolumeClaim", "configMap", "nfs", "csi")
        ),
        *((f"{BASE}.name", bad, "spec.containers[0].name") for bad in (None, "", "A", "a.b", "../x", "a" * 64, [])),
        *((f"{BASE}.image", bad, "spec.containers[0].image") for bad in (None, "", " ", 1)),
        *((f"{BASE}.command", bad, "spec.containers[0].command") for bad in ("x", [1], {})),
        (f"{BASE}.args", "x", "spec.containers[0].args"),
        (f"{BASE}.args.0", "a\0b", "spec.containers[0].args[0]"),
        (f"{BASE}.args.0", "\ud800", "spec.containers[0].args[0]"),
        (f"{BASE}.workingDir", 1, "spec.containers[0].workingDir"),
        (f"{BASE}.terminationMessagePolicy", "x", "spec.containers[0].terminationMessagePolicy"),
        (f"{BASE}.env", {}, "spec.containers[0].env"),
        *((f"{BASE}.env.0.name", bad, "spec.containers[0].env[0].name") for bad in (None, "", "a=b", "a b", "é", 1)),
        (f"{BASE}.env.0.value", 1, "spec.containers[0].env[0].value"),
        (f"{BASE}.env.2.value", "x", "spec.containers[0].env[2].valueFrom"),
        (f"{BASE}.env.2.valueFrom", {}, "spec.containers[0].env[2].valueFrom"),
        (f"{BASE}.env.2.valueFrom", "x", "spec.containers[0].env[2].valueFrom"),
        (f"{BASE}.env.2.valueFrom", {"fileRef": {}}, "spec.containers[0].env[2].valueFrom"),
        (f"{BASE}.env.2.valueFrom.fieldRef", {}, "spec.containers[0].env[2].valueFrom.fieldRef.fieldPath"),
        (
            f"{BASE}.env.2.valueFrom.fieldRef.fieldPath",
            "status.nothing",
            "spec.containers[0].env[2].valueFrom.fieldRef.fieldPath",
        ),
        *(
            (f"{BASE}.env.3.valueFrom.secretKeyRef.key", bad, "spec.containers[0].env[3].valueFrom.secretKeyRef.key")
            for bad in (None, "", "..", "../x", "a/b", ".")
        ),
        (
            f"{BASE}.env.3.valueFrom.secretKeyRef.name",
            "../x",
            "spec.containers[0].env[3].valueFrom.secretKeyRef.name",
        ),
        (f"{BASE}.envFrom.0", {}, "spec.containers[0].envFrom[0]"),
        (f"{BASE}.envFrom.0.secretRef", {"name": ".."}, "spec.containers[0].envFrom[0].secretRef.name"),
        (f"{BASE}.envFrom.0.prefix", "a=", "spec.containers[0].envFrom[0].prefix"),
        (f"{BASE}.resources", [], "spec.containers[0].resources"),
        (f"{BASE}.resources.limits.memory", "lots", "spec.containers[0].resources.limits[memory]"),
        (f"{BASE}.resources.limits.memory", "0", "spec.containers[0].resources.limits[memory]"),
        (f"{BASE}.resources.limits.memory", "-1", "spec.containers[0].resources.limits[memory]"),
        (f"{BASE}.resources.requests.memory", "2Gi", "spec.containers[0].resources.requests"),
        (f"{BASE}.volumeMounts.0.name", "other", "spec.containers[0].volumeMounts[0].name"),
        (f"{BASE}.volumeMounts.0.mountPath", "", "spec.containers[0].volumeMounts[0].mountPath"),
    ],
)
def test_each_fault_is_named_with_its_field(path: str, value: Any, where: str) -> None:
    assert where in [fault.where for fault in pod_faults(changed(path, value))]


def test_containers_of_a_pod_cannot_have_different_volumes_at_one_path() -> None:
    pod = changed("spec.volumes.1", {"name": "other", "emptyDir": {}})
    pod["spec"]["initContainers"][0]["volumeMounts"] = [{"name": "other", "mountPath": "/work/"}]
    assert [fault.where for fault in pod_faults(pod)] == ["spec.containers[0].volumeMounts[0].mountPath"]
    pod["spec"]["initContainers"][0]["volumeMounts"] = [{"name": "work", "mountPath": "/work", "subPath": "a"}]
    assert [fault.where for fault in pod_faults(pod)] == ["spec.initContainers[0].volumeMounts[0].subPath"]


def test_a_pod_may_leave_its_name_to_the_server() -> None:
    pod = copy.deepcopy(GOOD)
    pod["metadata"] = {"generateName": "run-"}
    assert pod_faults(pod) == []
    pod["metadata"] = {"generateName": "Run "}
    assert [fault.where for fault in pod_faults(pod)] == ["metadata.generateName"]
    pod["metadata"] = {}
    assert [fault.where for fault in pod_faults(pod)] == ["metadata.name"]


IMAGE = Image("x", Path("/x"), ("/x/bin/python",))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "x", "Never", "1Gi", "../x", "\0"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "a", "secretKeyRef"]), inner),
    max_leaves=6,
)


def places(value: Any, path: str = "") -> list[str]:
    """The path of everything in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [f"{path}.{key}".removeprefix(".") for key, _ in inner if "." not in str(key)]
    deeper = [
        (one, value[int(last) if isinstance(value, list) else last]) for one in found for last in [one.split(".")[-1]]
    ]
    return found + [place for one, child in deeper for place in places(child, one)]


@settings(max_examples=200, deadline=None)
@given(path=st.sampled_from(places(GOOD)), value=JSON)
def test_any_json_in_any_place_is_a_pod_that_can_be_shown_or_has_faults(path: str, value: Any) -> None:
    pod = changed(path, value)
    if pod_faults(pod):
        return
    spec = with_defaults(pod)["spec"]
    unheeded(pod["spec"])
    names = [one["name"] for one in [*spec["containers"], *(spec.get("initContainers") or ())]]
    metadata = {**pod["metadata"], "uid": "u", "name": "n", "namespace": "default"}
    made = {"metadata": metadata, "spec": {**spec, "nodeName": "x"}, "status": {"startTime": "2026-01-01T00:00:00Z"}}
    for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
        with contextlib.suppress(ConfigProblem):
            launch = launch_of(made, container, IMAGE, Path("/nowhere"), Secrets(None))
            assert all(isinstance(text, str) for text in [*launch.argv, *launch.env, *launch.env.values(), launch.cwd])
    assert pod_status(made, {name: Waiting("x") for name in names}, None)["phase"] == "Pending"


def test_what_has_no_effect_is_named() -> None:
    assert unheeded(GOOD["spec"]) == [
        *("nodeSelector", "securityContext", "serviceAccountName", "tolerations"),
        *("base.livenessProbe", "base.securityContext", "base.resources.limits[cpu]"),
        "base.volumeMounts[/work] (it is ~/work)",
    ]


def test_what_is_missing_is_filled_in_as_kubernetes_does() -> None:
    pod = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "b", "image": "c"}]}}
    filled = with_defaults(pod)
    assert (filled["spec"]["restartPolicy"], filled["spec"]["terminationGracePeriodSeconds"]) == ("Never", 30)
    assert filled["spec"]["containers"][0]["terminationMessagePolicy"] == "File"
    assert "restartPolicy" not in pod["spec"]
    limited = with_defaults(GOOD)["spec"]["containers"][0]["resources"]
    assert limited["requests"] == {"cpu": "2", "memory": "512Mi"}


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (is_dns_label, ["a", "0", "a-b", "a" * 63], ["", "a" * 64, "A", "-", "a-", "a.b", "..", "a\n", "é", None, 1]),
        (is_dns_subdomain, ["a", "a.b-c.d", "a" * 253], ["", "a" * 254, "a..b", ".a", "a.", "..", "a/b", "A", "a\n"]),
        (
            is_qualified_name,
            ["a", "A_b.c-d", "x.y/Z", "a" * 63],
            ["", "a" * 64, "/a", "a/", "X/a", "a/b/c", "-a", None],
        ),
        (is_label_value, ["", "a", "A_b.c-d", "a" * 63], ["a" * 64, "-a", "a ", "é", "a\n", None, 1]),
        (is_data_key, ["a", ".a", "A_b-c.d", "a" * 253], ["", ".", "..", "..a", "a/b", "a" * 254, "a\0", "é", None]),
        (is_variable_name, ["A", "a.b", "1", "a-b"], ["", "a=b", "a b", "é", "a\n", "a\0", None]),
    ],
)
def test_names(check: Any, good: list[Any], bad: list[Any]) -> None:
    assert [name for name in good if not check(name)] == []
    assert [name for name in bad if check(name)] == []
