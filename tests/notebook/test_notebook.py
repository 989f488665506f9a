"""`daybook.notebook`, as a notebook's author uses it, inside and outside a run."""

import datetime
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from daybook import notebook


@pytest.fixture
def events(tmp_path, monkeypatch):
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv("DAYBOOK_RESULTS", str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DAYBOOK_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


def test_importing_it_loads_nothing_but_the_standard_library():
    code = "import sys, daybook.notebook; print({'pydantic', 'pyspark', 'numpy', 'httpx'} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_outputs_is_the_folder_of_the_run(folder):
    assert notebook.outputs() == folder
    assert folder.is_dir()


def test_outputs_makes_the_folders_of_a_path_but_not_the_path(folder):
    path = notebook.outputs("plots", "delay.png")
    assert path == folder / "plots" / "delay.png"
    assert path.parent.is_dir()
    assert not path.exists()


def test_outputs_outside_a_run_is_a_folder_here(tmp_path, monkeypatch):
    monkeypatch.delenv("DAYBOOK_OUTPUTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert notebook.outputs("a.txt") == tmp_path / "outputs" / "a.txt"


@pytest.mark.parametrize("parts", [("..",), ("..", "a"), ("/etc/passwd",), ("a", "..", "..", "b"), ("a/../../b",)])
def test_outputs_refuses_paths_that_leave_the_folder(folder, parts):
    with pytest.raises(ValueError, match="not inside the outputs folder"):
        notebook.outputs(*parts)


def test_outputs_refuses_links_that_leave_the_folder(folder, tmp_path):
    folder.mkdir()
    (folder / "away").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="through a link"):
        notebook.outputs("away", "a.txt")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (12.3, 12.3),
        (7, 7),
        (2**70, 2**70),
        (True, True),
        (None, None),
        ("Zürich \u2028 \"'", "Zürich \u2028 \"'"),
        ([1, (2, {"a": 3})], [1, [2, {"a": 3}]]),
        ({1: "a"}, {"1": "a"}),
        ({None: 1}, {"null": 1}),
        (Decimal("2.50"), 2.5),
        (Decimal("12"), 12),
        (datetime.date(2013, 1, 2), "2013-01-02"),
        (datetime.datetime(2013, 1, 2, 3, tzinfo=datetime.UTC), "2013-01-02T03:00:00+00:00"),
        (Path("a") / "b", "a/b"),
        (np.float64(1.5), 1.5),
        (np.int32(4), 4),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.datetime64("2013-01-02"), "2013-01-02"),
        (pd.Timestamp("2013-01-02", tz="UTC"), "2013-01-02T00:00:00+00:00"),
        (pd.Series([1, 2]), [1, 2]),
        ({"a": np.int64(1)}, {"a": 1}),
    ],
)
def test_record_keeps_a_value_as_json(events, value, kept):
    returned = notebook.record("value", value)
    assert returned == kept
    assert type(returned) is type(kept)
    assert events() == [{"kind": "result", "name": "value", "value": kept}]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (float("nan"), ValueError),
        (np.float64("inf"), ValueError),
        ([1, {"a": float("nan")}], ValueError),
        (Decimal("NaN"), ValueError),
        (pd.NaT, ValueError),
        (pd.NA, ValueError),
        (object(), TypeError),
        ({1, 2}, TypeError),
        (pd.DataFrame({"a": [1]}), TypeError),
        (b"bytes", TypeError),
        (1j, TypeError),
        ("x" * 70_000, ValueError),
    ],
)
def test_record_refuses_what_json_cannot_say(events, value, error):
    with pytest.raises(error, match="value"):
        notebook.record("value", value)
    assert events() == []


@pytest.mark.parametrize("name", ["", "1a", "a b", "a-b", "é", "a\n", None, "x" * 129])
def test_record_refuses_names_that_are_none(events, name):
    with pytest.raises(ValueError, match="no name for a result"):
        notebook.record(name, 1)


def test_record_outside_a_run_keeps_nothing(monkeypatch, tmp_path):
    monkeypatch.delenv("DAYBOOK_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert notebook.record("value", 1) == 1
    assert list(tmp_path.iterdir()) == []


def test_workspace_tells_where_the_notebook_runs(monkeypatch):
    for name, value in {"WORKSPACE": "team", "RUN": "r1", "NOTEBOOK": "flights", "USER": "ada"}.items():
        monkeypatch.setenv(f"DAYBOOK_{name}", value)
    assert notebook.workspace() == notebook.Workspace("team", "r1", "flights", "ada")


def test_workspace_outside_a_run_is_local(monkeypatch):
    for name in ("WORKSPACE", "RUN", "NOTEBOOK", "USER"):
        monkeypatch.delenv(f"DAYBOOK_{name}", raising=False)
    assert notebook.workspace() == notebook.Workspace("local", None, None, None)


def test_secret_gives_the_value_of_a_secret_input(monkeypatch):
    monkeypatch.setenv("DAYBOOK_SECRET_token", "s3cret")
    assert notebook.secret("token") == "s3cret"


def test_a_secret_that_is_not_there_is_named():
    with pytest.raises(LookupError, match="no secret 'api_key'"):
        notebook.secret("api_key")
