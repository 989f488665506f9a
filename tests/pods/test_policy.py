"""What must hold for every pod, whatever workspace, notebook and template it is made from."""

import copy
import json
from pathlib import PurePosixPath
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.client import ApiClient

from builders import a_request, a_workspace
from daybook.catalogue import RunSettings
from daybook.contract.request import Limits
from daybook.pods import CONTAINER, GRACE_SECONDS, Resources, build_pod
from daybook.workspaces.mounts import mount_fault
from daybook.workspaces.pod_template import ADDITIONS
from daybook.workspaces.workspace import DEFAULT_IMAGE
from pods.restricted import violations

PINNED = "registry.example/team/notebook@sha256:" + "a" * 64

VOLUMES = [
    {"name": "data", "mount_path": "/data", "persistent_volume_claim": "shared"},
    {"name": "scratch", "mount_path": "/mnt/scratch", "persistent_volume_claim": "fast", "read_only": False},
    {"name": "lookup", "mount_path": "/opt/lookup", "config_map": "tables"},
    {"name": "licence", "mount_path": "/opt/licence", "secret": "licence"},
]
TEMPLATES = [
    {},
    {"metadata": {"labels": {"team": "eo", "kueue.x-k8s.io/queue-name": "gpu"}}},
    {"metadata": {"annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "cost": "12"}}},
    {"spec": {"containers": [{"name": CONTAINER, "env": [{"name": "TZ", "value": "UTC"}]}]}},
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
                        ]
                    }
                }
            },
            "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
            "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["store.example"]}],
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
            "securityContext": {"runAsNonRoot": True},
        },
    },
]
workspaces = st.fixed_dictionaries(
    {
        "namespace": st.sampled_from(["default", "team-a"]),
        "bucket": st.just("s3://team/runs"),
        "service_account": st.sampled_from([None, "notebooks"]),
        "credentials": st.sampled_from(
            [
                {"kind": "none"},
                {"kind": "secret", "name": "team-s3"},
                {"kind": "service_account", "role_arn": "arn:aws:iam::123456789012:role/team"},
                {"kind": "sts", "role_arn": "arn:aws:iam::123456789012:role/team"},
            ]
        ),
        "spark": st.sampled_from([None, {"remote": "sc://s:1", "token": {"name": "spark", "key": "psk"}}]),
        "environment": st.sampled_from([{}, {"AWS_REGION": "eu-central-1", "HOME": "/data"}]),
        "maximum": st.sampled_from([{}, {"timeout_seconds": 60, "memory": "64Gi"}]),
        "pod": st.fixed_dictionaries(
            {
                "node_selector": st.sampled_from([{}, {"gpu": "yes"}]),
                "tolerations": st.sampled_from(
                    [[], [{"key": "gpu", "operator": "Exists", "effect": "NoExecute", "toleration_seconds": 3}]]
                ),
                "pull_secrets": st.sampled_from([[], ["registry"]]),
                "runtime_class": st.sampled_from([None, "gvisor"]),
                "priority_class": st.sampled_from([None, "batch"]),
                "volumes": st.lists(st.sampled_from(VOLUMES), unique_by=lambda volume: volume["name"]),
                "template": st.sampled_from(TEMPLATES),
            }
        ),
    }
).filter(lambda it: it["service_account"] or it["credentials"]["kind"] != "service_account")
runs = st.fixed_dictionaries(
    {},
    optional={
        "image": st.just(PINNED),
        "cpu": st.just("500m"),
        "memory": st.just("4Gi"),
        "ephemeral_storage": st.sampled_from(["100Mi", "50Gi"]),
        "gpu": st.integers(0, 8),
    },
)
requests = st.fixed_dictionaries(
    {
        "limits": st.builds(Limits, timeout_seconds=st.none() | st.floats(1, 1e9)),
        "secrets": st.sampled_from([{}, {"token": "service"}]),
        "user": st.sampled_from([None, "ada"]),
    }
)


