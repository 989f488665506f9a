"""Attacks on what belongs to other workspaces. The table is made from the app's routes, so that none is forgotten."""

import dataclasses
import itertools
import json
import re
from urllib.parse import quote

import httpx
import pytest
from starlette.requests import Request
from starlette.routing import Route

from builders import RUN_ID, a_manifest, a_run_id, a_workspace, an_output
from daybook.contract import keys
from daybook.contract.manifest import SideFile
from daybook.storage import open_store, record_of
from daybook.web.app import create_app
from daybook.web.bodies import MAX_BODY_BYTES
from daybook.web.world import World
from daybook.workspaces import Workspaces

pytestmark = pytest.mark.anyio

NOT_OF_A_WORKSPACE = {
    "/static/{name}": "the same files for everybody",
    "/": "lists what `workspaces_of` gives: tests of the catalogue",
    "/run/{notebook_id}": "`visible_notebook` and `choose_workspace`: tests of the form",
    "/run/{id}": "the same",
    "/runs": "lists what `workspaces_of` gives: tests of the history",
    "/runs/compare": "opens each run as the pages of runs do: tests of the comparison",
    "/airflow/{dag_id}": "`visible_notebook`: tests of the ways from Airflow",
    "/airflow/{dag_id}/{dag_run_id:path}": "names runs of `workspaces_of` alone: tests of the ways from Airflow",
    "/openapi.json": "tells of routes and of no data",
    "/health/live": "tells of no data",
    "/health/ready": "tells of no data",
    "/metrics": "numbers by workspace for operators; says itself whom it lets in",
    "/api/v1/notebooks": "lists what `workspaces_of` gives: tests of the API",
    "/spark": "lists what `workspaces_of` gives: tests of the Spark page",
    "/api/v1/spark": "lists what `workspaces_of` gives: tests of the Spark page",
    "/api/v1/runs": "lists what `workspaces_of` gives: tests of the API",
}
"""Routes that name no workspace in their path, and what holds there instead. A new one has to be named here; below
`/api/v1/notebooks/` all do as the form does."""

OUTPUT = an_output("delays.csv")
SIDE = SideFile(cell=3, key="side/cell-3-stdout.txt", size=3, sha256="0" * 64, media_type="text/plain")
FILES = dict.fromkeys((keys.NOTEBOOK_FILE, keys.HTML_FILE, keys.LOG_FILE, OUTPUT.key, SIDE.key), b"abc")
THERE = {"path": OUTPUT.path, "name": "cell-3-stdout.txt", "run_id": RUN_ID, "attempt": "1"}
PLACE = r"/runs/(closed|none)/[^/\s\"]+|/spark/(closed|none)"
"""What was asked for, as an answer repeats it."""
NOT_TOLD = {"date", "content-length"}


def routes():
    nothing = World(*[None] * 5)
    return [
        (method, each.path)
        for each in create_app(nothing).routes
        if isinstance(each, Route)
        for method in sorted(each.methods - {"HEAD"})
    ]


OF_A_RUN = [(method, path) for method, path in routes() if "{workspace}" in path]


def filled(path, /, **values):
    """A route's path with something for each of its parameters."""
    given = {**THERE, **values}
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: given.get(found[1], "x"), path)


def told(answer):
    """What an answer tells whoever gets it; the moment is none of it, and the length goes with the text."""
    return answer.status_code, answer.text, {k: v for k, v in answer.headers.items() if k not in NOT_TOLD}


def test_every_route_is_in_the_table():
    known = {path for _, path in OF_A_RUN} | set(NOT_OF_A_WORKSPACE)
    missing = {path for _, path in routes() if path not in known and not path.startswith("/api/v1/notebooks/")}
    assert not missing, "name them in NOT_OF_A_WORKSPACE, with what keeps strangers out"


