"""Secrets that the runner was given do not get into anything that a run leaves behind."""

import base64
import json
import os

import pytest

from runner.pods import wait_until

SECRET = 'pä"ss\\wörd-4711'
TOKEN = "AQoDYXdzEJr-session-token-of-the-run"
ENVIRONMENT = {"DAYBOOK_SECRET_password": SECRET, "AWS_SESSION_TOKEN": TOKEN, "DAYBOOK_SECRET_pin": "77"}

SHOWING = (
    """
import os, sys, time, json, base64, logging
from daybook.notebook import outputs, record, secret
value = secret("password")
print("plain", value)
print(value[:5], end="", flush=True)
time.sleep(0.4)  # longer than the kernel gathers what is printed: the rest is a message of its own
print(value[5:])
print("as base64", base64.b64encode(f"user:{value}".encode()).decode())
print("as JSON", json.dumps({"password": value}))
print("to the error stream", value, file=sys.stderr)
os.system(f"echo from a process {os.environ['AWS_SESSION_TOKEN']}")
""",
    """
from IPython.display import HTML, display
display(HTML(f"<b>{value}</b>"), {"text/plain": value, "application/json": {"deep": [value]}}, raw=False)
record("remembered", {"it": value})
value
""",
    "# the author pasted it: " + TOKEN,
    "raise ValueError('cannot log in with ' + value)",
)


@pytest.fixture(scope="module")
def ended(run_once):
    environment = {**os.environ, **ENVIRONMENT}
    environment.pop("PYTEST_CURRENT_TEST", None)  # with it, ipykernel does not watch the file of standard output
    return run_once(*SHOWING, parameters={"hint": SECRET}, environment=environment)


def disguised(text):
    """How a secret may look: as it is, in JSON, in base64 at every place."""
    data = text.encode()
    yield text
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    for before in range(3):
        yield base64.b64encode(b"\0" * before + data)[4:-4].decode()


@pytest.mark.parametrize("name", ["notebook.ipynb", "notebook.html", "log.txt", "manifest.json"])
@pytest.mark.parametrize("secret", [SECRET, TOKEN], ids=["input", "credential"])
def test_no_file_of_the_record_holds_a_secret_in_any_form(ended, name, secret):
    content = (ended.folder / name).read_text()
    assert "[redacted" in content
    for form in disguised(secret):
        assert form not in content


def test_what_the_pod_prints_holds_none_either(ended):
    for secret in (SECRET, TOKEN):
        for form in disguised(secret):
            assert form not in ended.said


def test_the_notebook_itself_worked_with_the_real_value(ended):
    assert ended.states == ["succeeded"] * 4 + ["failed"]
    assert ended.manifest.error.name == "ValueError"


def test_everything_around_a_secret_stays(ended):
    printed = ended.printed(1)
    for words in ("plain ", "as base64 ", "as JSON ", "to the error stream ", "from a process "):
        assert words in printed


def test_a_secret_too_short_to_be_found_is_named_in_the_log(ended):
    [line] = [line for line in ended.said.splitlines() if "DAYBOOK_SECRET_pin" in line]
    assert "the value of DAYBOOK_SECRET_pin is too short" in line
    assert "77" not in line


def test_the_copy_on_the_way_holds_none(pod):
    cell = "import os, time\nfrom daybook.notebook import secret\nprint('it is', secret('password'))\ntime.sleep(300)"
    process, left = pod(cell, variables=ENVIRONMENT)
    copy = left.folder / "notebook.ipynb"

    def printed():
        return copy.exists() and json.loads(copy.read_text())["cells"][0]["outputs"]

    wait_until(printed, process)
    [folder] = left.scratch.iterdir()
    for kept in (copy, left.folder / "journal" / "000000000000.jsonl", folder / "log.txt"):
        for form in disguised(SECRET):
            assert form not in kept.read_text()