def a_pod(workspace=None, run=None, request=None):
    """The pod as it is sent to Kubernetes."""
    where, wish = a_workspace(**(workspace or {})), RunSettings(**(run or {}))
    asked = a_request(**{"image": wish.image, **(request or {})})
    return ApiClient().sanitize_for_serialization(build_pod(asked, where, Resources.choose(where, wish)))


@given(workspaces, runs, requests)
def test_every_pod_keeps_to_the_policy(workspace, run, request):
    pod = a_pod(workspace, run, request)
    (container,) = pod["spec"]["containers"]
    assert violations(pod) == []
    assert_beyond_restricted(pod["spec"], container)
    assert_bounded(pod["spec"], container)
    assert_our_own_stands(pod, container)
    assert_known_to_kubernetes(pod)


def assert_beyond_restricted(spec, container):
    """What Daybook promises besides: numeric user, read-only root, no token, nothing of the node."""
    security = spec["securityContext"]
    assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == 1000
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert spec["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"]
    assert spec["enableServiceLinks"] is False
    assert not {"initContainers", "ephemeralContainers", "shareProcessNamespace", "hostUsers"} & spec.keys()
    assert not {"command", "ports", "lifecycle", "volumeDevices", "livenessProbe", "stdin"} & container.keys()
    kinds = {kind for volume in spec["volumes"] for kind in volume.keys() - {"name"}}
    assert kinds <= {"emptyDir", "persistentVolumeClaim", "configMap", "secret", "projected"}


def assert_bounded(spec, container):
    limits, requests = container["resources"]["limits"], container["resources"]["requests"]
    assert limits["memory"] == requests["memory"]
    assert {"cpu", "memory", "ephemeral-storage"} <= requests.keys()
    assert limits.get("nvidia.com/gpu") == requests.get("nvidia.com/gpu")
    for folder in (volume["emptyDir"] for volume in spec["volumes"] if "emptyDir" in volume):
        in_memory = folder.get("medium") == "Memory"
        assert folder["sizeLimit"] == limits["memory" if in_memory else "ephemeral-storage"]
    assert spec["restartPolicy"] == "Never"
    assert spec["terminationGracePeriodSeconds"] == GRACE_SECONDS
    assert 0 < spec["activeDeadlineSeconds"] < 2**31


def assert_our_own_stands(pod, container):
    """No template and no workspace takes the place of what Daybook sets."""
    assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == "daybook"
    assert container["image"] in (PINNED, DEFAULT_IMAGE)
    assert container["args"] == ["execute"]
    names = [variable["name"] for variable in container["env"]]
    assert len(names) == len(set(names))
    paths = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    own = {"/home/daybook": "home", "/home/daybook/work": "work", "/tmp": "tmp", "/dev/shm": "daybook-shm"}
    assert own.items() <= paths.items()
    assert len(paths) == len(container["volumeMounts"])
    assert all("secretKeyRef" in v.get("valueFrom", {}) for v in container["env"] if "SECRET" in v["name"])


def assert_known_to_kubernetes(pod):
    """Each member has a name and a type that the Kubernetes client knows: read into its models, nothing is lost."""
    client = ApiClient()
    model = client.deserialize(SimpleNamespace(data=json.dumps(pod)), "V1Pod")
    assert client.sanitize_for_serialization(model) == pod


