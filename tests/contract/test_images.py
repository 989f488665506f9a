"""Digests in the names of images, as people and container runtimes write them."""

import pytest

from builders import a_request
from daybook.contract.images import image_digest, is_image_reference
from daybook.contract.manifest import Manifest, State, Timings

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


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


@pytest.mark.parametrize(
    "text",
    [
        *("python", "python:3.12", "daybook/notebook:latest", "localhost:5000/x", "registry.example/a/b/c:1.2-rc_3"),
        *("a__b/c-d--e.f", f"x@sha256:{HEX}", f"registry.example:443/team/x:1@sha256:{HEX}", "Registry.Example/x"),
    ],
)
def test_what_container_runtimes_read_is_an_image_reference(text):
    assert is_image_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "a b", "a\n", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "./a", "-a", "a-", "A", "a/B", "a:"),
        *("a:b:c", "a:-x", "a@", "a@sha256:12", f"a@sha256:{HEX[:-1]}G", f"a@md5:{HEX}", f"a@sha256:{HEX}:1"),
        *("https://registry.example/a", "user@registry.example/a", "a?b", "a%2fb", "é", "a" * 513, "a:" + "b" * 129),
    ],
)
def test_nothing_else_is(text):
    assert not is_image_reference(text)


def test_a_text_that_fits_almost_is_refused_at_once():
    assert not is_image_reference("a-" * 200 + "!")
    assert not is_image_reference("a." * 250 + "/")
