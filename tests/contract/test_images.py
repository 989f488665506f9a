"""Digests in the names of images, as people and container runtimes write them."""

import pytest

from builders import a_request
from daybook.contract.images import image_digest
from daybook.contract.manifest import Manifest, State, Timings

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "reference",
    [
        f"daybook/notebook@{DIGEST}",
        f"registry.example:5000/daybook/notebook:1.2@{DIGEST}",
        DIGEST,
        f"docker-pullable://daybook/notebook@{DIGEST}",
        f"docker://{DIGEST}",
    ],
)
def test_a_digest_is_found(reference):
    assert image_digest(reference) == DIGEST


@pytest.mark.parametrize(
    "reference",
    [None, "", "daybook/notebook", "daybook/notebook:latest", f"x{DIGEST}", DIGEST[:-1], f"{DIGEST}\n", f"a@{DIGEST}0"],
)
def test_no_digest_is_made_up(reference):
    assert image_digest(reference) is None


def test_a_pinned_images_digest_is_in_the_manifest_from_the_start():
    pinned = Manifest.of(a_request(image=f"daybook/notebook@{DIGEST}"), State.QUEUED, Timings())
    assert pinned.image_digest == DIGEST
    assert Manifest.of(a_request(image="daybook/notebook:1"), State.QUEUED, Timings()).image_digest is None
