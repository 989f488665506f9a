"""What the operator asks Kubernetes of its pods, against an API that is away, lies in wait or has no room."""

import json

import pytest
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import ProtocolError

from daybook.contract.errors import InfrastructureFailed
from daybook.contract.manifest import Reason, State
from daybook.on_airflow.pod_api import MADE_BY, PodApi, QuotaExceeded, refusal

QUOTA = (
    'pods "p" is forbidden: exceeded quota: team, requested: requests.memory=4Gi, used: requests.memory=6Gi, '
    "limited: requests.memory=8Gi"
)
POD_SECURITY = 'pods "p" is forbidden: violates PodSecurity "restricted:latest": hostNetwork (pod must not set it)'
CLASH = 'Operation cannot be fulfilled on resourcequotas "team": the object has been modified'


def answer(status, message="", reason=""):
    error = ApiException(status=status, reason=reason)
    error.body = json.dumps({"kind": "Status", "message": message, "reason": reason})
    return error


class Cluster:
    """A namespace whose answers to a request can be made to fail, also after the request was heeded."""

    def __init__(self, *failures, heeded=False, log=()):
        self.failures = list(failures)
        self.heeded = heeded
        self.log = list(log)
        self.pods = {}
        self.deleted = []

    def create_namespaced_pod(self, namespace, body):
        if self.failures and not self.heeded:
            raise self.failures.pop(0)
        if body.metadata.name in self.pods:
            raise answer(409, 'pods "p" already exists', "AlreadyExists")
        made = k8s.V1Pod(metadata=k8s.V1ObjectMeta(**{**body.metadata.to_dict(), "uid": f"uid-{len(self.pods)}"}))
        self.pods[body.metadata.name] = made
        if self.failures:
            raise self.failures.pop(0)
        return made

    def read_namespaced_pod(self, name, namespace):
        if name not in self.pods:
            raise answer(404, "not found", "NotFound")
        return self.pods[name]

    def delete_namespaced_pod(self, name, namespace, body):
        if self.failures:
            raise self.failures.pop(0)
        found = self.read_namespaced_pod(name, namespace)
        if body.preconditions.uid != found.metadata.uid:
            raise answer(409, "the UID in the precondition does not match", "Conflict")
        self.deleted.append(self.pods.pop(name))

    def read_namespaced_pod_log(self, **_):
        return self.log.pop(0)


def api(cluster, patience=60):
    return PodApi(lambda: cluster, patience_seconds=patience, pause_seconds=0)


def a_pod(uid=None, annotations=None):
    return k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="p", namespace="team", uid=uid, annotations=annotations))


def test_a_pod_is_made_once_although_the_answer_was_lost():
    cluster = Cluster(ProtocolError("connection reset"), heeded=True)
    assert api(cluster).create(a_pod()).metadata.uid == "uid-0"
    assert len(cluster.pods) == 1


def test_a_pod_that_somebody_else_made_is_not_taken_for_ours():
    cluster = Cluster()
    cluster.pods["p"] = a_pod("forged", {MADE_BY: "a guess"})
    with pytest.raises(ApiException) as caught:
        api(cluster).create(a_pod())
    ending = refusal(caught.value)
    assert (ending.state, ending.reason) == (State.LOST, Reason.POD_FAILED)
    assert "somebody else's" in ending.message


def test_no_room_in_the_quota_is_told_apart_from_a_refusal():
    with pytest.raises(QuotaExceeded, match=r"limited: requests\.memory=8Gi"):
        api(Cluster(answer(403, QUOTA, "Forbidden"))).create(a_pod())
    with pytest.raises(ApiException) as caught:
        api(Cluster(answer(403, POD_SECURITY, "Forbidden"))).create(a_pod())
    ending = refusal(caught.value)
    assert (ending.state, ending.reason) == (State.FAILED, Reason.POD_REFUSED)
    assert "hostNetwork" in ending.message


def test_a_pod_that_is_larger_than_the_whole_quota_is_refused_at_once():
    told = (
        'pods "p" is forbidden: exceeded quota: team, requested: limits.memory=16Gi,requests.cpu=500m, '
        "used: limits.memory=0,requests.cpu=3800m, limited: limits.memory=8192Mi,requests.cpu=4"
    )
    with pytest.raises(ApiException) as caught:
        api(Cluster(answer(403, told, "Forbidden"))).create(a_pod())
    ending = refusal(caught.value)
    assert (ending.state, ending.reason) == (State.FAILED, Reason.POD_REFUSED)
    assert "more than the namespace's whole quota has (limits.memory: 16Gi of 8192Mi)" in ending.message


@pytest.mark.parametrize("error", [answer(409, CLASH, "Conflict"), answer(429), answer(503), ProtocolError("reset")])
def test_what_passes_is_waited_for(error):
    assert api(Cluster(error)).create(a_pod()).metadata.uid == "uid-0"


def test_an_api_that_stays_away_is_no_answer():
    with pytest.raises(InfrastructureFailed, match="has not answered"):
        api(Cluster(answer(503), answer(503)), patience=-1).create(a_pod())


def test_a_delete_that_fails_at_first_is_asked_for_again():
    cluster = Cluster()
    pod = api(cluster).create(a_pod())
    cluster.failures = [answer(503), ProtocolError("reset")]
    api(cluster).delete(pod)
    assert [each.metadata.uid for each in cluster.deleted] == ["uid-0"]
    api(cluster).delete(pod)


def test_another_pod_of_the_same_name_is_not_deleted():
    cluster = Cluster()
    cluster.pods["p"] = a_pod("another")
    api(cluster).delete(a_pod("ours"))
    assert cluster.pods["p"].metadata.uid == "another"
    assert api(cluster).wait_until_gone(a_pod("ours"))


def test_a_log_that_breaks_off_is_read_on_without_doubles():
    def breaks_off():
        yield from [b"one\n", b"two\n"]
        raise ProtocolError("reset")

    cluster = Cluster(log=[breaks_off(), [b"one\n", b"two\n", b"three\n"]])
    assert list(api(cluster).log_lines(a_pod(), "notebook")) == ["one", "two", "three"]


def test_nobody_waits_for_a_pod_that_stays():
    cluster = Cluster()
    pod = api(cluster).create(a_pod())
    assert not api(cluster).wait_until_gone(pod, -1)
