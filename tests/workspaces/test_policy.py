"""What a notebook wants is within what its workspace allows, or is refused by name; nothing is made less in silence."""

import pytest

from builders import a_workspace
from daybook.catalogue import RunSettings
from daybook.contract.errors import InvalidRequest
from daybook.workspaces import require_within, timeout_of

DIGEST = "sha256:" + "a" * 64


def faults_of(run, **workspace):
    with pytest.raises(InvalidRequest) as caught:
        require_within(a_workspace(**workspace), RunSettings(**run))
    return {fault.where: fault.message for fault in caught.value.faults}


def test_an_image_not_allowed_is_refused_with_those_that_are():
    found = faults_of({"image": "evil/image:1"}, image="own/image:1", allowed={"images": ["registry.example/team/*"]})
    assert found == {
        "run.image": "image 'evil/image:1' is not allowed; allowed here: own/image:1, registry.example/team/*"
    }


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        ("registry.example/*", "registry.example/team/x:1"),
        ("registry.example/*", f"registry.example/x@{DIGEST}"),
        ("registry.example/*@sha256:*", f"registry.example/x:1@{DIGEST}"),
        (f"registry.example/x@{DIGEST}", f"registry.example/x@{DIGEST}"),
        ("registry.example/*/notebook:*", "registry.example/team/notebook:1"),
        ("*", "any/thing"),
        ("localhost:5000/*", "localhost:5000/x"),
    ],
)
def test_a_pattern_fits_the_whole_name(pattern, image):
    require_within(a_workspace(allowed={"images": [pattern]}), RunSettings(image=image))


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        ("registry.example/*", "registry.example.evil/x"),
        ("registry.example/*", "registry-example/x"),
        ("registry.example/*", "evil/registry.example/x"),
        ("registry.example/*", "registry.example/../x"),
        ("registry.example/*", "registry.example/a/../../x"),
        ("registry.example/*", "registry.example//x"),
        ("registry.example/*", "registry.example/X"),
        ("registry.example/*", "registry.example/"),
        ("registry.example/*", "registry.example:443/x"),
        ("registry.example/*", "Registry.Example/x"),
        ("registry.example/*@sha256:*", "registry.example/x:1"),
        ("registry.example/*@sha256:*", "registry.example/x@sha256:1"),
        ("registry.example/x", "registry.example/x:1"),
        ("registry.example/[a-z]", "registry.example/a"),
        ("registry.example/?", "registry.example/a"),
        ("registry.example/x:1.0", "registry.example/x:1-0"),
        ("", "registry.example/a"),
    ],
)
def test_a_pattern_fits_nothing_else(pattern, image):
    allowed = {"images": [pattern] if pattern else []}
    assert list(faults_of({"image": image}, allowed=allowed)) == ["run.image"]


def test_the_workspaces_own_image_is_always_allowed():
    require_within(a_workspace(image="own/image:1"), RunSettings(image="own/image:1"))


def test_more_than_the_maximum_is_refused_with_wish_and_maximum_all_at_once():
    found = faults_of(
        {
            "cpu": "4001m",
            "memory": "8.5Gi",
            "ephemeral_storage": "21G",
            "gpu": 2,
            "timeout_seconds": 61,
            "image": "a/b",
        },
        maximum={"cpu": 4, "memory": "8Gi", "ephemeral_storage": "20G", "gpu": 1, "timeout_seconds": 60},
        cpu=1,
    )
    assert list(found) == [
        *("run.image", "run.cpu", "run.memory", "run.ephemeral_storage", "run.gpu", "run.timeout_seconds")
    ]
    assert found["run.memory"] == "8.5Gi is more than the workspace's maximum of 8Gi; ask for less"


@pytest.mark.parametrize(
    "run",
    [
        *({"cpu": 4}, {"cpu": "4000m"}, {"memory": "8Gi"}, {"memory": "8192Mi"}, {"memory": 8 * 2**30}),
        *({"ephemeral_storage": "20G"}, {"gpu": 1}, {"timeout_seconds": 60}, {}),
    ],
)
def test_as_much_as_the_maximum_is_allowed_however_it_is_written(run):
    maximum = {"cpu": 4, "memory": "8Gi", "ephemeral_storage": "20G", "gpu": 1, "timeout_seconds": 60}
    require_within(a_workspace(maximum=maximum), RunSettings(**run))


def test_without_a_maximum_there_is_none_but_for_gpus():
    require_within(a_workspace(), RunSettings(cpu=1000, memory="1000Ti", timeout_seconds=600_000))
    assert faults_of({"gpu": 1}) == {"run.gpu": "1 is more than the workspace's maximum of 0; ask for less"}


@pytest.mark.parametrize(
    ("asked", "maximum", "expected"),
    [(None, None, 3600), (None, 60, 60), (None, 86400, 3600), (600, None, 600), (600, 86400, 600), (3600, 3600, 3600)],
)
def test_an_entry_that_says_nothing_of_time_gets_an_hour_or_the_maximum(asked, maximum, expected):
    run = RunSettings() if asked is None else RunSettings(timeout_seconds=asked)
    assert timeout_of(a_workspace(maximum={"timeout_seconds": maximum}), run) == expected


def test_an_hour_asked_for_is_a_wish_like_any_other():
    assert list(faults_of({"timeout_seconds": 3600}, maximum={"timeout_seconds": 60})) == ["run.timeout_seconds"]
