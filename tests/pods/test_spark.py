"""A Spark server's pod, Secret and Service: who shares one, how restricted they are, what a pod tells."""

from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.client import ApiClient
from kubernetes.client import models as k8s

from builders import a_workspace
from daybook.contract.spark_pod import SparkPod
from daybook.pods.spark import (
    Answers,
    Ended,
    Starts,
    WantedServer,
    credentials_secret_of,
    key_secret,
    look_at,
    server_pod,
    server_service,
)
from pods.restricted import violations

ROLE = "arn:aws:iam::123456789012:role/research"
KINDS = {
    "none": {},
    "secret": {"credentials": {"kind": "secret", "name": "keys"}},
    "service_account": {
        "credentials": {"kind": "service_account", "role_arn": ROLE},
        "service_account": "research",
        "bucket": "s3://research",
    },
    "sts": {"credentials": {"kind": "sts", "role_arn": ROLE}, "bucket": "s3://research/team"},
}
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def a_wanted(kind="none", profile=None, owner=None, settings=None, spark=None, **workspace):
    server = {"idle_minutes": 10, **(spark or {})}
    return WantedServer.of(
        a_workspace(**{"name": "research", "spark": {"server": server}, **KINDS[kind], **workspace}),
        profile,
        owner,
        settings,
    )


def a_pod(wanted, word="word"):
    """As it is sent to Kubernetes."""
    return ApiClient().sanitize_for_serialization(server_pod(wanted, word))


def told(pod):
    """What the pod's environment says of the server, and the plain variables."""
    (container,) = pod["spec"]["containers"]
    plain = {one["name"]: one["value"].replace("$$", "$") for one in container["env"] if "value" in one}
    return SparkPod.model_validate_json(plain["DAYBOOK_SPARK_SERVER"]), plain


@pytest.mark.parametrize("profile", ["small", "medium"])
@pytest.mark.parametrize("kind", KINDS)
def test_pods_of_servers_and_executors_are_restricted(kind, profile):
    pod = a_pod(a_wanted(kind, profile))
    assert violations(pod) == []
    assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["spec"]["restartPolicy"] == "Never"
    executors = told(pod)[0].executors
    if profile == "small":
        assert executors is None
    else:
        template = executors.template
        for container in template["spec"]["containers"]:
            container.setdefault("image", "of Spark's choice")
        assert violations(template) == []


def test_only_a_server_that_makes_pods_has_a_token_of_kubernetes_and_its_executors_have_none():
    assert a_pod(a_wanted())["spec"]["automountServiceAccountToken"] is False
    assert a_pod(a_wanted())["spec"]["serviceAccountName"] == "default"
    pod = a_pod(a_wanted(profile="medium"))
    assert pod["spec"]["automountServiceAccountToken"] is True
    assert pod["spec"]["serviceAccountName"] == "daybook-spark"
    executors = told(pod)[0].executors
    assert executors.template["spec"]["automountServiceAccountToken"] is False
    assert executors.service_account == "daybook-spark"


def test_executors_have_disk_as_their_server_has_and_say_nothing_of_what_spark_says():
    template = told(a_pod(a_wanted(profile="medium", ephemeral_storage="30Gi")))[0].executors.template
    (container,) = template["spec"]["containers"]
    assert container["resources"] == {"requests": {"ephemeral-storage": "1Gi"}, "limits": {"ephemeral-storage": "30Gi"}}


def test_executors_are_told_where_they_may_write():
    template = told(a_pod(a_wanted(profile="medium")))[0].executors.template
    (container,) = template["spec"]["containers"]
    plain = {one["name"]: one.get("value") for one in container["env"]}
    assert plain["DAYBOOK_SPARK_STATE"] == "/spark"
    assert "/spark" in [each["mountPath"] for each in container["volumeMounts"]]


def test_servers_are_no_attempts_to_whoever_looks_for_runs():
    labels = a_pod(a_wanted(owner=("20261123T010203Z-x-0123456789", 1)))["metadata"]["labels"]
    assert "daybook.dev/run" not in labels
    assert labels["app.kubernetes.io/component"] == "spark-server"
    assert labels["daybook.dev/workspace"] == "research"
    assert labels["daybook.dev/spark-profile"] == "small"
    assert labels["daybook.dev/spark-run"] == "20261123T010203Z-x-0123456789"


@pytest.mark.parametrize(
    "change",
    [
        {"profile": "medium"},
        {"owner": ("20261123T010203Z-x-0123456789", 1)},
        {"kind": "secret"},
        {"spark": {"image": "registry.example/spark:2"}},
        {"spark": {"settings": {"spark.sql.shuffle.partitions": 3}}},
        {"spark": {"idle_minutes": 20}},
        {"spark": {"profiles": {"small": {"cores": 3}}}},
        {"name": "other"},
        {"bucket": "memory:///other"},
        {"environment": {"A": "1"}},
        {"pod": {"node_selector": {"pool": "spark"}}},
    ],
)
def test_whatever_makes_the_server_another_one_makes_another_name(change):
    assert a_wanted(**change).name != a_wanted().name


