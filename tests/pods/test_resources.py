"""CPU, memory, disk and GPUs."""

import pytest

from builders import a_workspace
from daybook.catalogue import RunSettings
from daybook.pods import Resources
from daybook.pods.resources import requirements


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, Resources("1", "2Gi", "10Gi", 0)),
        ({"cpu": "4"}, Resources("4", "2Gi", "10Gi", 0)),
        ({"memory": "8Gi", "gpu": 1}, Resources("1", "8Gi", "10Gi", 1)),
        ({"cpu": "4", "memory": "8Gi", "ephemeral_storage": "50Gi"}, Resources("4", "8Gi", "50Gi", 0)),
    ],
)
def test_a_notebooks_wish_counts_before_the_workspaces_default(wish, expected):
    assert Resources.choose(a_workspace(), RunSettings(**wish)) == expected


def test_the_request_for_disk_is_less_than_the_limit_and_never_more():
    assert requirements(Resources("1", "2Gi", "10Gi")).requests["ephemeral-storage"] == "1Gi"
    small = requirements(Resources("1", "2Gi", "100Mi"))
    assert small.requests["ephemeral-storage"] == small.limits["ephemeral-storage"] == "100Mi"


def test_gpus_are_request_and_limit_and_nothing_where_none_are_wanted():
    wanted = requirements(Resources("1", "2Gi", gpu=2))
    assert wanted.requests["nvidia.com/gpu"] == wanted.limits["nvidia.com/gpu"] == "2"
    assert "nvidia.com/gpu" not in requirements(Resources("1", "2Gi")).limits


@pytest.mark.parametrize(
    ("memory", "maximum", "expected"),
    [
        ("2Gi", "16Gi", 4 * 2**30),
        ("6Gi", "8Gi", 8 * 2**30),
        ("1G", "16Gi", 2 * 10**9),
        ("8Gi", "8Gi", None),
        ("8192Mi", "8Gi", None),
        ("16Gi", "8Gi", None),
        ("2Gi", None, None),  # nobody has said that there may be more
    ],
)
def test_more_memory_is_twice_as_much_as_far_as_the_maximum(memory, maximum, expected):
    asked = Resources("3", memory, "5Gi", 1)
    more = asked.more_memory(maximum)
    assert more == (asked if expected is None else Resources("3", str(expected), "5Gi", 1))
