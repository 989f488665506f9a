"""The files of a run: only those that its manifest names, streamed, and harmless in a browser."""

import dataclasses
import json

import httpx
import pytest

from builders import RUN_ID, a_manifest, a_run_id, an_output
from daybook.contract import keys
from daybook.contract.errors import StoreFailed
from daybook.contract.manifest import Files, Manifest, NotebookRecord, SideFile, State
from daybook.storage import Store, open_store, record_of
from daybook.web import headers, runs
from daybook.web.app import create_app

pytestmark = pytest.mark.anyio

SIGNED = Store.signed
PARQUET = "application/vnd.apache.parquet"
PNG = b"\x89PNG\r\n\x1a\n"


def assert_marked(answer, marks):
    assert {name: answer.headers.get(name) for name in marks} == marks


def test_the_marks_are_exactly_these():
    """What a browser may do with each kind of answer: a change here is a change of the security page."""
    assert headers.PAGE["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
    )
    assert headers.NOTEBOOK["Content-Security-Policy"] == (
        "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data: blob:; "
        "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    )
    assert headers.FILE["Content-Security-Policy"] == (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    )
    for marks in (headers.PAGE, headers.NOTEBOOK, headers.FILE):
        assert marks["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in marks["Cache-Control"] or "private" in marks["Cache-Control"]


@pytest.mark.parametrize(
    ("path", "key", "media_type", "marks", "disposition"),
    [
        ("notebook", "notebook.html", "text/html; charset=utf-8", headers.NOTEBOOK, None),
        (
            "notebook.ipynb",
            "notebook.ipynb",
            "application/octet-stream",
            headers.FILE,
            "attachment; filename*=UTF-8''flights_delays.ipynb",
        ),
        ("log", "log.txt", "text/plain; charset=utf-8", headers.FILE, None),
    ],
)
async def test_a_runs_own_files_are_given_as_they_are(client, save, path, key, media_type, marks, disposition):
    page = save(a_manifest(), {key: "Zürich <script>".encode()})
    answer = await client.get(f"{page}/{path}")
    assert (answer.status_code, answer.text) == (200, "Zürich <script>")
    assert answer.headers["content-type"] == media_type
    assert answer.headers.get("content-disposition") == disposition
    assert_marked(answer, marks)


async def test_the_manifest_is_given_as_json(client, save):
    answer = await client.get(save(a_manifest()) + "/manifest.json")
    assert Manifest.from_json(answer.content) == a_manifest()
    assert answer.headers["content-type"] == "application/json"
    assert_marked(answer, headers.FILE)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("notebook", "the run has no rendered notebook yet"),
        ("notebook.ipynb", "the run has no flights_delays.ipynb yet"),
        ("log", "the run has no log yet"),
    ],
)
async def test_a_file_that_is_not_there_yet_is_told(client, save, path, message):
    answer = await client.get(f"{save(a_manifest(files=Files()))}/{path}")
    assert (answer.status_code, answer.text) == (404, message + "\n")


async def test_a_file_that_was_deleted_is_told(client, save):
    answer = await client.get(save(a_manifest()) + "/log")
    assert answer.status_code == 404
    assert "there is no such object" in answer.text
    assert_marked(answer, headers.FILE)


async def test_a_later_attempts_files_are_found_where_the_manifest_says(client, save):
    page = save(a_manifest(attempt=2, files=Files(log="attempts/2/log.txt")), {"attempts/2/log.txt": b"second"})
    assert (await client.get(f"{page}/log")).text == "second"


@pytest.mark.parametrize(
    ("media_type", "shown_as", "disposition"),
    [
        ("image/png", "image/png", "inline"),
        ("image/jpeg", "image/jpeg", "inline"),
        ("text/csv", "application/octet-stream", "attachment"),
        ("text/html", "application/octet-stream", "attachment"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
        ("application/pdf", "application/octet-stream", "attachment"),
        ("image/png\r\nX-Evil: 1", "application/octet-stream", "attachment"),
    ],
)
async def test_only_plain_images_are_shown_everything_else_is_saved(client, save, media_type, shown_as, disposition):
    output = an_output("a.bin", media_type=media_type)
    page = save(a_manifest(outputs=(output,)), {output.key: PNG})
    answer = await client.get(f"{page}/outputs/a.bin")
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["content-type"] == shown_as
    assert answer.headers["content-disposition"] == f"{disposition}; filename*=UTF-8''a.bin"
    assert "x-evil" not in answer.headers
    assert_marked(answer, headers.FILE)


@pytest.mark.parametrize(
    ("path", "url", "name"),
    [
        ("a/b/c.csv", "a/b/c.csv", "c.csv"),
        ("a b.csv", "a%20b.csv", "a%20b.csv"),
        ("Zürich.csv", "Z%C3%BCrich.csv", "Z%C3%BCrich.csv"),
        ("100%.csv", "100%25.csv", "100%25.csv"),
        ("a%2Fb", "a%252Fb", "a%252Fb"),
        ("what?.csv", "what%3F.csv", "what%3F.csv"),
        ("a#b", "a%23b", "a%23b"),
        ('"; filename=evil.exe', "%22%3B%20filename%3Devil.exe", "%22%3B%20filename%3Devil.exe"),
    ],
)
async def test_outputs_are_found_by_any_name(client, save, path, url, name):
    output = an_output(path)
    page = save(a_manifest(outputs=(output,)), {output.key: b"found"})
    answer = await client.get(f"{page}/outputs/{url}")
    assert (answer.status_code, answer.content) == (200, b"found")
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}"


