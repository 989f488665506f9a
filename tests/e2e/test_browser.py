"""What a person sees: Airflow's own trigger form, and the run's page, in a real browser."""

import re

from browsing import new_page, sign_in
from driving import until
from playwright.sync_api import expect


def newest_run(stack, dag):
    runs = stack.client.get(f"/api/v2/dags/{dag}/dagRuns", params={"order_by": "-run_after", "limit": 1}).json()
    return runs["dag_runs"][0]["dag_run_id"] if runs["dag_runs"] else None


def test_airflows_form_gives_the_same_run_as_rest(stack, page):
    by_rest = stack.trigger("echo", {"word": "same", "times": 3}).json()["dag_run_id"]
    assert stack.ended("echo", by_rest)["state"] == "success"
    page.goto(f"{stack.url}/dags/echo")
    page.get_by_role("button", name="Trigger").first.click()
    page.get_by_label("word").or_(page.locator("input[name=element_word]")).first.fill("same")
    page.locator("input[name=element_times]").fill("3")
    page.get_by_role("button", name="Trigger").last.click()
    by_form = until(lambda: found if (found := newest_run(stack, "echo")) != by_rest else None, what="the form's run")
    assert stack.ended("echo", by_form)["state"] == "success"
    first, second = (stack.manifest(stack.xcom("echo", run)["run_id"]) for run in (by_rest, by_form))
    for field in ("parameters", "results", "workspace", "user", "notebook", "image", "state"):
        if field == "notebook":
            assert first[field]["sha256"] == second[field]["sha256"]
        else:
            assert first[field] == second[field]


def test_run_page_shows_the_run_and_its_notebook(stack, page):
    run_id = stack.trigger("echo", {"word": "shown"}).json()["dag_run_id"]
    assert stack.ended("echo", run_id)["state"] == "success"
    daybook_id = stack.xcom("echo", run_id)["run_id"]
    page.goto(f"{stack.url}/notebooks/runs/local/{daybook_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Echo")
    expect(page.locator(".state").first).to_have_text(re.compile("succeeded"))
    expect(page.get_by_text("echo.txt").first).to_be_visible()
    page.locator("iframe").scroll_into_view_if_needed()  # it loads when it comes into view
    frame = page.frame_locator("iframe")
    expect(frame.locator("body")).to_contain_text('word = "shown"', timeout=30_000)


def test_page_asks_a_stranger_to_sign_in_and_brings_them_back(stack, browser):
    run_id = stack.trigger("echo", {"word": "later"}).json()["dag_run_id"]
    assert stack.ended("echo", run_id)["state"] == "success"
    path = f"/notebooks/runs/local/{stack.xcom('echo', run_id)['run_id']}"
    page = new_page(browser)
    page.goto(stack.url + path)
    sign_in(stack, page)
    page.wait_for_url(f"**{path}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Echo")
