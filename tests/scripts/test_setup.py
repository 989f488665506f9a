"""Setting up: an old Python is told what to do, and the locks are whole, hashed and free of addresses."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
LOCKS = sorted((CHECKOUT / "requirements").glob("*.txt"))


@pytest.fixture
def setup():
    spec = importlib.util.spec_from_file_location("daybook_setup", CHECKOUT / "scripts" / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 10, 13), (3, 14, 0)])
def test_python_that_will_not_do_is_refused_with_the_way_out(setup, monkeypatch, capsys, version):
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit) as caught:
        setup.check_python()
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert f"{version[0]}.{version[1]}" in message
    assert "make demo PYTHON=python3" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 9), (3, 13, 1)])
def test_supported_python_passes(setup, monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    setup.check_python()


def test_set_up_changes_when_a_lock_or_the_interpreter_does(setup, monkeypatch):
    before = setup.stamp_of(["airflow"], [])
    assert before == setup.stamp_of(["airflow"], [])
    assert before != setup.stamp_of(["airflow"], ["dev"])
    monkeypatch.setattr(sys, "version", "another interpreter")
    assert before != setup.stamp_of(["airflow"], [])


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_lock_is_hashed_and_holds_no_address(lock):
    text = lock.read_text()
    assert not re.search(r"https?://|^--|^-i\b|^-f\b", text, re.MULTILINE)
    pinned = re.split(r"\n(?=\S)", text.strip())
    assert len(pinned) >= 4
    for entry in pinned:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_notebooks_never_see_airflow_and_airflow_never_sees_spark():
    names = {path.stem: set(re.findall(r"^([A-Za-z0-9._-]+)==", path.read_text(), re.MULTILINE)) for path in LOCKS}
    assert not [name for name in names["notebook"] if "airflow" in name]
    assert "pyspark" not in names["airflow"]
    assert "pyspark" in names["notebook"]


def test_pandas_in_the_notebook_environment_is_older_than_3():
    version = re.search(r"^pandas==(\d+)", (CHECKOUT / "requirements" / "notebook.txt").read_text(), re.MULTILINE)
    assert int(version[1]) < 3