async def test_a_notebooks_id_makes_a_single_file_name(client, save):
    notebook = NotebookRecord(id="../a/b", source="x")
    page = save(a_manifest(notebook=notebook), {"notebook.ipynb": b"{}"})
    answer = await client.get(f"{page}/notebook.ipynb")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''..%2Fa%2Fb.ipynb"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "unlisted.csv",
        "a.csv/",
        "/a.csv",
        "..%2fmanifest.json",
        "%2e%2e/manifest.json",
        "%2e%2e%2fmanifest.json",
        "a.csv%00",
        "..%5c..%5cmanifest.json",
        "%2fetc%2fpasswd",
    ],
)
async def test_only_outputs_that_the_manifest_lists_are_given(client, save, path):
    listed = an_output("a.csv")
    page = save(a_manifest(outputs=(listed,)), {listed.key: b"listed", "outputs/unlisted.csv": b"secret"})
    answer = await client.get(f"{page}/outputs/{path}")
    assert answer.status_code == 404
    assert "secret" not in answer.text


OTHER = a_run_id("other")


@pytest.mark.parametrize(
    "key",
    [
        "../secret",
        "../../../../../../secret",
        "/etc/hostname",
        f"../{OTHER}/log.txt",
        "outputs/../../x",
        "a\nb",
        "",
        ".",
    ],
)
@pytest.mark.parametrize("on", ["memory", "folder"])
async def test_a_manifest_cannot_lead_out_of_its_run(world, tmp_path, key, on):
    """A notebook can write into its workspace's bucket, so its manifest may be forged."""
    (tmp_path / "secret").write_text("secret")
    bucket = open_store(str(tmp_path / "bucket") if on == "folder" else "memory:///")
    record_of(bucket, OTHER).store.write("log.txt", b"secret")
    forged = a_manifest(outputs=(an_output("x", key=key),), files=Files(log=key, html=key, notebook=key))
    record_of(bucket, RUN_ID).store.write(keys.MANIFEST, forged.to_json().encode())
    transport = httpx.ASGITransport(create_app(dataclasses.replace(world, bucket=lambda _: bucket)))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://daybook.test", headers={"Authorization": "Bearer bob"}
    ) as client:
        for path in ("outputs/x", "log", "notebook", "notebook.ipynb"):
            answer = await client.get(f"/runs/open/{RUN_ID}/{path}")
            assert answer.status_code == 404, answer.text
            assert "there is no such object" in answer.text or "no object can have this key" in answer.text


class Parts:
    """A bucket that gives an object part by part, and tells how many parts were asked for."""

    def __init__(self, store, parts, error=None):
        self._store, self._parts, self._error, self.given = store, parts, error, 0

    def read_tagged(self, key, limit=None):
        return self._store.read_tagged(key, limit)

    def below(self, prefix):
        self._store = self._store.below(prefix)
        return self

    def stream(self, _):
        for _ in range(self._parts):
            self.given += 1
            yield b"x" * 1024
        if self._error:
            raise self._error


async def stream_of(world, store, path, sent):
    """What a server would send, and how many parts were read by then."""
    app = create_app(dataclasses.replace(world, bucket=lambda _: store))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer bob")],
    }

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append((message, store.given))

    await app(scope, receive, send)


async def test_a_large_output_is_sent_while_it_is_read(world, bucket, save):
    output = an_output("large.bin")
    page, sent = save(a_manifest(outputs=(output,))), []
    await stream_of(world, Parts(bucket, 50), f"{page}/outputs/large.bin", sent)
    assert sent[0][0]["status"] == 200
    assert [given for message, given in sent[1:] if message["body"]] == list(range(1, 51))


async def test_a_stream_that_breaks_off_is_never_ended_as_if_it_were_whole(world, bucket, save):
    output = an_output("large.bin")
    page, sent = save(a_manifest(outputs=(output,))), []
    with pytest.raises(RuntimeError, match="response already started") as caught:
        await stream_of(world, Parts(bucket, 3, StoreFailed("lost")), f"{page}/outputs/large.bin", sent)
    assert isinstance(caught.value.__cause__, StoreFailed)
    assert [message["more_body"] for message, _ in sent[1:]] == [True] * 3


async def test_a_side_file_is_given_and_listed(client, save):
    large = SideFile(cell=3, key="side/cell-3-stdout.txt", size=12, sha256="0" * 64, media_type="text/plain")
    page = save(a_manifest(side_files=(large,)), {large.key: b"all of it"})
    answer = await client.get(f"{page}/side/cell-3-stdout.txt")
    assert answer.content == b"all of it"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert_marked(answer, headers.FILE)
    shown = (await client.get(page)).text
    assert f'{RUN_ID}/side/cell-3-stdout.txt"' in shown
    assert "Too large for the notebook" in shown


