"""How the Hub asks Daybook: with the person's own token, briefly, and whatever comes back is told kindly."""

from __future__ import annotations

import importlib.util
import sys
import time

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from deploy.jupyterhub.conftest import CONFIGURATION, free_port, serving

pytestmark = pytest.mark.anyio
PUBLIC = "http://daybook.test/notebooks"
NDVI = {"id": "ndvi", "title": "NDVI", "description": "", "workspaces": ["earth"]}


@pytest.fixture(scope="module")
def daybook_hub():
    spec = importlib.util.spec_from_file_location("daybook_hub", CONFIGURATION.with_name("daybook_hub.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["daybook_hub"] = module
    spec.loader.exec_module(module)
    return module


class User:
    """A user of the Hub, as far as it is asked."""

    def __init__(self, token="token", **state):
        self.state = {"access_token": token, **state} if token is not None else None

    async def get_auth_state(self):
        return self.state


class Daybook:
    """Answers what a test wants, and keeps what it was asked."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.answer = lambda: JSONResponse({"notebooks": [NDVI], "total": 1, "next": None})
        self.asked = []
        self.app = FastAPI()
        self.app.get("/{path:path}")(self.route)

    def route(self, request: Request) -> Response:
        self.asked.append((request.url.path, request.headers.get("authorization")))
        return self.answer()


@pytest.fixture(scope="module")
def served():
    daybook = Daybook()
    with serving(daybook.app, daybook.port):
        yield daybook


@pytest.fixture
def daybook(served):
    served.asked.clear()
    served.answer = Daybook().answer
    return served


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


async def test_each_person_is_asked_for_with_their_own_token(daybook_hub, daybook):
    notebooks = daybook_hub.Notebooks(daybook.url, PUBLIC)
    for name in ("ada", "bob"):
        found = await notebooks.for_templates(User(name))()
        assert [each["title"] for each in found.notebooks] == ["NDVI"]
        assert found.notebooks[0]["page"] == f"{PUBLIC}/run/ndvi"
    assert daybook.asked == [("/api/v1/notebooks", "Bearer ada"), ("/api/v1/notebooks", "Bearer bob")]


async def test_an_answer_counts_for_some_seconds_and_for_its_token_alone(daybook_hub, daybook):
    clock = Clock()
    notebooks = daybook_hub.Notebooks(daybook.url, PUBLIC, clock)
    for moment, count in ((0.0, 1), (daybook_hub.KEEP_SECONDS - 0.1, 1), (daybook_hub.KEEP_SECONDS, 2)):
        clock.now = moment
        await notebooks.of(User("ada"))
        assert len(daybook.asked) == count
    await notebooks.of(User("ada, logged in anew"))
    assert len(daybook.asked) == 3


async def test_nothing_is_asked_before_a_template_does(daybook_hub, daybook):
    daybook_hub.Notebooks(daybook.url, PUBLIC).for_templates(User())
    assert not daybook.asked


@pytest.mark.parametrize("user", [None, User(None), User(""), User(token=7)])
async def test_without_a_token_nothing_is_asked(daybook_hub, daybook, user):
    found = await daybook_hub.Notebooks(daybook.url, PUBLIC).of(user)
    assert found.trouble == daybook_hub.TELL_LOG_IN
    assert not daybook.asked


@pytest.mark.parametrize(
    "answer",
    [
        lambda: JSONResponse({}, 500),
        lambda: JSONResponse({}, 404),
        lambda: Response("<html>", media_type="text/html"),
        lambda: Response(b"\xff"),
        lambda: JSONResponse([]),
        lambda: JSONResponse({"notebooks": [None], "total": 1}),
        lambda: JSONResponse({"notebooks": [{"title": "no id"}], "total": 1}),
        lambda: JSONResponse({"notebooks": {}, "total": []}),
        lambda: Response(b" " * (5 * 1024 * 1024)),
    ],
)
async def test_whatever_is_no_list_is_told_in_a_sentence(daybook_hub, daybook, answer):
    daybook.answer = answer
    found = await daybook_hub.Notebooks(daybook.url, PUBLIC).of(User())
    assert (found.notebooks, found.trouble) == ((), daybook_hub.TELL_SILENT)


async def test_a_refused_token_says_to_log_in_again_and_the_operator_finds_why_in_the_hubs_log(
    daybook_hub, daybook, caplog
):
    daybook.answer = lambda: JSONResponse({"detail": "its claim 'aud' does not hold 'daybook'"}, 401)
    assert (
        await daybook_hub.Notebooks(daybook.url, PUBLIC).of(User("secret"))
    ).trouble == daybook_hub.TELL_LOG_IN_AGAIN
    assert "Daybook answers 401" in caplog.text
    assert "its claim 'aud' does not hold 'daybook'" in caplog.text
    assert "secret" not in caplog.text


async def test_a_token_follows_no_redirect(daybook_hub, daybook):
    daybook.answer = lambda: RedirectResponse("/elsewhere")
    assert (await daybook_hub.Notebooks(daybook.url, PUBLIC).of(User())).trouble == daybook_hub.TELL_SILENT
    assert [path for path, _ in daybook.asked] == ["/api/v1/notebooks"]


async def test_a_daybook_that_hangs_holds_nobody_up(daybook_hub, daybook, monkeypatch):
    monkeypatch.setattr(daybook_hub, "TIMEOUT_SECONDS", 0.2)
    daybook.answer = lambda: (time.sleep(1), JSONResponse({}))[1]
    assert (await daybook_hub.Notebooks(daybook.url, PUBLIC).of(User())).trouble == daybook_hub.TELL_SILENT


async def test_more_than_are_shown_are_counted(daybook_hub, daybook):
    daybook.answer = lambda: JSONResponse({"notebooks": [NDVI] * 60, "total": 1000})
    found = await daybook_hub.Notebooks(daybook.url, PUBLIC).of(User())
    assert (len(found.notebooks), found.more) == (daybook_hub.SHOWN, 1000 - daybook_hub.SHOWN)
