"""Where notebooks come from, and what is said of those that cannot be had."""

import hashlib
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from daybook.contract.errors import InvalidRequest, StoreFailed
from daybook.contract.request import NotebookSource
from daybook.runner import fetch as fetching
from daybook.runner.fetch import fetch
from daybook.runner.patience import Patience
from daybook.storage import open_store
from runner.faults import FaultProxy, answering, cutting_short, expired, resetting
from runner.moto import s3_server

DATA = b'{"cells": []}'


def get(source, environment=None, sha256=None, patience=None):
    return fetch(NotebookSource(id="x", source=str(source), sha256=sha256), environment or {}, patience)


@pytest.fixture(scope="module")
def web():
    """A web server: /notebook is there, /3 redirects three times, /loop for ever, /503 and /404 answer so.

    /in_turn/… answers each time as the next part of the path says: a status, `reset`, or `half` of the notebook.
    """
    asked = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/").split("?")[0]
            if name.startswith("in_turn/"):
                asked[name] = asked.get(name, 0) + 1
                name = name.split("/")[asked[name]]
            if name == "reset":
                self.close_connection = True
            elif name == "half":
                self.answer(200, DATA[:5])
                self.close_connection = True
            elif name == "notebook":
                self.answer(200)
            elif name in ("loop", "3", "2", "1", "detour"):
                here = f"http://localhost:{self.server.server_port}"
                target = {"loop": "/loop", "3": "/2", "2": "/1", "1": "/notebook", "detour": f"{here}/notebook"}[name]
                self.send_response(302)
                self.send_header("Location", target)
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.answer(int(name))

        def answer(self, code, body=DATA):
            self.send_response(code)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(body)

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


def test_a_public_server_leads_nobody_into_a_private_network(web, monkeypatch):
    monkeypatch.setattr(fetching, "is_private", lambda host: host == "localhost")
    with pytest.raises(InvalidRequest, match="it leads to localhost, which is in a private network"):
        get(f"{web}/detour")


def test_a_server_of_a_private_network_that_the_source_names_may_lead_on_within_it(web):
    assert get(f"{web}/detour") == DATA


@pytest.mark.parametrize(("code", "error"), [(404, InvalidRequest), (403, InvalidRequest), (503, StoreFailed)])
def test_an_answer_that_is_none_is_told(web, code, error):
    with pytest.raises(error, match=f"{web}/{code}: the server answered {code}"):
        get(f"{web}/{code}")


def test_a_server_that_refuses_may_be_there_later():
    with pytest.raises(StoreFailed, match=r"cannot read the notebook: http://127.0.0.1:9/x: .*refused") as caught:
        get("http://127.0.0.1:9/x")
    assert caught.value.retry_helps


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), InvalidRequest),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), StoreFailed),
        (ssl.SSLCertVerificationError("self-signed certificate"), InvalidRequest),
        (TimeoutError("timed out"), StoreFailed),
    ],
)
def test_a_server_that_there_is_not_is_the_users_fault_and_one_that_is_away_is_not(monkeypatch, reason, expected):
    def connect(*_, **__):
        raise reason

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(expected, match=r"cannot read the notebook: http://example\.org/x: "):
        get("http://example.org/x")


def patience(said=None, seconds=60.0):
    return Patience(seconds, (said if said is not None else []).append, sleep=lambda _: None)


@pytest.mark.parametrize(
    "turns", ["503/429/notebook", "reset/reset/notebook", "half/notebook", "502/reset/half/notebook"]
)
def test_a_web_server_that_fails_for_a_moment_is_asked_again(web, turns):
    said = []
    assert get(f"{web}/in_turn/{turns}", patience=patience(said)) == DATA
    assert said[0].startswith("trying again for up to 60 s: cannot read the notebook: ")


def test_a_web_server_is_not_asked_again_for_what_is_not_there(web):
    with pytest.raises(InvalidRequest, match="the server answered 404"):
        get(f"{web}/in_turn/404/notebook", patience=patience())
    with pytest.raises(StoreFailed, match="the server answered 503"):
        get(f"{web}/in_turn/503/notebook", patience=patience(seconds=0.0))


@pytest.mark.parametrize(
    ("fault", "times"), [(expired, 3), (answering(400, "ExpiredToken"), 2), (resetting, 2), (cutting_short, 2)]
)
def test_a_bucket_that_fails_for_a_moment_is_asked_again(s3, fault, times):
    open_store("s3://notebooks", s3).write("moment.ipynb", DATA)
    with FaultProxy(s3["AWS_ENDPOINT_URL"]) as proxy:
        planned = proxy.plan(fault, times=times)
        through = {**s3, "AWS_ENDPOINT_URL": proxy.url}
        assert get("s3://notebooks/moment.ipynb", through, patience=patience()) == DATA
        assert planned.met == times


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
