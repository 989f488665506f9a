"""What a quota's refusal tells of a pod that it has no room for."""

import pytest

from daybook.on_airflow.quota import beyond

EXCEEDED = '403 pods "p" is forbidden: exceeded quota: {}, requested: {}, used: {}, limited: {}'


@pytest.mark.parametrize(
    ("requested", "limited", "found"),
    [
        ("requests.memory=4Gi", "requests.memory=8Gi", None),
        ("requests.memory=8Gi", "requests.memory=8192Mi", None),
        ("requests.memory=8193Mi", "requests.memory=8Gi", "requests.memory: 8193Mi of 8Gi"),
        ("pods=1", "pods=0", "pods: 1 of 0"),
        ("cpu=1,memory=9Gi", "cpu=500m,memory=8Gi", "cpu: 1 of 500m, memory: 9Gi of 8Gi"),
        ("requests.nvidia.com/gpu=2", "requests.nvidia.com/gpu=1", "requests.nvidia.com/gpu: 2 of 1"),
        ("requests.memory=4Gi", "requests.cpu=1", None),
        ("requests.memory=lots", "requests.memory=1", None),
        ("", "", None),
    ],
)
def test_only_what_is_more_than_the_whole_quota_never_fits(requested, limited, found):
    assert beyond(EXCEEDED.format("team", requested, "pods=1", limited)) == found


@pytest.mark.parametrize("said", ["", "exceeded quota: team", "forbidden: violates PodSecurity, requested: a=2"])
def test_other_words_tell_nothing(said):
    assert beyond(said) is None