@pytest.mark.parametrize(
    "change", [{"profile": "small"}, {"settings": {"spark.sql.x": 1}}, {"members": ("alice",)}, {"memory": "4Gi"}]
)
def test_what_does_not_make_the_server_leaves_the_name(change):
    assert a_wanted(**change).name == a_wanted().name


def test_an_attempts_own_server_is_its_alone():
    run = "20261123T010203Z-x-0123456789"
    names = {a_wanted(owner=owner).name for owner in ((run, 1), (run, 2), ("20261123T010203Z-x-0123456780", 1))}
    assert len(names) == 3
    assert all(len(name) <= 63 for name in names)


def test_a_workspace_of_another_kind_wants_no_server():
    assert WantedServer.of(a_workspace()) is None
    assert WantedServer.of(a_workspace(spark={"remote": "sc://spark:15002"})) is None


def test_the_whole_of_a_pod_without_workers_is_the_servers_and_its_supervisors():
    pod = a_pod(a_wanted(profile="small"))
    asked = pod["spec"]["containers"][0]["resources"]
    assert asked["limits"]["memory"] == "4Gi"
    assert asked["requests"]["cpu"] == "2"
    size = told(pod)[0].server.size
    assert size.driver_memory == 4 * 2**30 - 128 * 2**20
    assert size.driver_cores == 2


def test_workers_have_their_profile_and_the_server_its_own_size():
    pod = a_pod(a_wanted(profile="large"))
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "2Gi"
    size = told(pod)[0].server.size
    assert (size.executor_cores, size.executor_memory, size.maximum_executors) == (4, 16 * 2**30, 8)


def test_no_secret_is_in_the_pod_and_each_pod_has_secrets_of_its_own():
    wanted = a_wanted("sts")
    pods = [server_pod(wanted, word) for word in ("one", "other")]
    for pod in pods:
        pod.metadata.uid = "uid"
    secrets = [key_secret(pod) for pod in pods]
    assert secrets[0].metadata.name != secrets[1].metadata.name
    assert secrets[0].string_data["token"] != secrets[1].string_data["token"]
    volumes = {each.name: each.secret.secret_name for each in pods[0].spec.volumes if each.secret}
    assert volumes["key"] == secrets[0].metadata.name
    assert volumes["daybook-credentials"] == credentials_secret_of(pods[0], {}).metadata.name
    for one in (*secrets, server_service(pods[0])):
        assert [owner.uid for owner in one.metadata.owner_references] == ["uid"]


def test_readiness_is_the_mark_that_the_supervisor_makes():
    pod = a_pod(a_wanted())
    (container,) = pod["spec"]["containers"]
    assert container["readinessProbe"]["exec"]["command"] == ["cat", "/spark/ready"]
    assert told(pod)[1]["DAYBOOK_SPARK_STATE"] == "/spark"
    assert {port["containerPort"] for port in container["ports"]} == {15002, 4040}


def test_a_servers_settings_reach_it_and_a_runs_only_its_own():
    shared = told(a_pod(a_wanted(settings={"spark.x": "1"}, spark={"settings": {"spark.y": True}})))[0]
    assert (shared.server.settings, shared.server.notebook_settings) == ({"spark.y": "true"}, {})
    own = told(a_pod(a_wanted(owner=("20261123T010203Z-x-0123456789", 1), settings={"spark.x": "1"})))[0]
    assert own.server.notebook_settings == {"spark.x": "1"}
    assert own.idle_seconds <= 600


def a_status(
    phase="Running", ready="False", ip="10.0.0.7", containers=(), conditions=(), age=10, turned=None, deleted=None
):
    """A pod of which only the status matters; `turned` seconds ago it got ready, or ceased to be."""
    since = NOW - timedelta(seconds=age if turned is None else turned)
    found = [*conditions, k8s.V1PodCondition(type="Ready", status=ready, last_transition_time=since)]
    metadata = k8s.V1ObjectMeta(
        name="x", creation_timestamp=NOW - timedelta(seconds=age), deletion_timestamp=deleted and NOW
    )
    status = k8s.V1PodStatus(phase=phase, pod_ip=ip, conditions=found, container_statuses=list(containers))
    return k8s.V1Pod(metadata=metadata, spec=k8s.V1PodSpec(containers=[]), status=status)


def a_container(**state):
    return k8s.V1ContainerStatus(
        name="spark", image="x", image_id="", ready=False, restart_count=0, state=k8s.V1ContainerState(**state)
    )


