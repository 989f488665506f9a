"""What a person sees: Airflow's own trigger form, and the run's page, in a real browser."""

import os
import re
from pathlib import Path

from browsing import new_page, sign_in
from driving import RUN_SECONDS, until
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


def test_airflows_menu_shows_the_catalogue_and_its_links_can_be_shared(stack, page):
    page.goto(stack.url)
    page.get_by_role("link", name="Daybook").or_(page.get_by_title("Daybook")).first.click()
    frame = framed(page, "Daybook")
    expect(frame.get_by_role("heading", level=1)).to_have_text("Notebooks")
    frame.get_by_role("link", name="Echo", exact=True).click()
    expect(frame.get_by_role("heading", level=1)).to_have_text("Echo", ignore_case=True)
    page.wait_for_url("**/plugin/daybook/notebooks/run/echo")
    picture(page, "airflow-menu")


def test_tab_of_a_dag_runs_its_notebook_and_that_of_the_run_shows_it(stack, page):
    before = newest_run(stack, "echo")
    page.goto(f"{stack.url}/dags/echo")
    page.get_by_role("link", name="Run form").click()
    frame = framed(page, "Run form")
    frame.get_by_label("word").fill("framed")
    picture(page, "airflow-dag")
    frame.get_by_role("button", name="Run", exact=True).click()
    run_id = until(lambda: found if (found := newest_run(stack, "echo")) != before else None, what="the form's run")
    page.goto(f"{stack.url}/dags/echo/runs/{run_id}")
    page.get_by_role("link", name="Notebook", exact=True).click()
    frame = framed(page, "Notebook")
    expect(frame.get_by_role("heading", level=1)).to_have_text("Echo", ignore_case=True)
    expect(frame.locator(".state").first).to_have_text(re.compile("succeeded"), timeout=RUN_SECONDS * 1000)
    frame.locator("iframe").scroll_into_view_if_needed()
    expect(frame.frame_locator("iframe").locator("body")).to_contain_text('word = "framed"', timeout=30_000)
    picture(page, "airflow-run")
    # The frame must not lead Airflow's window away by itself; our own link out of it still works.
    frame.get_by_role("link", name="In Airflow").click()
    page.wait_for_url("**/tasks/run*")
    page.get_by_role("link", name="Notebook", exact=True).click()
    expect(framed(page, "Notebook").get_by_text("framed").first).to_be_visible()


def test_tab_of_somebodys_own_task_shows_its_run_and_that_of_the_dag_run_all(stack, page):
    run_id = stack.trigger("own").json()["dag_run_id"]
    stack.ended("own", run_id)
    page.goto(f"{stack.url}/dags/own/runs/{run_id}/tasks/mapped/mapped/1")
    page.get_by_role("link", name="Notebook", exact=True).click()
    expect(framed(page, "Notebook").get_by_text("second").first).to_be_visible()
    page.goto(f"{stack.url}/dags/own/runs/{run_id}")
    page.get_by_role("link", name="Notebook", exact=True).click()
    expect(framed(page, "Notebook").get_by_role("heading", level=1)).to_have_text("Runs of notebooks")
    expect(framed(page, "Notebook").get_by_role("row")).to_have_count(5)
    picture(page, "airflow-own-run")
    page.goto(f"{stack.url}/dags/own")
    page.get_by_role("link", name="Run form").click()
    expect(framed(page, "Run form").get_by_role("heading", level=1)).to_have_text("No notebook")


def test_links_of_a_task_lead_to_the_run(stack, page):
    run_id = stack.trigger("echo", {"word": "linked"}).json()["dag_run_id"]
    assert stack.ended("echo", run_id)["state"] == "success"
    run = f"{stack.url}/notebooks/runs/local/{stack.xcom('echo', run_id)['run_id']}"
    page.goto(f"{stack.url}/dags/echo/runs/{run_id}/tasks/run/details")
    for name, url in (("Run", run), ("Executed notebook", f"{run}/notebook"), ("Run log", f"{run}/log")):
        expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("href", url)
        assert page.request.get(url).status == 200
    picture(page, "airflow-links")


def framed(page, name):
    return page.frame_locator(f"iframe[title='{name}']")


def picture(page, name):
    """For whoever wants to look: `DAYBOOK_PICTURES=folder pytest …`."""
    if folder := os.environ.get("DAYBOOK_PICTURES"):
        page.screenshot(path=Path(folder, f"{name}.png"))