@pytest.mark.parametrize(("method", "path"), OF_A_RUN)
@pytest.mark.parametrize("body", [b"", b"{}", b"a=b"])
async def test_a_stranger_learns_nothing_of_another_workspaces_run(client, save, method, path, body):
    """The same answer for a run that is there, for one that is not, and where there is not even a workspace."""
    save(a_manifest(workspace="closed", outputs=(OUTPUT,), side_files=(SIDE,)), FILES)
    kind = {b"{}": "application/json", b"a=b": "application/x-www-form-urlencoded"}.get(body)
    marks = {"Content-Type": kind} if kind else {}
    answers = [
        await client.request(method, filled(path, workspace=workspace, run_id=run), content=body, headers=marks)
        for workspace, run in itertools.product(("closed", "none"), (RUN_ID, a_run_id("none")))
    ]
    assert {answer.status_code // 100 for answer in answers} == {4}, answers[0].text
    first, *others = [re.sub(PLACE, "/…", repr(told(each))) for each in answers]
    assert others == [first] * 3


@pytest.mark.parametrize("path", [path for method, path in OF_A_RUN if method == "GET" and "events" not in path])
async def test_a_member_gets_what_strangers_do_not(client, save, path):
    """So that the refusals above mean something."""
    save(a_manifest(workspace="closed", outputs=(OUTPUT,), side_files=(SIDE,)), FILES)
    alice = {"Authorization": "Bearer alice"}
    answer = await client.get(filled(path, workspace="closed"), headers=alice)
    assert answer.status_code in (200, 302, 303, 307), answer.text


TRICKS = [
    "%2e%2e",
    "..;/..",
    "..%2f..",
    "%2e%2e/%2e%2e",
    "..%5c..",
    "%252e%252e%252f",
    "%00",
    "a%0d%0aSet-Cookie:%20a=b",
    "~root",
    "%2fetc%2fpasswd",
    "x" * 4000,
    "%f0%9f%92%a9",
    "%ff%fe",
    "{{7*7}}",
    "*",
    "?",
]


@pytest.mark.parametrize(("method", "path"), [each for each in OF_A_RUN if each[0] == "GET"])
@pytest.mark.parametrize("trick", TRICKS)
async def test_tricks_in_names_lead_nowhere(client, save, method, path, trick):
    save(a_manifest(outputs=(OUTPUT,), side_files=(SIDE,)), {**FILES, "secret.txt": b"SECRET"})
    for place in re.findall(r"\{(\w+)", path):
        values = {"workspace": "open", place: trick}
        answer = await client.request(method, filled(path, **values), follow_redirects=False)
        if trick == "..;/.." and b".." not in answer.request.url.raw_path:
            continue  # the client itself has made a path of it that another route answers
        assert answer.status_code in (303, 307, 400, 404, 405, 422), (place, answer.status_code, answer.text)
        assert "set-cookie" not in answer.headers
        assert "SECRET" not in answer.text


STRAY_KEYS = [
    "../../../../../one/runs/2026/11/23/{run}/secret.txt",
    "../secret.txt",
    "outputs/../../{other}/secret.txt",
    "/etc/passwd",
    "file:///etc/passwd",
    "s3://other/secret.txt",
    "..%2fsecret.txt",
    "outputs/%2e%2e/%2e%2e/{other}/secret.txt",
]


@pytest.mark.parametrize("key", STRAY_KEYS)
async def test_a_record_that_a_notebook_wrote_leads_to_no_other_runs_files(world, tmp_path, key):
    """Two workspaces in one bucket, by prefix: the record of the one names files of the other."""
    other = a_run_id("other")
    places = {name: tmp_path / name for name in ("one", "two")}
    stores = {name: open_store(place.as_uri()) for name, place in places.items()}
    secret = record_of(stores["one"], other)
    secret.write(a_manifest(run_id=other))
    secret.store.write("secret.txt", b"SECRET")
    record = record_of(stores["two"], RUN_ID)
    record.write(a_manifest())
    stray = key.format(run=other, other=other)
    forged = json.loads(a_manifest(outputs=(OUTPUT,), side_files=(SIDE,)).to_json())
    forged["outputs"][0]["key"] = forged["side_files"][0]["key"] = stray
    forged["files"] = dict.fromkeys(forged["files"], stray)
    record.store.write(keys.MANIFEST, json.dumps(forged).encode())
    found = Workspaces(workspaces=tuple(a_workspace(name=name, namespace=name) for name in stores))
    here = dataclasses.replace(world, workspaces=lambda: found, bucket=lambda workspace: stores[workspace.name])
    transport = httpx.ASGITransport(create_app(here), raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://daybook.test", headers={"Authorization": "Bearer bob"}
    ) as bob:
        for method, path in OF_A_RUN:
            if method == "GET" and "events" not in path:
                page = filled(path, workspace="two", name=stray.rsplit("/", 1)[-1])
                answer = await bob.get(page)
                assert "SECRET" not in answer.text, page
                assert "root:" not in answer.text, page


@pytest.mark.parametrize("name", ['a"\r\nSet-Cookie: a=b\r\n\r\n<script>.csv', "a;filename=b.html", "ü\u2028\x00.csv"])
async def test_a_files_name_cannot_make_headers(client, save, name):
    output = OUTPUT.model_copy(update={"path": name, "key": "outputs/x.csv"})
    page = save(a_manifest(outputs=(output,)), {"outputs/x.csv": b"abc"})
    answer = await client.get(f"{page}/outputs/{quote(name, safe='')}")
    assert answer.status_code in (200, 404)
    if answer.status_code == 200:
        assert "set-cookie" not in answer.headers
        assert re.fullmatch(r"attachment; filename\*=UTF-8''[A-Za-z0-9%._~-]+", answer.headers["content-disposition"])


async def _pieces():
    for _ in range(5):
        yield b"x" * (MAX_BODY_BYTES // 4)


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
@pytest.mark.parametrize("content", [b"x" * (MAX_BODY_BYTES + 1), _pieces])
@pytest.mark.parametrize(("method", "path"), [each for each in routes() if each[0] != "GET"] or [("POST", "/echo")])
async def test_huge_bodies_are_refused_unread(world, method, path, content, kind):
    app = create_app(world)
    if path == "/echo":  # there is no route yet that reads a body
        app.add_api_route(path, _echo, methods=["POST"])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://daybook.test") as client:
        marks = {"Authorization": "Bearer alice", "Content-Type": kind}
        body = content() if callable(content) else content
        answer = await client.request(method, filled(path, workspace="open"), content=body, headers=marks)
    assert 400 <= answer.status_code < 500, answer.text
    if path == "/echo":
        assert (answer.status_code, answer.text) == (413, "the request is larger than 4 MiB\n")


async def _echo(request: Request):
    return len(await request.body())
