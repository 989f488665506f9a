"""What a browser is shown when something is wrong."""

import dataclasses

import httpx
import pytest

from builders import RUN_ID, a_manifest
from daybook.contract.errors import InvalidSettings, StoreFailed
from daybook.web import headers
from daybook.web.app import create_app

pytestmark = pytest.mark.anyio
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def raising(error):
    def raises(*_):
        raise error

    return raises


def browser_of(world, **ports):
    app = create_app(dataclasses.replace(world, **ports))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    cookies = {"_token": "bob"}
    return httpx.AsyncClient(transport=transport, base_url="http://daybook.test", headers=BROWSER, cookies=cookies)


def assert_is_page(answer, status, words):
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert words in answer.text
    assert 'href="/runs"' in answer.text
    assert "<h1>" in answer.text
    assert {name.lower(): text for name, text in headers.PAGE.items()}.items() <= dict(answer.headers).items()


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (f"/runs/closed/{RUN_ID}", 404, "There is no such run, or you may not see it."),
        ("/runs/none/x", 404, "There is no such run, or you may not see it."),
        ("/run/none", 404, "There is no such notebook, or you may not run it."),
        ("/none", 404, "There is no such page."),
        ("/%3Cscript%3Ealert(1)%3C/script%3E", 404, "There is no such page."),
        (f"/runs/open/{RUN_ID}/cancel", 405, "This address takes only what a button"),
    ],
)
async def test_what_is_not_there_is_told_on_a_page(world, path, status, words):
    async with browser_of(world) as browser:
        answer = await browser.get(path)
    assert_is_page(answer, status, words)
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("place", ["/batches", "/batches/", "/batches/open/x", "/api/v1/batches", "/api/v1/batches/x"])
async def test_the_place_of_batches_is_free(world, verb, place):
    async with browser_of(world) as browser:
        answer = await browser.request(verb, place, headers={"Sec-Fetch-Site": "same-origin"})
        other = await browser.request(verb, f"{place.partition('batches')[0]}none")
    assert (answer.status_code, answer.headers["content-type"]) == (404, other.headers["content-type"])
    assert answer.text.replace(place, "") == other.text.replace(other.url.path, "")


async def test_a_post_from_elsewhere_is_refused_on_a_page(world, save):
    async with browser_of(world) as browser:
        answer = await browser.post(f"{save(a_manifest())}/pin", headers={"Sec-Fetch-Site": "cross-site"})
    assert_is_page(answer, 403, "This came from another site, so nothing was done")
    assert "Try again" not in answer.text, "it would only look"


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (StoreFailed("the bucket does not answer"), 503, "The bucket does not answer."),
        (InvalidSettings("/etc/secret is not set"), 500, "its operator finds the reason"),
        (RuntimeError("<b>a bug</b>"), 500, "Daybook failed at this"),
    ],
)
async def test_what_goes_wrong_is_told_on_a_page_that_can_be_tried_again(world, error, status, words):
    async with browser_of(world, bucket=raising(error)) as browser:
        answer = await browser.get(f"/runs/open/{RUN_ID}")
    assert_is_page(answer, status, words)
    assert "Try again" in answer.text
    assert "a bug" not in answer.text
    assert "/etc/secret" not in answer.text


async def test_a_program_gets_no_page(world):
    async with browser_of(world) as browser:
        line = await browser.get("/none", headers={"Accept": "*/*"})
        problem = await browser.get("/api/v1/none")
    assert line.headers["content-type"].startswith("text/plain")
    assert problem.headers["content-type"] == "application/problem+json"