WEAKENINGS = {
    "host namespaces": lambda pod: pod["spec"].update(hostPID=True),
    "volume types": lambda pod: pod["spec"]["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    "sysctls": lambda pod: pod["spec"]["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    "running as non-root:": lambda pod: container(pod).update(runAsNonRoot=False),
    "running as non-root user": lambda pod: container(pod).update(runAsUser=0),
    "privileged containers": lambda pod: container(pod).update(privileged=True),
    "privilege escalation": lambda pod: container(pod).pop("allowPrivilegeEscalation"),
    "seccomp": lambda pod: container(pod).update(seccompProfile={"type": "Unconfined"}),
    "AppArmor": lambda pod: container(pod).update(appArmorProfile={"type": "Unconfined"}),
    "SELinux": lambda pod: container(pod).update(seLinuxOptions={"type": "spc_t"}),
    "/proc mount type": lambda pod: container(pod).update(procMount="Unmasked"),
    "capabilities": lambda pod: container(pod).update(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    "HostProcess": lambda pod: container(pod).update(windowsOptions={"hostProcess": True}),
    "host ports": lambda pod: pod["spec"]["containers"][0].update(ports=[{"containerPort": 1, "hostPort": 1}]),
    "host probes": lambda pod: pod["spec"]["containers"][0].update(livenessProbe={"tcpSocket": {"host": "10.0.0.1"}}),
}


def container(pod):
    return pod["spec"]["containers"][0]["securityContext"]


@pytest.mark.parametrize("control", WEAKENINGS)
def test_the_check_itself_sees_each_control_broken(control):
    pod = copy.deepcopy(a_pod())
    WEAKENINGS[control](pod)
    found = violations(pod)
    assert found
    assert all(each.startswith(control) for each in found)


def test_volumes_are_the_workspaces_own_list_and_secrets_are_readable_by_the_group():
    pod = a_pod({"pod": {"volumes": VOLUMES}})
    assert pod["spec"]["volumes"][4:] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "shared", "readOnly": True}},
        {"name": "scratch", "persistentVolumeClaim": {"claimName": "fast", "readOnly": False}},
        {"name": "lookup", "configMap": {"name": "tables"}},
        {"name": "licence", "secret": {"secretName": "licence", "defaultMode": 0o440}},
    ]
    assert [mount["readOnly"] for mount in pod["spec"]["containers"][0]["volumeMounts"][4:]] == [
        True,
        False,
        True,
        True,
    ]


def test_what_is_writable_is_taken_from_every_workspace():
    for mount in a_pod()["spec"]["containers"][0]["volumeMounts"]:
        assert mount_fault(PurePosixPath(mount["mountPath"]))


def test_placement_is_the_workspaces():
    pod = a_pod(
        {
            "pod": {
                "node_selector": {"pool": "gpu"},
                "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoExecute", "toleration_seconds": 3}],
                "pull_secrets": ["registry"],
                "runtime_class": "gvisor",
                "priority_class": "batch",
            }
        }
    )
    expected = {
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3}],
        "imagePullSecrets": [{"name": "registry"}],
        "runtimeClassName": "gvisor",
        "priorityClassName": "batch",
    }
    assert expected.items() <= pod["spec"].items()


def test_a_pod_knows_whether_its_network_must_be_closed():
    def told(pod):
        return {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}

    assert told(a_pod({"pod": {"network_policies": "required"}}))["DAYBOOK_NETWORK_POLICIES"] == "required"
    assert "DAYBOOK_NETWORK_POLICIES" not in told(a_pod())


def test_a_template_adds_and_ours_stays():
    template = {
        "metadata": {"labels": {"team": "eo"}, "annotations": {"cost": "12"}},
        "spec": {
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
            "containers": [{"name": CONTAINER, "env": [{"name": "TZ", "value": "UTC"}]}],
        },
    }
    plain, pod = a_pod(), a_pod({"pod": {"template": template}})
    assert pod["metadata"]["labels"] == {"team": "eo", **plain["metadata"]["labels"]}
    assert pod["metadata"]["annotations"] == {"cost": "12", **plain["metadata"]["annotations"]}
    assert pod["spec"].pop("affinity") == template["spec"]["affinity"]
    assert pod["spec"]["containers"][0]["env"].pop(0) == {"name": "TZ", "value": "UTC"}
    assert pod["spec"] == plain["spec"]


def test_whatever_a_template_may_add_reaches_the_pod():
    for path, (kind, _) in ADDITIONS.items():
        value = kind({"a": "b"}) if kind is dict else [{"name": "A", "value": "b"}]
        template = value
        for key in reversed(path.replace(f"containers[{CONTAINER}]", "containers.0").split(".")):
            template = [{"name": CONTAINER, **template}] if key == "0" else {key: template}
        pod = a_pod({"pod": {"template": template}})
        found = pod
        for key in path.replace(f"containers[{CONTAINER}]", "containers.0").split("."):
            found = found[int(key) if key == "0" else key]
        assert value[0] in found if kind is list else value.items() <= found.items(), path