@pytest.mark.parametrize("name", ["cell-4-stdout.txt", "..%2fmanifest.json", "%2e%2e"])
async def test_no_other_file_is_given_as_a_side_file(client, save, name):
    large = SideFile(cell=3, key="side/cell-3-stdout.txt", size=12, sha256="0" * 64, media_type="text/plain")
    page = save(a_manifest(side_files=(large,)), {large.key: b"all of it", "side/cell-4-stdout.txt": b"not listed"})
    assert (await client.get(f"{page}/side/{name}")).status_code == 404


async def test_the_notebook_of_a_run_that_goes_on_is_as_of_its_last_flush(client, save):
    cell = {"cell_type": "code", "metadata": {}, "source": "", "execution_count": None, "outputs": []}
    copy = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"daybook": {"journal": 10}}, "cells": [cell]}
    shown = {"output_type": "stream", "name": "stdout", "text": "later"}
    change = {"metadata": {}, "execution_count": 1, "from": 0, "text_from": None, "outputs": [shown]}
    going_on = a_manifest(state=State.RUNNING, sealed=False, sealed_by=None, exit_code=None)
    files = {"notebook.ipynb": json.dumps(copy).encode()}
    files["journal/000000000010.jsonl"] = json.dumps({"cells": {"0": change}}).encode() + b"\n"
    page = save(going_on, files)
    answer = await client.get(f"{page}/notebook.ipynb")
    assert answer.json()["cells"][0]["outputs"] == [shown]
    assert_marked(answer, headers.FILE)


@pytest.fixture
def s3_bucket():
    """A bucket that signs links; nothing is asked of it here."""
    environment = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
    return open_store("s3://runs", environment)


@pytest.mark.parametrize(
    ("media_type", "of_bucket", "size", "downloads", "is_signed"),
    [
        (PARQUET, PARQUET, 2_000_000, "signed", True),
        ("Text/CSV; charset=utf-8", "binary/octet-stream", 2_000_000, "signed", True),
        (PARQUET, PARQUET, 1000, "signed", False),
        (PARQUET, PARQUET, 2_000_000, "streamed", False),
        ("image/png", "image/png", 2_000_000, "signed", False),
        ("text/html", "text/html", 2_000_000, "signed", False),
        ("TEXT/HTML", "text/plain", 2_000_000, "signed", False),
        ("Image/SVG+XML", "text/plain", 2_000_000, "signed", False),
        ("application/x-made-up", "text/plain", 2_000_000, "signed", False),
        (PARQUET, "text/html", 2_000_000, "signed", False),
        (PARQUET, "Text/HTML", 2_000_000, "signed", False),
        (PARQUET, None, 2_000_000, "signed", False),
    ],
)
async def test_large_outputs_come_by_a_link_into_the_bucket_where_that_is_set(
    world, bucket, save, s3_bucket, monkeypatch, media_type, of_bucket, size, downloads, is_signed
):
    output = an_output("a", size=size, media_type=media_type)
    page = save(a_manifest(outputs=(output,)))
    record_of(bucket, RUN_ID).store.write(output.key, b"x", of_bucket)
    here = s3_bucket.below(record_of(bucket, RUN_ID).store.url_of("").removeprefix("memory://").strip("/"))
    monkeypatch.setattr(Store, "signed", lambda _, key, seconds: SIGNED(here, key, seconds))
    app = create_app(dataclasses.replace(world, settings=dataclasses.replace(world.settings, downloads=downloads)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://daybook.test", headers={"Authorization": "Bearer bob"}
    ) as bob:
        answer = await bob.get(f"{page}/outputs/a")
    assert answer.status_code == (302 if is_signed else 200)
    if is_signed:
        link = httpx.URL(answer.headers["location"])
        assert (link.params["X-Amz-Expires"], link.path.endswith(f"{RUN_ID}/outputs/a")) == ("60", True)
        assert answer.headers["cache-control"] == "no-store"


async def test_a_bucket_that_signs_nothing_is_streamed_whatever_is_set(world, save):
    output = an_output("a.bin", size=2_000_000, media_type="application/octet-stream")
    page = save(a_manifest(outputs=(output,)), {output.key: b"x"})
    app = create_app(dataclasses.replace(world, settings=dataclasses.replace(world.settings, downloads="signed")))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://daybook.test", headers={"Authorization": "Bearer bob"}
    ) as bob:
        assert (await bob.get(f"{page}/outputs/a.bin")).content == b"x"


async def test_a_large_notebook_of_a_run_that_goes_on_is_streamed_as_of_its_last_copy(client, save, monkeypatch):
    monkeypatch.setattr(runs, "MAX_WHOLE_BYTES", 10)
    going_on = a_manifest(state=State.RUNNING, sealed=False, sealed_by=None, exit_code=None)
    page = save(going_on, {"notebook.ipynb": b"whatever it is"})
    answer = await client.get(f"{page}/notebook.ipynb")
    assert (answer.status_code, answer.content) == (200, b"whatever it is")
    assert_marked(answer, headers.FILE)