BACK_OFF = a_container(waiting=k8s.V1ContainerStateWaiting(reason="ImagePullBackOff", message="the registry is busy"))
EXITED = a_container(terminated=k8s.V1ContainerStateTerminated(exit_code=3, message="port 15002 is taken\n"))
OUT_OF_MEMORY = a_container(terminated=k8s.V1ContainerStateTerminated(exit_code=137, reason="OOMKilled"))
RUNNING = a_container(running=k8s.V1ContainerStateRunning(started_at=NOW - timedelta(seconds=700)))
ENDED_WELL = a_container(terminated=k8s.V1ContainerStateTerminated(exit_code=0, message="it was told to end"))
NO_NODE = k8s.V1PodCondition(type="PodScheduled", status="False", message="0/3 nodes are available")


@pytest.mark.parametrize(
    ("pod", "look"),
    [
        (a_status(ready="True"), Answers("sc://10.0.0.7:15002", "http://10.0.0.7:4040")),
        (a_status(ready="True", ip="fd00::7"), Answers("sc://[fd00::7]:15002", "http://[fd00::7]:4040")),
        (a_status(), Starts("Spark starts")),
        (a_status("Pending"), Starts("its pod starts")),
        (a_status("Pending", containers=[BACK_OFF]), Starts("ImagePullBackOff: the registry is busy")),
        (a_status("Pending", conditions=[NO_NODE]), Starts("no node takes its pod: 0/3 nodes are available")),
        (a_status("Succeeded"), Ended("it was not used any more", failed=False)),
        (a_status("Failed", containers=[EXITED]), Ended("exit code 3: port 15002 is taken", failed=True)),
        (a_status(ready="True", deleted=True), Ended("its pod is being deleted", failed=False)),
        (a_status(containers=[RUNNING], age=800), Starts("Spark starts")),
        (a_status(containers=[RUNNING], age=90_000, turned=10), Starts("Spark does not answer at the moment")),
        (a_status(age=90_000, turned=89_000, ready="True"), Answers("sc://10.0.0.7:15002", "http://10.0.0.7:4040")),
        (
            a_status(age=90_000, turned=901),
            Ended("it does not answer after 900 s: its container runs, and gives no answer", failed=True),
        ),
        (
            a_status(age=901),
            Ended("it does not answer after 900 s: its container runs, and gives no answer", failed=True),
        ),
    ],
)
def test_what_a_pod_tells_of_its_server(pod, look):
    assert look_at(pod, 300, NOW) == look


@pytest.mark.parametrize(
    ("pod", "said"),
    [
        (a_status("Failed", containers=[OUT_OF_MEMORY]), "more memory than its limit"),
        (a_status("Pending", containers=[BACK_OFF], age=901), "the image cannot be had"),
        (a_status("Pending", conditions=[NO_NODE], age=901), "0/3 nodes are available"),
    ],
)
def test_a_server_that_will_never_answer_says_why(pod, said):
    look = look_at(pod, 300, NOW)
    assert isinstance(look, Ended)
    assert look.failed
    assert said in look.why


def waiting_for_its_image(reason, message=""):
    return a_status(
        "Pending", containers=[a_container(waiting=k8s.V1ContainerStateWaiting(reason=reason, message=message))]
    )


@pytest.mark.parametrize(
    ("reason", "message", "is_over"),
    [
        ("InvalidImageName", "", True),
        ("ErrImageNeverPull", "", True),
        ("ErrImagePull", 'failed to resolve reference "r.example/spark:2": r.example/spark:2: not found', True),
        ("ImagePullBackOff", "Back-off pulling image: ErrImagePull: pull access denied, may require login", True),
        ("ImagePullBackOff", 'Back-off pulling image "r.example/spark:2"', False),
        ("ErrImagePull", "dial tcp: lookup r.example: i/o timeout", False),
        ("ContainerCreating", "", False),
    ],
)
def test_an_image_that_is_nowhere_is_waited_for_by_nobody(reason, message, is_over):
    look = look_at(waiting_for_its_image(reason, message), 300, NOW)
    assert isinstance(look, Ended if is_over else Starts)
    assert not is_over or (look.failed and "the image cannot be had" in look.why)


def test_a_server_that_its_node_took_away_says_so_however_well_it_ended():
    evicted = a_status("Failed", containers=[ENDED_WELL])
    evicted.status.reason, evicted.status.message = "Evicted", "The node was low on resource: memory"
    drained = a_status(
        "Failed",
        containers=[ENDED_WELL],
        conditions=[k8s.V1PodCondition(type="DisruptionTarget", status="True", reason="TerminationByKubelet")],
    )
    assert "the node evicted the pod (Evicted): The node was low on resource" in look_at(evicted, 300, NOW).why
    assert "its node ended it" in look_at(drained, 300, NOW).why
