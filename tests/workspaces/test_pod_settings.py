"""Volumes are named one by one, from three kinds, and never lie over what is Daybook's or the image's."""

import pytest
from pydantic import ValidationError

from builders import a_workspace
from daybook.workspaces import PodSettings


def volumes(*changes):
    given = {"name": "data", "mount_path": "/data", "persistent_volume_claim": "shared"}
    return PodSettings(volumes=[{**given, **each} for each in changes])


@pytest.mark.parametrize(
    "path", ["/data", "/mnt/a/b", "/opt/x", "/home/other", "/homework", "/tmpfiles", "/srv", "/var/data"]
)
def test_a_volume_may_be_mounted_where_nothing_is(path):
    assert str(volumes({"mount_path": path}).volumes[0].mount_path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("data", "", "../data", "/data/../etc", "/a:b", "//data"),
        *(
            "/",
            "/home",
            "/home/daybook",
            "/home/daybook/",
            "/home/daybook/work",
            "/home/daybook/work/x",
            "/tmp",
            "/tmp/x",
        ),
        *("/etc", "/etc/passwd", "/proc", "/sys/fs", "/dev/shm", "/run", "/run/secrets", "/usr/local", "/bin", "/root"),
        *("/var", "/var/run", "/var/run/secrets/kubernetes.io/serviceaccount", "/lib64"),
    ],
)
def test_a_volume_may_not_lie_over_what_is_not_the_workspaces(path):
    with pytest.raises(ValidationError):
        volumes({"mount_path": path})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"persistent_volume_claim": None}, "exactly one of"),
        ({"secret": "s"}, "exactly one of"),
        ({"persistent_volume_claim": None, "secret": "s", "read_only": False}, "nobody writes"),
        ({"persistent_volume_claim": None, "host_path": "/"}, "Extra inputs"),
        ({"name": "work"}, "Daybook's own"),
        ({"name": "tmp"}, "Daybook's own"),
        ({"name": "daybook-token"}, "Daybook's own"),
    ],
)
def test_a_volume_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        volumes(change)


@pytest.mark.parametrize("second", [{"name": "data", "mount_path": "/b"}, {"name": "b", "mount_path": "/data/"}])
def test_each_name_and_place_stands_once(second):
    with pytest.raises(ValidationError, match="once only"):
        volumes({}, second)


@pytest.mark.parametrize(
    ("toleration", "message"),
    [
        ({"key": "a", "operator": "Exists", "value": "b"}, "has no value"),
        ({"value": "b"}, "tolerates everything"),
        ({"key": "a", "toleration_seconds": 3}, "NoExecute only"),
        ({"key": "a", "operator": "Is"}, "Exists"),
    ],
)
def test_a_toleration_that_kubernetes_would_refuse_is_refused_here(toleration, message):
    with pytest.raises(ValidationError, match=message):
        PodSettings(tolerations=[toleration])


@pytest.mark.parametrize(
    "toleration",
    [
        {"operator": "Exists"},
        {"key": "a", "value": "b", "effect": "NoSchedule"},
        {"key": "a", "operator": "Exists", "effect": "NoExecute", "toleration_seconds": 3},
    ],
)
def test_a_toleration_is_as_kubernetes_writes_it(toleration):
    assert PodSettings(tolerations=[toleration])


@pytest.mark.parametrize(
    "image", ["", "a b", "../x", "a//b", "Name:1", "a@sha256:12", "x" * 600, "--privileged", "a:b:c"]
)
def test_the_workspaces_image_is_one(image):
    with pytest.raises(ValidationError, match="is not an image"):
        a_workspace(image=image)


@pytest.mark.parametrize("field", ["cpu", "memory", "ephemeral_storage"])
def test_what_runs_get_by_default_is_within_their_maximum(field):
    assert a_workspace(**{field: "2", "maximum": {field: "2000m"}})
    for default in ("3", "2.1"):
        with pytest.raises(ValidationError, match=f"by default, {default}, is not within their maximum of 2"):
            a_workspace(**{field: default, "maximum": {field: "2"}})
