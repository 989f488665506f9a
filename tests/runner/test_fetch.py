"""Where notebooks come from, and what is said of those that cannot be had."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from daybook.contract.errors import InvalidRequest, StoreFailed
from daybook.contract.request import NotebookSource
from daybook.runner import fetch as fetching
from daybook.runner.fetch import fetch
from daybook.storage import open_store
from runner.moto import s3_server

DATA = b'{"cells": []}'


def get(source, environment=None, sha256=None):
    return fetch(NotebookSource(id="x", source=str(source), sha256=sha256), environment or {})


@pytest.fixture(scope="module")
def web():
    """A web server: /notebook is there, /3 redirects three times, /loop for ever, /503 and /404 answer so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/").split("?")[0]
            if name == "notebook":
                self.answer(200)
            elif name in ("loop", "3", "2", "1"):
                target = {"loop": "loop", "3": "2", "2": "1", "1": "notebook"}[name]
                self.send_response(302)
                self.send_header("Location", f"/{target}")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.answer(int(name))

        def answer(self, code):
            self.send_response(code)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a notebook.ipynb"
    path.write_bytes(DATA)
    return path


def test_a_path_and_a_file_url(file):
    assert get(file) == DATA
    assert get(file.as_uri()) == DATA


def test_a_web_address(web):
    assert get(f"{web}/notebook?token=x") == DATA


def test_redirects_are_followed_to_a_limit(web):
    assert get(f"{web}/3") == DATA
    with pytest.raises(InvalidRequest, match="redirects"):
        get(f"{web}/loop")


@pytest.mark.parametrize(("code", "error"), [(404, InvalidRequest), (403, InvalidRequest), (503, StoreFailed)])
def test_an_answer_that_is_none_is_told(web, code, error):
    with pytest.raises(error, match=f"{web}/{code}: the server answered {code}"):
        get(f"{web}/{code}")


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(InvalidRequest, match=r"http://127.0.0.1:9/x"):
        get("http://127.0.0.1:9/x")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.ipynb", "No such file"),
        (".", "it is a folder"),
        ("ftp://host/a.ipynb", "must be a path, or begin with"),
        ("s3://bucket", "names no object"),
        ("s3:///a", "names no object"),
        ("a\0b", "null byte"),
        ("", "folder"),
    ],
)
def test_sources_that_are_none(source, message):
    with pytest.raises(InvalidRequest, match=f"cannot read the notebook.*{message}"):
        get(source)


def test_the_digest_is_checked(file):
    digest = hashlib.sha256(DATA).hexdigest()
    assert get(file, sha256=digest.upper()) == DATA
    with pytest.raises(InvalidRequest, match=f"its sha256 is {digest}"):
        get(file, sha256="0" * 64)


def test_a_notebook_has_a_largest_size(file, web, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_NOTEBOOK_BYTES", 5)
    for source in (file, f"{web}/notebook"):
        with pytest.raises(InvalidRequest, match="larger than"):
            get(source)


def test_a_download_has_an_end(web, monkeypatch):
    monkeypatch.setattr(fetching, "HTTP_TOTAL_SECONDS", -1.0)
    with pytest.raises(StoreFailed, match="it took more than"):
        get(f"{web}/notebook")


def test_an_object_in_a_bucket(s3):
    open_store("s3://notebooks", s3).write("a/b.ipynb", DATA)
    assert get("s3://notebooks/a/b.ipynb", s3) == DATA
    with pytest.raises(InvalidRequest, match="there is no such object"):
        get("s3://notebooks/a/c.ipynb", s3)


@pytest.fixture(scope="module")
def s3():
    with s3_server() as environment:
        yield environment
