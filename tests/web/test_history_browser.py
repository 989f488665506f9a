"""The list of runs in a real browser: it shows newer ones by itself once the server has looked for them."""

import dataclasses
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from builders import ASKED_AT, a_run_id
from daybook.contract.manifest import State
from daybook.web.app import create_app
from daybook.web.history import Page, RunRow
from daybook.workspaces import Identity
from web_browser import chromium, serving


def a_row(number):
    return RunRow(
        workspace="open", run_id=a_run_id("flights", ASKED_AT, str(number)), notebook="flights",
        title=f"Flights {number}", state=State.SUCCEEDED, reason=None, sealed=True, attempt=1, user="bob",
        asked_at=datetime.now(UTC), finished_at=None, duration_seconds=None,
    )  # fmt: skip


OLD = Page([a_row(1)], None, is_complete=True, is_refreshing=True, as_of=ASKED_AT)
NEW = Page([a_row(2), a_row(1)], None, is_complete=True)


class Refreshed:
    """A history that is old at the first look, and new when it is told so."""

    def __init__(self):
        self.now, self.looks = OLD, 0

    def page(self, *_, **__):
        self.looks += 1
        return self.now

    def notebooks(self, *_):
        return []

    def known(self, *_):
        return {}


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def history():
    return Refreshed()


@pytest.fixture
def shown(browser, world, history):
    async def user(_):
        return Identity("bob")

    app = create_app(dataclasses.replace(world, user=user))
    app.state.site = dataclasses.replace(app.state.site, history=history)
    complaints = []
    with serving(app) as url:
        page = browser.new_page(base_url=url)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.clock.install()
        page.goto("/runs")
        yield page
        page.close()
    assert complaints == []


def test_newer_runs_are_shown_without_loading_the_page_anew(shown, history):
    shown.evaluate("window.same = true")
    shown.get_by_label("Notebook").fill("half typed")
    expect(shown.get_by_text("As of 2026-11-23 01:02:03 UTC")).to_be_visible()
    history.now = NEW
    shown.clock.run_for(1_000)
    expect(shown.get_by_text("Flights 2")).to_be_visible()
    expect(shown.get_by_text("newer runs are being looked for")).to_have_count(0)
    assert shown.evaluate("window.same") is True
    assert shown.get_by_label("Notebook").input_value() == "half typed"


def test_what_somebody_has_ticked_stays(shown, history):
    box = shown.get_by_role("checkbox")
    box.check()
    history.now = NEW
    shown.clock.run_for(5_000)
    shown.evaluate("fetch('/runs?state=failed')")  # whatever the page had asked for came before this
    assert history.looks == 2
    expect(box).to_be_checked()
    box.uncheck()
    box.blur()
    shown.clock.run_for(1_000)
    expect(shown.get_by_text("Flights 2")).to_be_visible()


def test_a_long_title_leaves_the_users_name_on_one_line(shown, history):
    history.now = Page([dataclasses.replace(a_row(1), title="A title that goes on " * 20, user="admin")], None, True)
    shown.reload()
    lines = """cell => {
      const text = document.createRange();
      text.selectNodeContents(cell);
      return text.getClientRects().length;
    }"""
    assert shown.locator(".runs .who").evaluate(lines) == 1
