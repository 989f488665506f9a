"""The files of a project before the cells of a real kernel."""

import shutil
from pathlib import Path

import pytest

from databricks.kernels import jupyter_folder, started
from databricks.sync.conftest import CLUSTER


@pytest.fixture
def environment(standin, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", str(jupyter_folder(tmp_path / "jupyter")))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return {**standin.environment(CLUSTER), "DAYBOOK_DATABRICKS_SYNC_ENABLED": "true"}


@pytest.fixture
def kernel(project, environment):
    project.put("pyproject.toml", "[tool.daybook.databricks.sync]\nenabled = true\n")
    project.put("helpers/names.py", "who = 'Ada'\n")
    project.put("data.csv", "1,2\n")
    with started(environment, project.path) as kernel:
        yield kernel


def test_what_is_written_at_home_is_there_for_the_next_cell(project, kernel):
    kernel.run("import helpers.names")
    project.put("data.csv", "3,4\n")
    (project.path / "helpers/names.py").rename(project.path / "helpers/words.py")
    ran = kernel.run("import os; from helpers.words import who; print(open('data.csv').read(), os.listdir('helpers'))")
    assert ran.printed.split()[0] == "3,4"
    assert "names.py" not in ran.printed


def test_a_cell_does_not_run_on_files_that_did_not_arrive(standin, project, kernel):
    kernel.run("from pathlib import Path")
    project.put("data.csv", "3,4\n")
    folder = next((standin.root / "driver/tmp").glob("daybook-*"))
    folder.chmod(0o755)  # not ours any more, as far as the driver can tell
    ran = kernel.run("Path('ran').touch()")
    assert (ran.reply["status"], ran.reply["ename"]) == ("error", "SyncFailed")
    folder.chmod(0o700)
    assert kernel.run("print(Path('ran').exists(), open('data.csv').read())").printed.split() == ["False", "3,4"]


def test_a_fresh_driver_gets_the_files_again(standin, kernel):
    kernel.run("1")
    standin.contexts.lose_all()
    shutil.rmtree(standin.root / "driver")
    kernel.run("2", watched=True)
    assert kernel.run("from helpers.names import who; print(who)", watched=True).printed.strip().endswith("Ada")


def test_a_folder_that_a_cell_removed_is_there_again_for_the_next(kernel):
    kernel.run("import os, shutil; shutil.rmtree(os.getcwd())")
    assert kernel.run("print(open('data.csv').read())").printed.strip() == "1,2"


def test_left_out_files_are_told_beside_the_cell(project, kernel):
    (project.path / "elsewhere").symlink_to(Path("/etc/hostname"))
    assert "elsewhere was left out: the link leads out of the folder" in kernel.run("1").printed
