"""What people do with the pages, inside a real Airflow and in a real browser: from a link to a download, and back."""

import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from browsing import new_page, sign_in
from driving import RUN_SECONDS
from playwright.sync_api import expect

ENDS = RUN_SECONDS * 1000
"""Milliseconds in which a run ends on a busy machine."""
TOO_WIDE = """[...document.querySelectorAll('html, body *')]
    .filter(each => each.scrollWidth > innerWidth || each.getBoundingClientRect().right > innerWidth + 1)
    .filter(() => document.documentElement.scrollWidth > innerWidth).map(each => each.outerHTML.slice(0, 200))"""
"""What makes a page wider than its window."""
RUN_PAGE = re.compile(r"/notebooks/runs/local/[^/?]+$")


@pytest.fixture(scope="module")
def complaints():
    """What browsers said against our pages."""
    return []


@pytest.fixture
def here(stack, page, complaints):
    """A page of a signed-in browser, and what it complains of."""
    own = page.context.new_page()
    own.set_default_timeout(60_000)
    own.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    own.on("pageerror", lambda error: complaints.append(str(error)))
    yield own
    own.close()
    assert complaints == []


def state(page, name):
    expect(page.locator("main.run .state").first).to_contain_text(name, timeout=ENDS)


def run_id(page):
    page.wait_for_url(RUN_PAGE)
    return page.url.rpartition("/")[2]


def test_from_a_link_to_the_form_the_run_its_progress_its_notebook_and_a_download(stack, browser, tmp_path):
    gate = tmp_path / "gate"
    page = new_page(browser)
    page.goto(f"{stack.url}/notebooks/run/gated?word=a%26b%20%2B%20%C3%BC&gate={quote(str(gate))}")
    sign_in(stack, page)
    page.wait_for_url("**/notebooks/run/gated?**")
    expect(page.get_by_label("word")).to_have_value("a&b + ü")
    page.get_by_role("button", name="Run", exact=True).click()
    made = run_id(page)

    state(page, "running")
    expect(page.locator("[data-live=cells]")).to_contain_text("cell 2 is running", timeout=ENDS)
    expect(page.locator("[data-live=source]")).to_contain_text("while not Path(gate).exists()")
    page.evaluate("window.mark = 'not loaded since'")
    succeeded = page.locator("[data-live=bar] .succeeded")
    before = succeeded.evaluate("part => Number(part.style.flexGrow)")
    gate.touch()
    expect(page.locator("[data-live=cells]")).to_contain_text("cell 3 is running", timeout=ENDS)
    assert page.evaluate("window.mark") == "not loaded since"
    assert succeeded.evaluate("part => Number(part.style.flexGrow)") == before + 1
    gate.with_name("gate-2").touch()
    state(page, "succeeded")

    page.locator("iframe").scroll_into_view_if_needed()  # it loads when it comes into view
    expect(page.frame_locator("iframe").locator("body")).to_contain_text("a&b + ü")
    with page.expect_download() as download:
        page.get_by_role("link", name="words.txt", exact=True).click()
    assert download.value.path().read_text() == "a&b + ü"
    assert stack.manifest(made)["user"] == "admin"


def test_again_with_changes_listed_in_the_history_and_compared(stack, here):
    page = here
    page.goto(f"{stack.url}/notebooks/run/echo?word=first&times=1")
    page.get_by_role("button", name="Run", exact=True).click()
    first = run_id(page)
    state(page, "succeeded")
    page.get_by_role("link", name="Run again with changes").click()
    expect(page.get_by_label("word")).to_have_value("first")
    page.get_by_label("word").fill("second")
    page.get_by_role("button", name="Run", exact=True).click()
    second = run_id(page)
    assert second != first
    state(page, "succeeded")
    page.get_by_role("button", name="Run again", exact=True).click()
    page.wait_for_url(lambda url: RUN_PAGE.search(url) and second not in url)
    state(page, "succeeded")
    assert stack.manifest(run_id(page))["parameters"] == {"word": "second", "times": 1}

    page.goto(f"{stack.url}/notebooks")
    page.get_by_role("navigation", name="Daybook").get_by_role("link", name="Runs").click()
    page.get_by_label("Notebook", exact=True).fill("echo")
    page.get_by_role("button", name="Show").click()
    for each in (first, second):
        page.locator(f"input[name=run][value$='{each}']").check()
    page.get_by_role("button", name="Compare").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="word"))
    expect(row).to_contain_text("differs")
    expect(row.get_by_role("cell")).to_have_text(["first", "second"])


def press_until(page, is_there, key="Tab", most=60):
    """Presses a key until what has the focus is what is looked for."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate(f"() => {{ const it = document.activeElement; return {is_there}; }}"):
            return
    raise AssertionError(f"{key} never led to {is_there}")


def test_by_keyboard_alone_from_a_link_to_a_run_and_its_end(stack, here):
    page = here
    page.goto(f"{stack.url}/notebooks/run/sleeper")
    press_until(page, "it.name === 'seconds'")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("500")
    press_until(page, "it.matches('button.primary')")
    page.keyboard.press("Enter")
    made = run_id(page)
    state(page, "running")
    press_until(page, "it.matches('summary') && it.textContent.includes('Cancel')")
    page.keyboard.press("Enter")
    press_until(page, "it.textContent === 'Cancel this run'")
    page.keyboard.press("Enter")
    state(page, "interrupted")
    manifest = stack.manifest(made)
    assert (manifest["sealed"], manifest["parameters"]["seconds"]) == (True, 500)


def test_on_a_phone_no_page_is_wider_than_it(stack, here):
    asked = {name: stack.trigger(name).json()["dag_run_id"] for name in ("failing", "echo")}
    for name, dag_run in asked.items():
        stack.ended(name, dag_run)
    failed, succeeded = (f"local/{stack.manifest_of(name, dag_run)['run_id']}" for name, dag_run in asked.items())
    page = here
    page.set_viewport_size({"width": 390, "height": 844})
    paths = ["", "/?q=echo", "/?q=no-such-word", "/run/flights_delays", "/run/ndvi_calculation?bbox=1", "/runs"]
    paths += ["/runs?state=failed", f"/runs/compare?run={failed}&run={succeeded}"]
    for path in [*paths, f"/runs/{failed}", f"/runs/{succeeded}"]:
        page.goto(f"{stack.url}/notebooks{path}")
        assert (path, page.evaluate(TOO_WIDE)) == (path, [])


@pytest.mark.skipif("DAYBOOK_PICTURES" not in os.environ, reason="only makes the README's pictures")
def test_pictures_for_the_readme(stack, here):
    """`DAYBOOK_PICTURES=docs/images pytest tests/e2e/test_pages.py -k pictures`"""
    folder, page = Path(os.environ["DAYBOOK_PICTURES"]), here
    page.set_viewport_size({"width": 1100, "height": 1090})
    page.goto(f"{stack.url}/notebooks/run/flights_delays?origin=JFK&first_month=6&last_month=8")
    page.screenshot(path=folder / "run-form.png")
    page.get_by_role("button", name="Run", exact=True).click()
    state(page, "succeeded")
    page.locator(".thumbs img").last.scroll_into_view_if_needed()  # they load when they come into view
    page.wait_for_function("[...document.querySelectorAll('.thumbs img')].every(each => each.naturalWidth)")
    page.set_viewport_size({"width": 1100, "height": 1300})
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=folder / "run-page.png")
