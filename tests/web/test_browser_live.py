"""The page of a run that goes on, in a real browser: it follows by itself, also without events or scripts."""

import dataclasses

import pytest

from builders import ASKED_AT, RUN_ID, a_manifest, a_notebook_json
from daybook.contract.manifest import CellCounts, Files, State
from daybook.contract.request import AirflowCoordinates
from daybook.web.api import events
from daybook.web.app import create_app
from daybook.web.live.watching import TooMany, Watchers
from daybook.web.world import Asked, Conflict
from web_api import ports_of

PAGE = f"/runs/open/{RUN_ID}"
HOSTILE = "<img src=x onerror=\"document.title='broken'\"><b>bold</b>"


def running(succeeded=1, **changes):
    where = AirflowCoordinates(dag_id="flights_delays", run_id="manual__1", task_id="run")
    cells = CellCounts(total=5, succeeded=succeeded, current=succeeded)
    given = {
        "state": State.RUNNING,
        "sealed": False,
        "sealed_by": None,
        "exit_code": None,
        "results": {},
        "cells": cells,
    }
    return a_manifest(**{**given, "airflow": where, "files": Files(notebook="notebook.ipynb"), **changes})


def notebook():
    return {"notebook.ipynb": a_notebook_json([f"cell = {n}  # {HOSTILE}" for n in range(5)]).encode()}


def mark(page):
    """By which a page that was loaded anew is told."""
    page.evaluate("window.mark = 'same'")


def shown(page, words):
    page.get_by_text(words).first.wait_for()


def test_the_page_follows_the_run_in_place_and_is_loaded_anew_once_at_its_end(site, save, open_page):
    page = open_page()
    save(running(), notebook())
    page.goto(site + PAGE)
    mark(page)
    shown(page, "cell = 1")
    save(running(3, message=HOSTILE))
    shown(page, "3 of 5 cells succeeded; cell 3 is running")
    shown(page, "cell = 3")
    shown(page, HOSTILE)
    assert page.evaluate("window.mark") == "same"
    assert page.locator("main img, main b").count() == 0
    assert page.locator(".bar span").first.evaluate("part => part.style.flexGrow") == "3"
    save(a_manifest())
    shown(page, "mean_delay")
    assert page.evaluate("window.mark === undefined")
    assert page.title() == "Delays of flights · succeeded · Daybook"
    mark(page)
    assert page.locator("[data-events]").count() == 0
    assert page.evaluate("window.mark") == "same", "it is not loaded again and again"


def test_a_change_of_state_is_announced(site, save, open_page):
    page = open_page()
    save(running(state=State.QUEUED, cells=CellCounts()))
    page.goto(site + PAGE)
    save(running())
    page.get_by_role("status").get_by_text("The run is running").wait_for()
    assert page.title() == "Delays of flights · running · Daybook"


def test_where_events_do_not_come_the_page_asks(site, save, open_page, monkeypatch):
    def full(*_):
        raise TooMany("full")

    monkeypatch.setattr(Watchers, "require_room", full)
    page = open_page()
    save(running())
    page.goto(site + PAGE)
    mark(page)
    save(running(4))
    shown(page, "4 of 5 cells succeeded")
    assert page.evaluate("window.mark") == "same"
    save(a_manifest())
    shown(page, "mean_delay")


def test_an_answer_that_ends_is_asked_for_again_unnoticed(site, save, open_page, monkeypatch):
    monkeypatch.setattr(events, "STREAM_SECONDS", (0.2, 0.2))
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.05)
    page = open_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    save(running())
    page.goto(site + PAGE)
    while len([each for each in asked if each.endswith("/events")]) < 3:
        page.wait_for_event("request")
    save(running(2))
    shown(page, "2 of 5 cells succeeded")
    assert page.locator("[data-live=trouble]").is_hidden()


def test_without_scripts_the_page_loads_itself_anew(site, save, open_page):
    page = open_page(java_script_enabled=False)
    save(running())
    page.goto(site + PAGE)
    save(running(2))
    page.get_by_text("2 of 5 cells succeeded").wait_for()


def test_a_paused_page_follows_nothing(site, save, open_page):
    page = open_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    save(running())
    page.goto(f"{site}{PAGE}?refresh=off", wait_until="networkidle")
    assert not [each for each in asked if each.endswith("/events")]
    with page.expect_request("**/events"):
        page.get_by_role("link", name="go on").click()


def test_a_run_is_cancelled_by_keyboard_and_only_after_a_second_thought(world, our_server, save, open_page):
    ended = []

    async def cancel(request, user, asked):
        ended.append((user.user, asked.dag_run_id))
        save(a_manifest(state=State.INTERRUPTED, message="cancelled by alice"))

    url, switch = our_server
    switch.app = create_app(dataclasses.replace(world, key=b"k", cancel=cancel))
    save(running())
    page = open_page()
    page.goto(url + PAGE)
    page.get_by_text("Cancel…").focus()
    page.keyboard.press("Enter")
    assert ended == []
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    shown(page, "cancelled by alice")
    assert ended == [("alice", "manual__1")]
    assert page.url == url + PAGE


@pytest.mark.parametrize("scripts", [True, False])
def test_a_page_that_tells_why_a_run_cannot_be_cancelled_follows_the_run_all_the_same(
    world, our_server, save, open_page, scripts
):
    async def cancel(*_):
        raise Conflict("no more")

    url, switch = our_server
    switch.app = create_app(dataclasses.replace(world, key=b"k", cancel=cancel))
    save(running())
    page = open_page(java_script_enabled=scripts)
    page.goto(url + PAGE)
    page.locator("summary", has_text="Cancel").click()
    page.get_by_role("button", name="Cancel this run").click()
    shown(page, "The run cannot be cancelled: no more")
    save(a_manifest())
    shown(page, "mean_delay")
    assert (page.url, page.locator("main.run.succeeded").count()) == (url + PAGE, 1)


def test_a_run_that_ended_before_it_began_is_no_more_shown_as_queued(world, our_server, open_page):
    held = [Asked(RUN_ID, "flights_delays", "open", "alice", ASKED_AT, "flights_delays", "manual__1", "queued")]
    url, switch = our_server
    switch.app = create_app(dataclasses.replace(world, **ports_of(lambda place: held if place.name == "open" else [])))
    page = open_page()
    page.goto(url + PAGE)
    page.locator("summary", has_text="Cancel").wait_for()
    held.clear()
    page.locator(".state", has_text="ended without a record").wait_for()
    assert page.title() == "flights_delays · ended · Daybook"
    assert page.locator(".confirm").count() == 0


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_overflows_while_it_runs(site, save, open_page, width):
    page = open_page(viewport={"width": width, "height": 844})
    long = "a_very_long_name_without_any_place_to_break_" * 9
    save(running(message=long), {"notebook.ipynb": a_notebook_json([f"x = '{long}'"] * 5).encode()})
    page.goto(site + PAGE)
    shown(page, "x = 'a_very")
    assert page.evaluate("document.documentElement.scrollWidth") == width
