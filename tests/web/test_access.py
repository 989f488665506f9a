"""Who gets an answer, and what everybody else is told."""

import dataclasses

import httpx
import pytest

from builders import RUN_ID, a_manifest, a_run_id
from daybook.contract import keys
from daybook.contract.errors import Fault, InvalidSettings, StoreFailed
from daybook.storage import record_of
from daybook.web import headers
from daybook.web.app import create_app
from daybook.web.runs import NO_SUCH_RUN

pytestmark = pytest.mark.anyio

ALICE = {"Authorization": "Bearer alice"}
NOBODY = {"Authorization": ""}
PAGES = ["", "/manifest.json", "/notebook", "/notebook.ipynb", "/log", "/outputs/a.csv"]


def assert_marked(answer, marks):
    assert {name: answer.headers.get(name) for name in marks} == marks


def with_world(world, **changes):
    app = create_app(dataclasses.replace(world, **changes))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://daybook.test", headers=ALICE)


@pytest.mark.parametrize("path", PAGES)
async def test_nothing_of_a_run_is_for_strangers(client, save, path):
    save(a_manifest())
    answer = await client.get(f"/runs/closed/{RUN_ID}{path}")
    assert (answer.status_code, answer.text) == (404, NO_SUCH_RUN + "\n")
    assert_marked(answer, headers.FILE)


async def test_a_member_sees_the_run(client, save):
    save(a_manifest())
    assert (await client.get(f"/runs/closed/{RUN_ID}", headers=ALICE)).status_code == 200


@pytest.mark.parametrize("run", [RUN_ID, a_run_id("none"), "x"])
async def test_strangers_do_not_learn_which_runs_there_are(client, save, run):
    save(a_manifest())
    answer = await client.get(f"/runs/closed/{run}")
    assert (answer.status_code, answer.text) == (404, NO_SUCH_RUN + "\n")


@pytest.mark.parametrize("path", PAGES)
async def test_a_browser_that_is_not_logged_in_is_sent_to_the_login_and_back(client, save, path):
    page = save(a_manifest()) + path
    answer = await client.get(page, headers={**NOBODY, "Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 302
    assert answer.headers["location"] == f"/login?next={page}"  # a proxy's own name of us leads no browser back
    assert answer.headers["cache-control"] == headers.FILE["Cache-Control"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
async def test_a_program_that_is_not_logged_in_is_told_so(client, save, path, accept):
    answer = await client.get(save(a_manifest()) + path, headers={**NOBODY, "Accept": accept})
    text = answer.json()["detail"] if accept == "application/json" else answer.text.removesuffix("\n")
    assert (answer.status_code, text) == (401, "not logged in: no token")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert_marked(answer, headers.FILE)


async def test_what_a_link_gives_is_there_again_after_the_login(client):
    answer = await client.get("/run/nb?a=1&b=%C3%A9", headers={**NOBODY, "Accept": "text/html"})
    assert answer.headers["location"] == "/login?next=/run/nb?a=1&b=%C3%A9"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (f"/runs/nowhere/{RUN_ID}", NO_SUCH_RUN),
        (f"/runs/Open/{RUN_ID}", NO_SUCH_RUN),
        ("/runs/open/nonsense", NO_SUCH_RUN),
        (f"/runs/open/{RUN_ID}x", NO_SUCH_RUN),
        ("/runs/open/..%2f..%2fetc", "Not Found"),
        (f"/runs/open/{a_run_id('other')}", NO_SUCH_RUN),
        ("/runs/open", "Not Found"),
        ("/docs", "Not Found"),
        (f"/runs/open/{RUN_ID}/other", "Not Found"),
    ],
)
async def test_what_is_not_there_is_told_in_one_plain_line(client, save, path, message):
    save(a_manifest())
    answer = await client.get(path)
    assert (answer.status_code, answer.text) == (404, message + "\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert_marked(answer, headers.FILE)


async def test_an_unknown_workspace_does_not_tell_which_there_are(client):
    assert "closed" not in (await client.get(f"/runs/close/{RUN_ID}")).text


async def test_a_manifest_that_names_another_run_is_not_shown(client, bucket):
    other = a_run_id("other")
    record_of(bucket, RUN_ID).store.write(keys.MANIFEST, a_manifest(run_id=other).to_json().encode())
    assert (await client.get(f"/runs/open/{RUN_ID}")).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_runs_can_only_be_read(client, save, method):
    answer = await client.request(method, save(a_manifest()))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert_marked(answer, headers.FILE)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/run/nb", "GET, HEAD, POST"),
        (f"/runs/open/{RUN_ID}/cancel", "POST"),
        (f"/api/v1/runs/open/{RUN_ID}/pin", "DELETE, PUT"),
    ],
)
async def test_a_method_that_does_not_fit_is_told_all_that_do(client, path, methods):
    answer = await client.request("PATCH", path)
    assert (answer.status_code, answer.headers["allow"]) == (405, methods)


async def test_a_slash_too_much_leads_to_the_page(client, save):
    page = save(a_manifest())
    answer = await client.get(page + "/")
    assert (answer.status_code, answer.headers["location"]) == (307, page)


def failing(error):
    def fail(*_):
        raise error

    return fail


@pytest.mark.parametrize("path", PAGES)
async def test_a_bucket_that_is_down_is_unavailable_for_now(world, path):
    down = failing(StoreFailed("cannot read s3://bucket/x: connection refused"))
    async with with_world(world, bucket=down) as alice:
        answer = await alice.get(f"/runs/open/{RUN_ID}{path}")
    assert (answer.status_code, answer.text) == (503, "cannot read s3://bucket/x: connection refused\n")
    assert answer.headers["retry-after"] == "10"
    assert_marked(answer, headers.FILE)


async def test_a_broken_manifest_is_named_and_no_retry_promised(client, bucket):
    record_of(bucket, RUN_ID).store.write(keys.MANIFEST, b"{}")
    answer = await client.get(f"/runs/open/{RUN_ID}")
    assert answer.status_code == 503
    assert "is not a manifest that this Daybook reads" in answer.text
    assert "retry-after" not in answer.headers


async def test_broken_settings_are_for_the_operator_and_told_to_nobody_else(world, caplog):
    error = InvalidSettings("the workspaces are not YAML", [Fault("/etc/daybook/workspaces.yaml, line 3", "tab")])
    async with with_world(world, workspaces=failing(error)) as alice:
        answer = await alice.get(f"/runs/open/{RUN_ID}")
    assert answer.status_code == 500
    assert answer.text == "Daybook is not set up as it must be; its operator finds the reason in Airflow's log\n"
    assert "/etc/daybook/workspaces.yaml, line 3" in caplog.text
    assert_marked(answer, headers.FILE)


async def test_the_event_loop_is_never_held_up_by_a_bucket(world, bucket, save):
    """All of Airflow's API runs on that loop."""
    import threading

    save(a_manifest())
    threads = []

    def slow(_):
        threads.append(threading.current_thread())
        return bucket

    async with with_world(world, bucket=slow) as alice:
        assert (await alice.get(f"/runs/open/{RUN_ID}")).status_code == 200
    assert threads
    assert threading.main_thread() not in threads
