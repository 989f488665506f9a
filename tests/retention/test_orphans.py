"""Which Secrets outlived their pod, and which pods say that they are ours."""

from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.client import models as k8s

from builders import RUN_ID, a_run_id
from daybook.contract import keys
from daybook.retention.orphans import attempt_of, orphan_secrets

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=2)


def a_pod(run=RUN_ID, attempt="1", uid="pod-1", **labels):
    given = {keys.RUN_LABEL: run, keys.ATTEMPT_LABEL: attempt, **labels}
    return k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="p", uid=uid, labels=given))


def a_secret(*owners, run=RUN_ID, made=LONG_AGO, **more):
    references = [k8s.V1OwnerReference(api_version="v1", kind="Pod", name="p", uid=uid) for uid in owners]
    return k8s.V1Secret(
        metadata=k8s.V1ObjectMeta(
            name="s", creation_timestamp=made, labels={keys.RUN_LABEL: run}, owner_references=references, **more
        )
    )


@pytest.mark.parametrize(
    ("secret", "pods", "is_orphan"),
    [
        (a_secret("pod-1"), [a_pod()], False),
        (a_secret("pod-1"), [], True),
        (a_secret("pod-1"), [a_pod(uid="pod-2")], True),
        (a_secret("pod-1", "pod-2"), [a_pod(uid="pod-2")], False),
        (a_secret("pod-1", made=NOW - timedelta(minutes=59)), [], False),
        (a_secret("pod-1", deletion_timestamp=NOW), [], False),
        (a_secret(), [], True),
        (a_secret(), [a_pod()], False),
        (a_secret(), [a_pod(run=a_run_id("other"))], True),
    ],
)
def test_a_secret_is_an_orphan_once_its_pod_is_gone(secret, pods, is_orphan):
    assert list(orphan_secrets([secret], pods, NOW)) == ([secret] if is_orphan else [])


@pytest.mark.parametrize(
    ("run", "attempt", "named"),
    [
        (RUN_ID, "1", (RUN_ID, 1)),
        (RUN_ID, "12", (RUN_ID, 12)),
        (RUN_ID, "0", None),
        (RUN_ID, "", None),
        (RUN_ID, "²", None),
        ("../..", "1", None),
        ("", "1", None),
    ],
)
def test_a_pod_names_run_and_attempt_or_is_left_alone(run, attempt, named):
    assert attempt_of(a_pod(run, attempt)) == named
